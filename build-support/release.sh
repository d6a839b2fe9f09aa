# Sourced by ./pants release: what a change touches, and the images of just that.
#   ./pants release changed [--since REV]       list the services whose image a change touches
#   ./pants release check [--since REV]         refuse a touched service without a version and changelog of its own
#   ./pants release build [--since REV]         build the images of those
#   ./pants release publish --to REGISTRY [--since REV]   build and push them: VERSION and commit as tags
# REV is what the change goes on top of, by default origin/main, else the commit before.
release_usage() {
  sed -n 's/^#   //p' "$root/build-support/release.sh" >&2
  exit 2
}

since='' registry='' release_command=${1:-}
[ $# = 0 ] || shift
while [ $# -gt 0 ]; do
  case $1 in
  --since) since=${2:-} && shift 2 ;;
  --since=*) since=${1#*=} && shift ;;
  --to) registry=${2:-} && shift 2 ;;
  --to=*) registry=${1#*=} && shift ;;
  *) release_usage ;;
  esac
done
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
  fi
  ;;
*) release_usage ;;
esac
