# Sourced by ./pants lock: one hash-pinned lock a resolve, without addresses.
# ./pants lock          adds and removes what the .in files ask for, keeps other versions
# ./pants lock upgrade  takes the newest of everything
cd "$root/3rdparty/python"
flags=()
[ "${1:-}" != upgrade ] || flags+=(--upgrade)
for resolve in default spark airflow bench pytest mypy dockerfile tools; do
  tool uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
    --no-annotate --custom-compile-command './pants lock' "${flags[@]}" "$resolve.in" -o "$resolve.lock"
  say "wrote 3rdparty/python/$resolve.lock"
done
