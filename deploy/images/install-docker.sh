#!/usr/bin/env bash
# Puts Docker Engine, Compose and buildx on a Debian machine from Debian's own packages and starts
# the daemon, where that is still to be done. As root; takes a second when all is there.
set -euo pipefail

log=/var/log/clickwatch-dockerd.log
say() { printf 'install-docker: %s\n' "$*" >&2; }

works() { docker info >/dev/null 2>&1; }
has_plugins() { docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; }

if works && has_plugins && command -v debootstrap >/dev/null; then
  exit 0
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  say "Docker Engine with the plugins compose and buildx is missing: install it (https://docs.docker.com/engine/install),"
  say "or run this as root on Debian"
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive

missing=()
command -v dockerd >/dev/null || works || missing+=(docker.io iptables)
command -v debootstrap >/dev/null || missing+=(debootstrap)
if [ ${#missing[@]} -gt 0 ]; then
  say "installing ${missing[*]}"
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

# Debian 12 has neither plugin; those of Debian 13 run on it.
if ! has_plugins; then
  say "installing Compose and buildx"
  if ! apt-get install -y -qq --no-install-recommends docker-compose docker-buildx >/dev/null 2>&1 || ! has_plugins; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    chmod 755 "$work"
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${DEBIAN_MIRROR:-http://deb.debian.org/debian} trixie main" >"$work/sources.list"
    # Lists of its own: the machine must not take anything else from the newer release.
    trixie=(-o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
      -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache")
    apt-get "${trixie[@]}" update -qq
    (cd "$work" && apt-get "${trixie[@]}" download -qq docker-compose docker-buildx >/dev/null)
    apt-get install -y -qq --no-install-recommends "$work"/*.deb >/dev/null
  fi
fi

# A second daemon beside a first would delete the first one's network.
if ! works; then
  if pgrep -x dockerd >/dev/null; then
    say "dockerd runs and does not answer: see its log"
    exit 1
  fi
  say "starting dockerd (log: $log)"
  setsid nohup dockerd >"$log" 2>&1 </dev/null 9>&- &
  for _ in $(seq 120); do
    works && break
    sleep 0.5
  done
  works || {
    say "dockerd did not start; the end of $log:"
    tail -n 20 "$log" >&2
    exit 1
  }
fi
say "$(docker version --format 'Docker {{.Server.Version}}'), Compose $(docker compose version --short), $(docker buildx version | cut -d' ' -f1-2)"
