#!/usr/bin/env bash
# Sees to it that every image of images.env is on this machine: pulled, or where that fails all of them
# as stand-ins. Takes a second when they are there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

if [ ! -e stand-ins.env ]; then
  pulled=true
  while $pulled && IFS='=' read -r name image; do
    case $name in '' | \#*) continue ;; esac
    image=${!name:-$image}
    docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image" || pulled=false
  done <images.env
  ! $pulled || exit 0
fi
exec ./stand-ins.sh
