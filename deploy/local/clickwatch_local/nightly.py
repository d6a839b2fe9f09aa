"""Airflow with the batch layer's DAG, for `up --airflow`: its page, its schedule, its backfills."""

from collections.abc import Iterator
from time import monotonic

from clickwatch_servers import Process
from clickwatch_service import UserError

from clickwatch_local.stack import Stack
from clickwatch_local.yesterday import until_success

DAG = "clickstream_daily_batch"
_TIMEOUT_SECONDS = 300


def bring_up(stack: Stack) -> Iterator[Process]:
    """Start Airflow and print where its page is. Do so when yesterday is there: the DAG is not paused.

    Yields a process that it waits for, again and again until all is up (see `yesterday.analyse`).

    Raises:
        ProcessDied: a part ended.
        UserError: it took too long.
    """
    airflow = stack.airflow()
    yield from until_success(airflow.migrate(stack.places.log("airflow-migrations")))
    first, *_ = stack.start_airflow(airflow)
    deadline = monotonic() + _TIMEOUT_SECONDS
    while not (airflow.is_healthy() and airflow.has_dag(DAG)):
        if monotonic() > deadline:
            raise UserError(
                f"Airflow does not show DAG {DAG} after {_TIMEOUT_SECONDS} s: "
                f"see {airflow.url} and airflow-….log in {stack.places.output}"
            )
        yield first
    print(f"Airflow          {airflow.url}/dags/{DAG}  (user {airflow.user}, password in {airflow.passwords_file})")
    print("                 repeats any day: Trigger, with a partition key such as 2025-06-01", flush=True)
