"""The service images against a real Kafka, registry and PostgreSQL in containers, while these fail one after the other.

What was sent is in the simulator's ledger; what must be seen is in `LedgerComparison`.
"""

import math
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import httpx2
import pytest
from clickwatch_ledger import Key, Ledger, Outcome, Pipeline, eventually
from clickwatch_ledger.comparison import MISHAPS, LedgerComparison
from clickwatch_ledger.pipeline import when_through
from docker.models.containers import Container
from e2e_containers import LABEL, Containers
from e2e_dashboard import opened_dashboard
from e2e_servers import (
    PATIENCE_SECONDS,
    Servers,
    health,
    kafka_answers,
    require_running,
    sql_answers,
    wait_until,
)
from e2e_services import Services

YESTERDAY = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=1)
PART_EVENTS, PART_RATE = 35_000, 6
PART_LENGTH = timedelta(seconds=PART_EVENTS / PART_RATE) + timedelta(minutes=2)
PAUSE_SECONDS = 60
BACK_SECONDS = 60
_SECOND = 1_000_000_000  # in Docker's unit
DAY = YESTERDAY.date().isoformat()


@pytest.fixture(scope="module")
def services(containers: Containers, servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Services:
    return Services(containers, servers, tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def outcome(services: Services, servers: Servers) -> Outcome:
    """Five parts of a day: all well; broker, then database killed; the database paused, streaming killed meanwhile."""
    pipeline = services.pipeline
    streaming = services.start("streaming", "run", healthcheck={"interval": _SECOND})
    ledgers = [_simulate(services, part=0)]
    _next_alert(pipeline, None, streaming)

    for part, killed, answers in (
        (1, servers.kafka, lambda: kafka_answers(servers.bootstrap)),
        (2, servers.postgres, lambda: sql_answers(servers.database_url("postgres"))),
    ):
        before, batch = pipeline.last_alert_change(), pipeline.lake_batch()
        killed.kill()
        killed.start()
        wait_until(answers, killed)
        back = monotonic()
        ledgers.append(_simulate(services, part))
        _next_alert(pipeline, before, streaming)
        alert_seconds = monotonic() - back
        wait_until(lambda batch=batch: pipeline.lake_batch() > batch, streaming)  # type: ignore[misc]
        lake_seconds = monotonic() - back
        name = killed.labels[LABEL]
        print(f"{name} answers: next alert after {alert_seconds:.0f} s, next lake batch after {lake_seconds:.0f} s")
        assert max(alert_seconds, lake_seconds) < BACK_SECONDS, name

    servers.postgres.pause()
    paused = monotonic()
    wait_until(lambda: health(streaming) == "unhealthy", streaming)
    ledgers.append(_simulate(services, part=3))
    streaming.kill()
    streaming = services.start("streaming", "run")
    ledgers.append(_simulate(services, part=4))
    eventually(lambda: monotonic() - paused >= PAUSE_SECONDS, True, lambda: require_running(streaming))
    servers.postgres.unpause()

    ledger = Ledger(ledgers)
    eventually(pipeline.visible, when_through(ledger), lambda: require_running(streaming), PATIENCE_SECONDS)
    return Outcome(pipeline, ledger, DAY, services.analyse)


def _simulate(services: Services, part: int) -> Path:
    start = (YESTERDAY + part * PART_LENGTH).isoformat()
    options = (f"--events={PART_EVENTS}", f"--rate={PART_RATE}", f"--start-time={start}", f"--seed={part}")
    return services.simulate(f"ledger-{part}.json", *options, *MISHAPS)


def _next_alert(pipeline: Pipeline, before: datetime | None, streaming: Container) -> None:
    wait_until(lambda: pipeline.last_alert_change() != before, streaming)


class TestTheImages(LedgerComparison):
    """Nothing lost, nothing twice."""


def test_the_dashboard_shows_the_day_and_the_alerts_of_the_ledger(outcome: Outcome, services: Services) -> None:
    outcome.analyse(outcome.day)
    with opened_dashboard(services) as (dashboard, client):
        day = client.get(f"/api/days/{outcome.day}").json()
        alerts = {status: _shown_alerts(client, status) for status in ("active", "confirmed")}

    expected, summary = outcome.ledger.day(outcome.day), day["summary"]
    assert (summary["total_events"], summary["revenue_minor"]) == (expected.total_events, expected.revenue_minor)
    assert (summary["duplicate_events"], summary["malformed_lines"]) == (expected.duplicates, expected.malformed)
    assert day["has_report"]
    assert alerts == {"active": outcome.ledger.alerts(closed=False), "confirmed": outcome.ledger.alerts(closed=True)}
    assert _exit_status(dashboard) == 0


def _shown_alerts(client: httpx2.Client, status: str) -> dict[Key, tuple[int, int]]:
    shown = client.get("/api/alerts", params={"status": status, "limit": 500}).json()
    assert shown["total"] == len(shown["alerts"])
    return {
        (one["product_id"], datetime.fromisoformat(one["window_start"])): (one["views"], one["purchases"])
        for one in shown["alerts"]
    }


def test_the_dag_in_airflow_analyses_a_day_as_its_log_holds_it(
    containers: Containers, servers: Servers, tmp_path: Path
) -> None:
    services = Services(containers, servers, tmp_path)
    ledger = services.backfill(DAY, "--events=2000", "--duplicates=0.02", "--poison=0.005")

    services.analyse_in_airflow(DAY)

    done = Outcome(services.pipeline, Ledger([ledger]), DAY, analyse=lambda _: None)
    LedgerComparison().test_the_day_is_analysed_as_the_log_holds_it(done)
    LedgerComparison().test_the_report_says_what_the_log_holds(done)


def test_every_service_ran_locked_down(outcome: Outcome, services: Services) -> None:
    outcome.analyse(outcome.day)

    for container in services.started:
        assert container.attrs["HostConfig"]["ReadonlyRootfs"] is True
        assert container.attrs["HostConfig"]["CapDrop"] == ["ALL"]
        assert container.attrs["Config"]["User"].partition(":")[0] not in ("", "root", "0")


def test_sigterm_ends_a_service_in_order_within_ten_seconds(outcome: Outcome, services: Services) -> None:
    streaming = services.started_last("streaming")
    before = services.pipeline.end_offset(services.pipeline.topic)
    simulator = services.start("simulator", "stream")
    wait_until(lambda: services.pipeline.end_offset(services.pipeline.topic) > before, simulator)

    assert _exit_status(streaming) == 0
    assert _exit_status(simulator) == 0


def _exit_status(container: Container) -> int:
    """Of what was asked to end, and is killed after ten seconds of a machine as busy as it has cores."""
    crowd = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    container.stop(timeout=math.ceil(10 * crowd))
    status: int = container.wait()["StatusCode"]
    return status
