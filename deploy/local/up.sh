# Sourced by ./pants up: builds the services' programs where something changed, then starts the local stack.
programs=(services/simulator services/streaming services/batch services/db-migrations services/dashboard deploy/local:local)
export CLICKWATCH_DIST=$root/dist
case " $* " in
*" status "* | *" down "* | *" --help "*) programs=(deploy/local:local) ;;
*) say "building the programs (the first time takes some minutes: Spark is large)" ;;
esac
case " $* " in
*" --airflow "*) programs+=(services/batch/clickwatch_batch_dag:airflow) ;;
esac
case " $* " in
*" --shop "*) programs+=(services/collector) ;;
esac
[ -z "${NOTIFIER_CHANNELS_FILE:-}" ] || programs+=(services/notifier)
pants --no-dynamic-ui package "${programs[@]}" >&2
exec "$root/dist/local.pex/__main__.py" "$@"
