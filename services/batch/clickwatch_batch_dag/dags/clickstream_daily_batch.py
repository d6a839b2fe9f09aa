"""Airflow DAG `clickstream_daily_batch`: yesterday, each night, from its log to its report.

The day of a run is its partition key, which the timetable sets: at 02:00 UTC that of the day before.
Tasks hand each other locations, never data, and import what is heavy when they run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime

from airflow.sdk import DAG, Context, CronPartitionTimetable, Param, get_current_context, task
from airflow.sdk.exceptions import AirflowFailException
from clickwatch_batch.settings import Settings
from clickwatch_batch_dag.chosen_day import chosen_day
from clickwatch_batch_dag.settings import DagSettings
from clickwatch_service import UserError, load_settings

_ABOUT = """
Each task can be read on its own:

1. **check_input** finds the log of the day.
2. **analyse** answers all analyses and writes them to files.
3. **publish** replaces the day in all tables at once.
4. **reconcile** compares the speed layer's windows with the day's counts.
5. **report** writes the report and notifies.

Every task may run again: a day done twice is the same day. For a chosen day trigger the DAG with
*partition key* (or *day*, or a logical date) such as `2025-06-01`; for several days start a backfill.
A day that is not over is refused, unless *unfinished* asks for what there is of it.
"""

# What is wrong in the environment is this DAG's import error now, not a failed night.
load_settings(Settings)
_retries = load_settings(DagSettings)


def _day() -> date:
    context: Context = get_current_context()
    run = context["dag_run"]
    assert isinstance(run.run_after, datetime)
    try:
        return chosen_day(context.get("partition_key"), context["params"].get("day"), run.run_after, run.logical_date)
    except UserError as error:
        # Named wrongly, it is named wrongly the next time too.
        raise AirflowFailException(str(error)) from None


def _is_unfinished_wanted() -> bool:
    return bool(get_current_context()["params"].get("unfinished"))


@contextmanager
def _failing_at_once() -> Iterator[None]:
    """Fail without another try where a day is not over: the tries end long before it."""
    from clickwatch_batch.input.whole_day import NotOver

    try:
        yield
    except NotOver as error:
        raise AirflowFailException(str(error)) from None


@task
def check_input() -> str:
    """Return the location of the day's input."""
    from clickwatch_batch import steps

    with _failing_at_once():
        return steps.check_input(_day(), load_settings(Settings), _is_unfinished_wanted())


@task
def analyse(source: str) -> str:
    """Analyse the day; return the location of the results."""
    from clickwatch_batch import steps

    with _failing_at_once():
        return steps.analyse(_day(), load_settings(Settings), unfinished=_is_unfinished_wanted())


@task
def publish(results: str) -> str:
    """Replace the day in all tables, in one transaction."""
    from clickwatch_batch import steps
    from clickwatch_batch.reports.verdicts import Refused

    try:
        steps.publish(_day(), results, load_settings(Settings))
    except Refused as refused:
        # The same day again would be refused again, and told of again.
        raise AirflowFailException(str(refused)) from None
    return results


@task
def reconcile(results: str) -> str:
    """Compare what the speed layer counted with the day's numbers."""
    from clickwatch_batch import steps

    steps.reconcile(_day(), results, load_settings(Settings))
    return results


@task
def report(results: str) -> str:
    """Write the day's report and notify; return its location."""
    from clickwatch_batch import steps

    return steps.report(_day(), results, load_settings(Settings))


with DAG(
    "clickstream_daily_batch",
    description="The exact picture of a whole UTC day",
    doc_md=_ABOUT,
    schedule=CronPartitionTimetable("0 2 * * *", timezone="UTC", run_offset=-1, key_format="%Y-%m-%d"),
    catchup=False,
    max_active_runs=1,
    default_args={
        "retries": _retries.dag_retries,
        "retry_delay": _retries.dag_retry_delay,
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": _retries.dag_max_retry_delay,
        # A backfill has its own count of runs; this holds across all runs, so nothing of a day happens twice at once.
        "max_active_tis_per_dag": 1,
    },
    params={
        "day": Param(
            None,
            type=["null", "string"],
            format="date",
            title="Day",
            description="The UTC day of a manual run, where no partition key names it; yesterday if neither does.",
        ),
        "unfinished": Param(
            False,
            type="boolean",
            title="Unfinished",
            description="Do a day that is not over too. It is marked as unfinished until a later run completes it.",
        ),
    },
    tags=["clickwatch", "batch"],
) as dag:
    # Called here, a task is a promise of what it will return.
    report(reconcile(publish(analyse(check_input()))))  # type: ignore[arg-type]
