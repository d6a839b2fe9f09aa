"""The DAG as Airflow reads it, without a running Airflow."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from pathlib import Path

import pytest
from clickwatch_batch_dag.__main__ import DAGS_FOLDER, set_defaults
from clickwatch_batch_dag.chosen_day import chosen_day
from clickwatch_service import UserError

DUE = datetime(2025, 6, 2, 2, tzinfo=UTC)

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs Python in a process of its own, as Airflow makes its home and reads its settings when imported."""

    def run(program: str, **variables: str) -> str:
        environment = {
            "AIRFLOW_HOME": str(tmp_path / "airflow"),
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "CRITICAL",
            "PYTHONPATH": os.pathsep.join(sys.path),
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            **variables,
        }
        set_defaults(environment)
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


_TIMETABLE = """
import pendulum
from airflow.serialization.encoders import coerce_to_core_timetable
from airflow.timetables.base import TimeRestriction
from clickwatch_batch_dag.dags.clickstream_daily_batch import dag
timetable = coerce_to_core_timetable(dag.timetable)
"""


def test_at_two_in_the_night_the_day_chosen_is_the_previous_one(run: Run) -> None:
    chosen = run(
        _TIMETABLE
        + """
for earliest in ("2025-06-02T00:00Z", "2025-06-02T02:00Z", "2025-06-02T02:00:01Z", "2024-03-01T01:00Z"):
    restriction = TimeRestriction(pendulum.parse(earliest), None, catchup=True)
    info = timetable.next_dagrun_info_v2(last_dagrun_info=None, restriction=restriction)
    print(info.run_after.isoformat(), info.partition_key, info.logical_date)
"""
    )

    assert chosen.splitlines() == [
        "2025-06-02T02:00:00+00:00 2025-06-01 None",
        "2025-06-02T02:00:00+00:00 2025-06-01 None",
        "2025-06-03T02:00:00+00:00 2025-06-02 None",
        "2024-03-01T02:00:00+00:00 2024-02-29 None",
    ]


def test_a_backfill_has_a_run_for_each_day_of_its_range(run: Run) -> None:
    keys = run(
        _TIMETABLE
        + """
range = dict(earliest=pendulum.parse("2025-05-30T00:00Z"), latest=pendulum.parse("2025-06-01T23:59:59Z"))
print(*(info.partition_key for info in timetable.iter_partition_dagrun_infos(**range)))
"""
    )

    assert keys == "2025-05-30 2025-05-31 2025-06-01"


def test_it_is_one_line_of_five_tasks_without_catch_up_one_run_at_a_time_with_growing_pauses(run: Run) -> None:
    shape = run(
        """
from clickwatch_batch_dag.dags.clickstream_daily_batch import dag
print(*(f"{task.task_id} > {' '.join(task.downstream_task_ids)}" for task in dag.topological_sort()), sep="; ")
print(dag.catchup, dag.max_active_runs, {task.max_active_tis_per_dag for task in dag.tasks})
print({(task.retries, str(task.retry_delay), task.retry_exponential_backoff) for task in dag.tasks})
""",
        DAG_RETRIES="3",
        DAG_RETRY_DELAY="5 s",
    )

    assert shape.splitlines() == [
        "check_input > analyse; analyse > publish; publish > reconcile; reconcile > report; report > ",
        "False 1 {1}",
        "{(3, '0:00:05', 2.0)}",
    ]


_IMPORT = f"""
from airflow.dag_processing.dagbag import DagBag
bag = DagBag({str(DAGS_FOLDER)!r})
print(*bag.dags, *bag.import_errors.values())
"""


def test_it_imports_no_engine_and_no_database(run: Run) -> None:
    heavy = "import sys; print(*({'duckdb', 'pyarrow', 'pyspark', 'psycopg', 's3fs'} & set(sys.modules)))"

    assert run(_IMPORT + heavy).splitlines() == ["clickstream_daily_batch"]


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("MALFORMED_THRESHOLD", "2", "MALFORMED_THRESHOLD='2': must be less than or equal to 1"),
        ("DAG_RETRY_DELAY", "soon", "DAG_RETRY_DELAY='soon': must be a duration such as"),
    ],
)
def test_a_wrong_setting_is_an_import_error_of_one_line(run: Run, variable: str, value: str, said: str) -> None:
    printed = run(_IMPORT, **{variable: value}).splitlines()

    assert len(printed) == 1
    assert printed[0].startswith(said)


def test_the_partition_key_names_the_day() -> None:
    assert chosen_day("2025-05-01", None, DUE) == date(2025, 5, 1)


def test_a_manual_run_may_name_the_day_by_parameter_or_both_alike() -> None:
    assert chosen_day(None, "2025-05-01", DUE) == date(2025, 5, 1)
    assert chosen_day("2025-05-01", "2025-05-01", DUE) == date(2025, 5, 1)


def test_a_run_that_names_no_day_is_about_the_day_before() -> None:
    assert chosen_day(None, None, DUE) == date(2025, 6, 1)


@pytest.mark.parametrize("zone", [UTC, timezone(timedelta(hours=9))])
def test_a_logical_date_is_the_day_whose_midnight_in_utc_it_is(zone: tzinfo) -> None:
    midnight = datetime(2025, 5, 1, tzinfo=UTC).astimezone(zone)

    assert chosen_day(None, None, DUE, midnight) == date(2025, 5, 1)
    assert chosen_day(None, "2025-05-01", DUE, midnight) == date(2025, 5, 1)


@pytest.mark.parametrize("instant", [DUE, datetime(2025, 5, 1, tzinfo=timezone(timedelta(hours=9)))])
def test_a_logical_date_that_is_no_midnight_names_no_day_and_no_other_is_taken(instant: datetime) -> None:
    with pytest.raises(UserError, match=r"logical date .* names no day, because it is no midnight in UTC"):
        chosen_day(None, None, DUE, instant)


def test_an_instant_beside_a_named_day_is_airflows_own() -> None:
    assert chosen_day("2025-05-01", None, DUE, DUE) == date(2025, 5, 1)
    assert chosen_day(None, "2025-05-01", DUE, DUE) == date(2025, 5, 1)


def test_a_logical_date_of_another_day_is_refused() -> None:
    with pytest.raises(UserError, match="parameter day 2025-05-02 and logical date 2025-05-01 differ"):
        chosen_day(None, "2025-05-02", DUE, datetime(2025, 5, 1, tzinfo=UTC))


def test_two_different_days_are_refused() -> None:
    with pytest.raises(UserError, match="partition key 2025-05-01 and parameter day 2025-05-02 differ"):
        chosen_day("2025-05-01", "2025-05-02", DUE)


def test_what_is_no_day_is_refused_by_its_name() -> None:
    with pytest.raises(UserError, match="parameter day 'monday' is no day: write it as 2025-06-01"):
        chosen_day(None, "monday", DUE)
