# Sourced by ./pants audit: known vulnerabilities of what the lock files pin, as PyPI and OSV know them.
#   ./pants audit             every resolve
#   ./pants audit default …   some of them
# Ends with 1 where there is one. What cannot be mended yet is ignored by a line `RESOLVE ID why` in
# 3rdparty/python/audit-ignored.txt.
cd "$root/3rdparty/python"
resolves=("$@")
[ ${#resolves[@]} -gt 0 ] || for lock in *.lock; do resolves+=("${lock%.lock}"); done
status=0
for resolve in "${resolves[@]}"; do
  [ -f "$resolve.lock" ] || {
    say "audit $resolve: there is no 3rdparty/python/$resolve.lock: name one of $(ls *.lock | sed 's/\.lock$//' | tr '\n' ' ')"
    exit 2
  }
  ignored=()
  if [ -f audit-ignored.txt ]; then
    while read -r name id _; do
      [ "$name" != "$resolve" ] || ignored+=(--ignore-vuln "$id")
    done <audit-ignored.txt
  fi
  say "looking up what $resolve.lock pins"
  tool pip-audit --requirement "$resolve.lock" --require-hashes --disable-pip --progress-spinner off \
    "${ignored[@]}" || status=1
done
exit "$status"
