#!/usr/bin/env bash
# Builds the testbed's images without an image registry: build.sh [redis] [kafka] [kinesis] (default: all three).
# Needs root, a running Docker engine and debootstrap; Maven and Java 17 for Kafka; `npm ci` before. See README.md.
# Prints, as its last lines, the variables that make the testbed use the images.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../.." && pwd)
suite=trixie
images=("$@")
[ ${#images[@]} -gt 0 ] || images=(redis kafka kinesis)

packages=(redis-server)
for image in "${images[@]}"; do
  case $image in
  redis) ;;
  kafka) packages+=(openjdk-21-jre-headless) ;;
  kinesis) packages+=(python3 python3-venv nodejs) ;;
  *)
    echo "build.sh: there is no image \"$image\"; there are redis, kafka, kinesis" >&2
    exit 2
    ;;
  esac
done

work=$(mktemp -d)
rootfs=$work/rootfs
cleanup() {
  mountpoint -q "$rootfs/proc" && umount "$rootfs/proc"
  rm -rf "$work"
}
trap cleanup EXIT

say() { echo "offline-images: $* (${SECONDS} s)" >&2; }

# Results are cached under a name that depends on their inputs.
cache=${POLYBUS_TEST_CACHE:-$top/.cache}/offline-images
mkdir -p "$cache"
key=$(printf '%s\n' "$suite" "${packages[@]}" | cat - "$here/localstack/requirements.txt" | sha256sum | cut -c1-12)
base_tar=$cache/base-$key.tar
localstack_tar=$cache/localstack-$key.tar

# The Debian mirror of this machine's settings. Without one, debootstrap uses its default.
debian_mirror() {
  apt-get indextargets --format '$(LABEL) $(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk '$1 == "Debian" { print $2; exit }'
}

# Runs pip inside the root file system, so that it installs for that Python, with this machine's network and settings.
install_localstack() {
  mount -t proc proc "$rootfs/proc"
  local borrowed=(/etc/resolv.conf /etc/pip.conf)
  [ -z "${PIP_CERT:-}" ] || borrowed+=("$PIP_CERT")
  local file
  for file in "${borrowed[@]}"; do
    [ ! -e "$file" ] || install -D "$(readlink -f "$file")" "$rootfs$file"
  done
  cp "$here/localstack/requirements.txt" "$rootfs/tmp/requirements.txt"
  chroot "$rootfs" /bin/sh -c 'python3 -m venv /opt/localstack &&
    /opt/localstack/bin/pip install --quiet --no-cache-dir -r /tmp/requirements.txt' >"$work/log" 2>&1 || {
    tail -30 "$work/log" >&2
    return 1
  }
  umount "$rootfs/proc"
  tar -C "$rootfs/opt" -cf "$localstack_tar.partial" localstack
  mv "$localstack_tar.partial" "$localstack_tar"
  rm -rf "$rootfs/opt/localstack" "$rootfs/tmp/requirements.txt"
  for file in "${borrowed[@]}"; do rm -f "$rootfs$file"; done
}

if [ ! -e "$base_tar" ]; then
  say "debootstrap $suite with ${packages[*]}"
  included=$(IFS=,; echo "${packages[*]}")
  mirror=$(debian_mirror)
  # The log is long, and printed only after a failure.
  debootstrap --variant=minbase --include="$included" "$suite" "$rootfs" ${mirror:+"$mirror"} >"$work/log" 2>&1 || {
    tail -30 "$work/log" >&2
    exit 1
  }
  if [[ " ${images[*]} " == *' kinesis '* ]]; then
    say 'LocalStack from its Python packages'
    install_localstack
  fi
  rm -rf "$rootfs"/var/cache/apt/* "$rootfs"/var/lib/apt/lists/* "$rootfs"/usr/share/{doc,man,locale}
  tar -C "$rootfs" --one-file-system -cf "$base_tar.partial" .
  mv "$base_tar.partial" "$base_tar"
fi
say 'docker import'
docker import "$base_tar" polybus-testbed/base >/dev/null

# build TAG CONTEXT [OPTION]...: our Dockerfiles only copy files, so that no builder needs a network.
build() {
  local tag=$1 context=$2
  shift 2
  DOCKER_BUILDKIT=0 docker build --quiet --tag "$tag" "$@" "$context" >/dev/null 2>"$work/log" || {
    cat "$work/log" >&2
    exit 1
  }
  say "built $tag"
}

variables=()
for image in "${images[@]}"; do
  context=$work/$image
  mkdir -p "$context"
  case $image in
  redis)
    cp -r "$here/redis/." "$context"
    build polybus-testbed/redis "$context"
    variables+=(POLYBUS_TEST_REDIS_IMAGE=polybus-testbed/redis)
    ;;
  kafka)
    read -r version jars < <(cd "$top" && node --import tsx "$here/kafka-jars.ts")
    cp -r "$here/kafka/." "$context"
    cp -r "$jars" "$context/jars"
    build "polybus-testbed/kafka:$version" "$context"
    variables+=("POLYBUS_TEST_KAFKA_IMAGE=polybus-testbed/kafka:$version")
    ;;
  kinesis)
    cp -r "$here/localstack/." "$context"
    tar -C "$context" -xf "$localstack_tar"
    cp -r "$top/node_modules/kinesis-local" "$context/kinesis-local"
    version=$(node -p 'require(process.argv[1]).version' "$context/kinesis-local/package.json")
    build polybus-testbed/localstack:4.14.0 "$context" --build-arg "KINESIS_LOCAL_VERSION=$version"
    variables+=(POLYBUS_TEST_KINESIS_IMAGE=polybus-testbed/localstack:4.14.0)
    ;;
  esac
done
printf '%s\n' "${variables[@]}"
