"""The DAG in a real Airflow: its processes, its metadata in PostgreSQL, its API. Days are the simulator's."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from clickwatch_servers import Command, Process
from clickwatch_servers.airflow import DATABASE, PARTS, ROLE, Airflow
from clickwatch_servers.ports import free_port
from clickwatch_servers.postgres import Postgres, password, start_postgres, write_pgpass
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

NAME = "clickstream_daily_batch"
DAG = f"/api/v2/dags/{NAME}"
DAYS = [f"2025-06-0{number}" for number in range(1, 7)]
LOGIN_ROLES = (
    "clickwatch_streaming",
    "clickwatch_batch",
    "clickwatch_reader",
    "clickwatch_privacy",
    "clickwatch_notifier",
)
TABLES = ("daily_summary", "user_segments", "product_performance", "category_conversion")
IMPATIENT = {
    "DAG_RETRY_DELAY": "1 s",
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
    # Else it would begin with last night, whose log is not there, if that is less than 144 minutes ago.
    "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
    # A scheduler that is gone is noticed, and its tasks begin anew, after this and not after minutes.
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "20",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "3",
}


def program(name: str) -> tuple[str, ...]:
    """Return how a program that Pants packed for this test is started."""
    return (str(Path(os.environ.get("CLICKWATCH_DIST", "."), f"{name}.pex", "__main__.py").absolute()),)


@dataclass
class Stack:
    """An Airflow over a database with the services' tables."""

    folder: Path
    airflow: Airflow
    parts: dict[str, Process]
    database_url: str

    def trigger(self, day: str) -> str:
        """Start a run for a day; return its id."""
        run = self.airflow.ask("POST", f"{DAG}/dagRuns", {"logical_date": None, "partition_key": day})
        return str(run["dag_run_id"])

    def runs(self) -> list[dict[str, Any]]:
        """What Airflow knows of the DAG's runs. (JSON of its API, hence Any.)"""
        runs = self.airflow.ask("GET", f"{DAG}/dagRuns").get("dag_runs", [])
        assert isinstance(runs, list)
        return runs

    def state(self, run: str, task: str = "") -> object:
        """The state of a run, or of one of its tasks."""
        task_path = f"/taskInstances/{task}" if task else ""
        return self.airflow.ask("GET", f"{DAG}/dagRuns/{run}{task_path}").get("state")

    def wait_for_success(self, run: str) -> None:
        assert self.end_of(run) == "success", self._what_tasks_said()

    def end_of(self, run: str) -> object:
        """The state that a run ends in."""
        self.wait(lambda: self.state(run) in ("success", "failed"), f"end of run {run}")
        return self.state(run)

    def command(self, *arguments: str) -> None:
        """Do something by Airflow's command line."""
        log = self.folder / "logs" / f"{'-'.join(arguments[:2])}.log"
        command = Command("airflow", (*self.airflow.program, *arguments), log, self.airflow.variables())
        Process(command).require_success(180)

    def tries(self, run: str, task: str) -> object:
        """How often a task of a run was tried."""
        return self.airflow.ask("GET", f"{DAG}/dagRuns/{run}/taskInstances/{task}").get("try_number")

    def days(self) -> set[str]:
        """The days that are published."""
        return {day for (day,) in self.query("SELECT report_date::text FROM daily_summary")}

    def wait(self, condition: Callable[[], bool], wanted: str, timeout_seconds: float = 180) -> None:
        def settled() -> bool:
            for part in self.parts.values():
                part.require_running()
            return condition()

        Retrying(
            retry=retry_if_result(lambda done: not done),
            wait=wait_fixed(0.3),
            stop=stop_after_delay(timeout_seconds),
            retry_error_callback=lambda _: pytest.fail(f"no {wanted}: {self._what_tasks_said()}"),
        )(settled)

    def query(self, text: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(text.encode()).fetchall()

    def rows(self, day: str) -> dict[str, list[tuple[Any, ...]]]:
        """All tables of a day, with the transaction that wrote each row."""
        return {
            table: self.query(f"SELECT xmin::text, t::text FROM {table} t WHERE report_date = '{day}' ORDER BY 2")
            for table in TABLES
        }

    def ledger(self, day: str) -> dict[str, Any]:
        """What the simulator says the day's log holds."""
        days: dict[str, dict[str, Any]] = json.loads((self.folder / f"ledger-{day}.json").read_bytes())["days"]
        return days[day]

    def _what_tasks_said(self) -> str:
        logs = sorted((self.airflow.folder / "logs").glob("dag_id=*/**/*.log"), key=lambda log: log.stat().st_mtime)
        return "\n".join(f"{log}:\n{log.read_text()[-3000:]}" for log in logs[-3:])


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("airflow")
    passwords, logs = folder / "passwords", folder / "logs"
    for role in (*LOGIN_ROLES, ROLE):
        password(passwords, role)
    postgres = start_postgres(folder / "postgres", free_port(), passwords, logs / "postgres.log", {"fsync": "off"})
    started = [postgres.process]
    try:
        postgres.wait()
        postgres.ensure_owner("clickwatch")
        postgres.ensure_database(DATABASE, ROLE)
        write_pgpass(passwords, postgres.port, folder / "pgpass")
        airflow = _airflow(folder, postgres)
        migrating = airflow.migrate(logs / "airflow-migrate.log")
        started.append(migrating)
        _prepare(folder, postgres)
        migrating.require_success(180)
        parts = {part: airflow.start_part(part, logs) for part in PARTS}
        started.extend(parts.values())
        stack = Stack(folder, airflow, parts, postgres.url("clickwatch", with_password=True))
        stack.wait(lambda: airflow.has_dag("clickstream_daily_batch") and airflow.is_healthy(), "healthy Airflow")
        yield stack
        started.extend(stack.parts.values())
    finally:
        for process in reversed(started):
            process.kill()


def _airflow(folder: Path, postgres: Postgres) -> Airflow:
    environment = {
        "DATABASE_URL": postgres.url("clickwatch_batch"),
        "DATA_DIR": str(folder / "data"),
        "PGPASSFILE": str(folder / "pgpass"),
        **IMPATIENT,
    }
    return Airflow(program("airflow"), folder / "airflow", free_port(), postgres.url(ROLE, DATABASE), environment)


def _prepare(folder: Path, postgres: Postgres) -> None:
    """Make the tables, and the logs of all days."""
    environment = {
        "DATABASE_URL": postgres.url("clickwatch"),
        "ROLE_PASSWORDS_DIR": str(folder / "passwords"),
        "DATA_DIR": str(folder / "data"),
        "PGPASSFILE": str(folder / "pgpass"),
    }
    jobs: list[tuple[str, ...]] = [("db-migrations", "upgrade")]
    troubles = ("--duplicates=0.02", "--poison=0.005")
    for day in DAYS:
        ledger = f"--ledger={folder / f'ledger-{day}.json'}"
        jobs.append(("simulator", "backfill", f"--date={day}", "--events=2000", ledger, *troubles))
    for name, *arguments in jobs:
        log = folder / "logs" / f"{name}.log"
        Process(Command(name, (*program(name), *arguments), log, environment)).require_success(120)


def assert_tables_equal_ledger(stack: Stack, day: str) -> None:
    ledger, where = stack.ledger(day), f"WHERE report_date = '{day}'"
    names = ("total_events", "revenue_minor", "duplicates", "malformed")
    buyers = sum(segment == "buyer" for segment in ledger["users"].values())

    assert stack.query(
        f"SELECT total_events, revenue_minor, duplicate_events, malformed_lines, buyer_count FROM daily_summary {where}"
    ) == [(*(ledger[name] for name in names), buyers)]
    assert dict(stack.query(f"SELECT user_id, segment FROM user_segments {where}")) == ledger["users"]
    products = stack.query(
        f"SELECT product_id, view_count, cart_count, purchase_count FROM product_performance {where}"
    )
    assert {product: counts for product, *counts in products} == {
        product: [counts["views"], counts["carts"], counts["purchases"]]
        for product, counts in ledger["products"].items()
    }
    categories = stack.query(
        f"SELECT category, views, carts, purchases, revenue_minor FROM category_conversion {where}"
    )
    assert {category: counts for category, *counts in categories} == {
        category: [counts["views"], counts["carts"], counts["purchases"], counts["revenue_minor"]]
        for category, counts in ledger["categories"].items()
    }


def test_a_run_for_a_given_day_and_its_rerun_by_command_give_that_day(stack: Stack) -> None:
    day = DAYS[0]

    stack.wait_for_success(stack.trigger(day))

    assert_tables_equal_ledger(stack, day)
    before = stack.rows(day)
    stack.command("dags", "trigger", NAME, "--run-id=again", "--conf", json.dumps({"day": day}))
    stack.wait_for_success("again")
    assert stack.rows(day) == before
    assert stack.days() == {day}


def test_a_logical_date_is_the_day_that_is_done_and_an_instant_of_it_is_refused_at_once(stack: Stack) -> None:
    day = DAYS[5]
    before = stack.days()

    stack.command("dags", "trigger", NAME, "--run-id=instant", "--logical-date", f"{day}T05:00:00+00:00")
    assert stack.end_of("instant") == "failed"
    assert stack.tries("instant", "check_input") == 1
    assert stack.days() == before

    stack.command("dags", "trigger", NAME, "--run-id=by-date", "--logical-date", day)
    stack.wait_for_success("by-date")
    assert stack.days() == {*before, day}
    assert_tables_equal_ledger(stack, day)


def test_the_dag_tested_for_a_date_does_that_day(stack: Stack) -> None:
    day = DAYS[5]
    stack.query("DELETE FROM daily_summary WHERE report_date = '2025-06-06' RETURNING report_date")
    before = stack.days()

    stack.command("dags", "test", NAME, day)

    assert stack.days() == {*before, day}
    assert_tables_equal_ledger(stack, day)


def test_a_day_that_is_not_over_fails_at_once_unless_it_is_asked_for_as_unfinished(stack: Stack) -> None:
    today = datetime.now(UTC).date().isoformat()
    event = {"user_id": "u", "product_id": "p", "product_category": "c", "event_type": "view"}
    log = stack.folder / "data" / "logs" / f"clickstream_{today}.jsonl"
    log.write_text(json.dumps({**event, "timestamp": f"{today}T00:00:00Z"}) + "\n")

    stack.command("dags", "trigger", NAME, "--run-id=early", "--conf", json.dumps({"day": today}))
    assert stack.end_of("early") == "failed"
    assert stack.tries("early", "check_input") == 1
    assert today not in stack.days()

    asked = json.dumps({"day": today, "unfinished": True})
    stack.command("dags", "trigger", NAME, "--run-id=part", "--conf", asked)
    stack.wait_for_success("part")
    assert stack.query(f"SELECT unfinished FROM daily_summary WHERE report_date = '{today}'") == [(True,)]


def test_a_scheduler_killed_while_a_day_is_published_leaves_no_half_and_the_retry_completes_it(stack: Stack) -> None:
    day = DAYS[4]
    with psycopg.connect(stack.database_url) as blocker:
        blocker.execute("LOCK TABLE category_conversion IN ACCESS EXCLUSIVE MODE")
        run = stack.trigger(day)
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'category_conversion'::regclass"
        stack.wait(lambda: stack.query(waiting) == [(1,)], "publish in the middle of its transaction")
        scheduler = stack.parts.pop("scheduler")
        scheduler.kill()
        assert stack.state(run, "publish") == "running"

    assert stack.rows(day) == {table: [] for table in TABLES}
    stack.parts["scheduler"] = stack.airflow.start_part("scheduler", stack.folder / "logs")
    stack.wait_for_success(run)
    assert_tables_equal_ledger(stack, day)


def test_a_backfill_gives_each_day_of_its_range(stack: Stack) -> None:
    days = DAYS[1:4]
    ends = {"from_date": f"{days[0]}T00:00:00Z", "to_date": f"{days[-1]}T23:59:59Z"}

    stack.airflow.ask("POST", "/api/v2/backfills", {"dag_id": "clickstream_daily_batch", "max_active_runs": 3, **ends})

    def states() -> dict[str, str]:
        return {run["partition_key"]: run["state"] for run in stack.runs() if run["run_type"] == "backfill"}

    stack.wait(lambda: len(states()) == 3 and {*states().values()} <= {"success", "failed"}, "end of the backfill")
    assert states() == dict.fromkeys(days, "success")
    for day in days:
        assert_tables_equal_ledger(stack, day)
