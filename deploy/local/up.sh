# Sourced by ./pants up: builds the services' programs where something changed, then starts the local stack.
programs=(services/simulator services/streaming services/batch services/db-migrations deploy/local:local)
say "building the programs (the first time takes some minutes: Spark is large)"
pants --no-dynamic-ui package "${programs[@]}" >&2
export CLICKWATCH_DIST=$root/dist
exec "$root/dist/local.pex/__main__.py" "$@"
