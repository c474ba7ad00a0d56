#!/usr/bin/env bash
# Runs the conformance suite on the memory engines on Bun and on Deno. Downloads them from npm if necessary.
# usage: npm run try:runtimes [-- CASE]
#   CASE  only the cases whose name contains this text
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
folder=$PWD/.cache/runtimes
mkdir -p "$folder"
[ -f "$folder/package.json" ] || echo '{ "private": true }' >"$folder/package.json"
npm install --prefix "$folder" --no-audit --no-fund --silent --ignore-scripts bun@1.4.5 deno@2.9.6 >/dev/null || exit 1

# binary NAME: prints the path of a runtime. Its package for this platform contains it.
binary() { find "$folder/node_modules" -path "*/node_modules/@*" -name "$1" -type f -size +1M | head -n 1; }

status=0
for command in "$(binary bun)" "$(binary deno) run --allow-all"; do
  echo "$(basename "${command%% *}"): $(${command%% *} --version | head -n 1)"
  # shellcheck disable=SC2086 -- the command has arguments
  $command --conditions=@polybus/source scripts/runtimes/suite.ts "$@" || status=1
done
exit "$status"
