# Sourced by ./pants release: what a change touches, and the images of just that.
#   ./pants release changed [--since REV]       list the services whose image a change touches
#   ./pants release check [--since REV]         refuse a touched service without a version and changelog of its own
#   ./pants release build [--since REV]         build the images of those
#   ./pants release publish --to REGISTRY [--since REV] [--sign]   build and push them: VERSION and commit as tags
# --sign lets cosign sign what was pushed, by its digest, and attest its SBOM: with COSIGN_KEY, or keyless in CI.
# REV is what the change goes on top of, by default origin/main, else the commit before.
release_usage() {
  sed -n 's/^#   //p' "$root/build-support/release.sh" >&2
  exit 2
}

since='' registry='' sign='' release_command=${1:-}
[ $# = 0 ] || shift
while [ $# -gt 0 ]; do
  case $1 in
  --since) since=${2:-} && shift 2 ;;
  --since=*) since=${1#*=} && shift ;;
  --to) registry=${2:-} && shift 2 ;;
  --to=*) registry=${1#*=} && shift ;;
  --sign) sign=yes && shift ;;
  *) release_usage ;;
  esac
done
if [ -n "$sign" ] && ! command -v cosign >/dev/null; then
  say "--sign: cosign is not on the PATH: install it (https://docs.sigstore.dev), or leave --sign out"
  exit 1
fi
if [ -z "$since" ]; then
  since=$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD~1)
fi
git rev-parse --quiet --verify "$since^{commit}" >/dev/null || {
  say "--since=$since: there is no such commit here; fetch it (a shallow clone has few) or name another"
  exit 1
}

touched_images() {
  pants "--changed-since=$since" --changed-dependents=transitive --filter-target-type=docker_image list
}

# Tags may move, so what is signed is the digest that the registry gave.
sign_image() {
  local name=${1##*:} version digest key=()
  version=$(pants peek "$1" | sed -n 's/.*image\.version": "\(.*\)".*/\1/p')
  digest=$(docker image inspect --format '{{index .RepoDigests 0}}' "$registry/clickwatch/$name:$version")
  [ -z "${COSIGN_KEY:-}" ] || key=(--key "$COSIGN_KEY")
  sbom_of "$1"
  cosign sign --yes "${key[@]}" "$digest"
  cosign attest --yes "${key[@]}" --type cyclonedx --predicate "$root/dist/sbom/$name.cdx.json" "$digest"
  say "signed $digest"
}

. "$root/build-support/sbom.sh"
case $release_command in
changed) touched_images | sed 's|^services/\([^/:]*\).*|\1|' | sort -u ;;
check)
  touched=$(touched_images | sed 's|^services/\([^/:]*\).*|\1|' | sort -u)
  # shellcheck disable=SC2086  # one word a service
  "$(find_python 3.11)" "$root/build-support/release_check.py" --since "$since" $touched
  ;;
build | publish)
  images=$(touched_images)
  if [ -z "$images" ]; then
    say "nothing since $since touches an image"
  elif [ "$release_command" = build ]; then
    # shellcheck disable=SC2086
    pants package $images
  else
    [ -n "$registry" ] || {
      say "--to is missing: name the registry, such as --to ghcr.io/OWNER"
      exit 2
    }
    # shellcheck disable=SC2086
    pants "--docker-registries={'release': {'address': '$registry', 'default': True}}" publish $images
    [ -z "$sign" ] || for image in $images; do sign_image "$image"; done
  fi
  ;;
*) release_usage ;;
esac
