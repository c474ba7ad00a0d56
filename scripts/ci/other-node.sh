#!/usr/bin/env bash
# Runs the tests that need no broker on another major version of Node, from npm's package `node`. Also runs the tests of Kafka's
# timers, because newer versions of Node warn about negative timeouts.
# usage: scripts/ci/other-node.sh MAJOR [vitest options]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
major=$1
shift
binary=$(scripts/ci/node-binary.sh "$major")
echo "Node $("$binary" --version)"
# The child processes of the tests also use this Node.
export PATH=$(dirname "$binary"):$PATH
"$binary" node_modules/vitest/vitest.mjs run --project engine-kafka packages/engine-kafka/test/publish/timers.test.ts "$@"
exec "$binary" node_modules/vitest/vitest.mjs run \
  --project core --project conformance --project engine-memory --project bus --project custom-engine --project log-engine \
  --project create-polybus-engine "$@"
