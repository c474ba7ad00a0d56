#!/usr/bin/env bash
# Runs the tests of the testbed and the conformance suite of the Redis engine with every broker in a Docker container:
# docker-brokers.sh [VITEST OPTION]...
# If no Docker engine answers (as root, on Debian or Ubuntu), it installs one from the docker.io package, starts it with its own
# data folder, and ends it afterwards. An existing engine pulls the images that the testbed names. If it cannot, and for an engine
# that this script has started, scripts/offline-images/build.sh builds the images (as root) without a registry.
set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$top"

say() { echo "docker-brokers: $* (${SECONDS} s)"; }

need() {
  local missing=()
  local program package
  while [ $# -gt 0 ]; do
    program=$1 package=$2
    shift 2
    command -v "$program" >/dev/null || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get -q update >/dev/null
  apt-get -q -y --no-install-recommends install "${missing[@]}" >/dev/null
}

answers() { docker version >/dev/null 2>&1; }

state=
engine=
bridge_was_there=

end_engine() {
  if [ -n "$engine" ]; then
    kill "$engine" 2>/dev/null || true
    wait "$engine" 2>/dev/null || true
    engine=
  fi
}

# A Docker engine leaves its bridge behind when it ends, and mounts when it crashes.
cleanup() {
  end_engine
  [ -n "$state" ] || return 0
  if [ -z "$bridge_was_there" ] && [ -e /sys/class/net/docker0 ]; then ip link delete docker0 || true; fi
  awk -v state="$state/" 'index($2, state) == 1 { print $2 }' /proc/mounts | sort -r | xargs -r umount || true
  rm -rf "$state"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

start_engine() {
  [ "$(id -u)" = 0 ] || {
    say 'no Docker engine answers, and only root can start one' >&2
    exit 1
  }
  need dockerd docker.io ip iproute2
  # The installation may have started it.
  if answers; then return; fi
  state=$(mktemp -d /tmp/polybus-docker-XXXXXX)
  [ ! -e /sys/class/net/docker0 ] || bridge_was_there=yes
  export DOCKER_HOST=unix://$state/docker.sock
  # Tests reach containers only through mapped ports, which the engine's own proxy serves. Without packet filter rules and
  # forwarding, the script leaves the machine unchanged.
  local isolated='--iptables=false --ip6tables=false --ip-forward=false'
  local attempt
  for attempt in "$isolated" "$isolated --storage-driver=vfs"; do
    # shellcheck disable=SC2086 # The options are several words.
    setsid dockerd --host "$DOCKER_HOST" --data-root "$state/data" --exec-root "$state/exec" \
      --pidfile "$state/docker.pid" $attempt >"$state/log" 2>&1 &
    engine=$!
    local deadline=$((SECONDS + 30))
    while kill -0 "$engine" 2>/dev/null && [ "$SECONDS" -lt "$deadline" ]; do
      if answers; then
        say "dockerd answers"
        return
      fi
      sleep 0.2
    done
    end_engine
    say "dockerd $attempt does not answer; the end of its log:"
    tail -5 "$state/log"
    rm -rf "$state/data" "$state/exec"
  done
  say 'this machine cannot run a Docker engine' >&2
  exit 1
}

build_images() {
  [ "$(id -u)" = 0 ] || {
    say 'the images cannot be pulled, and only root can build others' >&2
    exit 1
  }
  need debootstrap debootstrap
  say 'building the images'
  local images variable
  images=$(scripts/offline-images/build.sh redis kafka kinesis)
  while IFS= read -r variable; do export "${variable?}"; done <<<"$images"
}

# An engine that this script has started has no packet filter rules, so it cannot reach a registry.
can_pull() {
  [ -z "$engine" ] || return 1
  local images image
  images=$(node --import tsx --conditions=@polybus/source scripts/ci/broker-images.ts) || exit 1
  while IFS= read -r image; do
    say "pulling $image"
    # An image that exists locally needs no registry.
    docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image" || return 1
  done <<<"$images"
}

need docker docker.io
answers || start_engine
docker version --format 'docker-brokers: engine {{.Server.Version}} on {{.Server.KernelVersion}}'
can_pull || build_images

say 'running the tests'
export POLYBUS_TEST_PROVIDERS=docker
npx vitest run --project testbed --project engine-redis packages/testbed/test/ packages/engine-redis/test/pubsub.suite \
  packages/engine-redis/test/streams.suite "$@"
[ -z "$(docker ps --all --quiet --filter label=polybus.testbed.instance)" ] || {
  say 'containers were left behind:' >&2
  docker ps --all >&2
  exit 1
}
say 'done'
