#!/usr/bin/env bash
# Prints the path of the newest Node of a major version, from npm's package `node`. Downloads it if necessary.
# usage: scripts/ci/node-binary.sh MAJOR
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=$PWD/.cache/node-$1
mkdir -p "$folder"
[ -f "$folder/package.json" ] || echo '{ "private": true }' >"$folder/package.json"
npm install --prefix "$folder" --no-audit --no-fund --silent "node@$1" >/dev/null
find "$folder/node_modules" -path '*/bin/node' -type f -size +1M | head -n 1
