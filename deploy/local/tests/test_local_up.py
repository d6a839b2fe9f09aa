"""`up` as a person meets it: it starts everything, and however it ends, nothing is left."""

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import time

import httpx2
import pytest
from clickwatch_local.state import read_state
from clickwatch_servers.ports import HOST, free_port
from stack_up import Up
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Up]:
    up = Up(tmp_path, "--rate=20", "--shop")
    yield up
    up.process.kill()
    up.process.wait()


@pytest.fixture
def told(tmp_path: Path) -> Iterator[list[bytes]]:
    """What a webhook was told, which `channels.toml` names."""
    bodies: list[bytes] = []

    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((HOST, free_port()), Webhook)
    Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "secret").write_text("a shared secret")
    (tmp_path / "channels.toml").write_text(
        f'[[channels]]\nname = "shop"\nkind = "webhook"\nurl = "http://{HOST}:{server.server_port}/"\n'
        'secret_file = "secret"\n'
    )
    yield bodies
    server.shutdown()
    server.server_close()


@pytest.fixture
def with_airflow(tmp_path: Path, told: list[bytes]) -> Iterator[Up]:
    channels = {"NOTIFIER_CHANNELS_FILE": str(tmp_path / "channels.toml")}
    up = Up(tmp_path, "--rate=20", "--airflow", "--metrics", environment=channels)
    yield up
    up.process.kill()
    up.process.wait()


def test_it_shows_alerts_yesterday_airflow_and_metrics_and_leaves_nothing_after_down(
    with_airflow: Up, told: list[bytes]
) -> None:
    started = with_airflow
    started.wait_for("everything is up")
    page = httpx2.get(f"http://{HOST}:{started.ports[3]}/health", timeout=60)
    started.wait_for_alert()
    started.wait_for("product_7")
    started.wait_for("Yesterday")
    dag = f"http://{HOST}:{started.ports[4]}/dags/clickstream_daily_batch  (user admin, password in "
    started.wait_for(dag, timeout_seconds=300)
    until(lambda: any(b'"product_7"' in body for body in told), 180)
    figures = [httpx2.get(f"http://{HOST}:{port}/metrics", timeout=60).text for port in started.metrics_ports]
    status = started.ask("status").stdout
    second = subprocess.run(started.command, env=started.environment, capture_output=True, text=True, check=False)
    down = started.ask("down")

    assert (down.returncode, down.stderr) == (0, "")
    assert started.process.wait(60) == 0
    assert started.left() == []
    assert page.status_code in (200, 503)  # whether it has reached the database yet
    assert "streaming" in status
    assert "notifier" in status
    assert "Airflow scheduler" in status
    assert "simple_auth_manager_passwords.json" in status
    assert "messages behind" in status
    for service, port, text in zip(
        ("streaming", "dashboard", "simulator"), started.metrics_ports, figures, strict=True
    ):
        assert f"clickwatch_{service}_" in text
        assert f"{service} {HOST}:{port}" in status
    assert second.returncode == 1
    assert "a stack already runs" in second.stderr
    assert "not running: stopped at" in started.ask("status").stdout


def test_a_part_that_dies_stops_everything_and_is_named_with_the_end_of_its_log(started: Up) -> None:
    started.wait_for("everything is up")
    shop = f"http://{HOST}:{started.ports[5]}/shop"
    assert f"shop             {shop}" in started.said
    assert "clickwatch demo shop" in httpx2.get(shop, timeout=60).text
    simulator = next(part for part in started.state.parts if part.name == "simulator")

    os.kill(simulator.pid, signal.SIGKILL)

    assert started.process.wait(120) == 1
    assert "error: simulator was ended by SIGKILL. The end of" in started.said
    assert started.left() == []


def test_a_replica_that_dies_is_started_anew_and_all_else_goes_on(tmp_path: Path) -> None:
    up = Up(tmp_path, "--rate=20", "--replicas=2")
    try:
        up.wait_for("everything is up")
        up.wait_for_alert()
        before = {part.name: part for part in up.state.parts}
        assert before.keys() >= {"streaming", "alerts-2", "projector-2"}
        # One that dies soon after its start would die again, and ends everything as any part does.
        until_lived(before["streaming"].started)

        os.kill(before["streaming"].pid, signal.SIGKILL)
        up.wait_for("streaming ended with status -9 and is started anew")

        after = {part.name: part for part in up.state.parts}
        assert after["streaming"].pid != before["streaming"].pid
        assert {name for name in after if after[name].pid == before[name].pid} == after.keys() - {"streaming"}
        up.goes_on_for(5)
        up.process.send_signal(signal.SIGTERM)
        assert up.process.wait(180) == 0
        assert up.left() == []
    finally:
        up.process.kill()
        up.process.wait()


def until_lived(started: float) -> None:
    """Return once a process that was started then has lived long enough to be started anew."""
    until(lambda: time() - started > 31, 120)


def until(condition: Callable[[], bool], timeout_seconds: float) -> None:
    """Return once the condition holds."""
    Retrying(
        retry=retry_if_result(lambda done: not done), wait=wait_fixed(0.5), stop=stop_after_delay(timeout_seconds)
    )(condition)


def test_a_port_in_use_is_named_with_who_needs_it_and_the_remedy(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]

        up = Up(tmp_path, f"--kafka-port={port}")

        assert up.process.wait(60) == 1
    assert f"error: port {port}, which Kafka needs, is in use by" in up.said
    assert "--kafka-port" in up.said
    assert read_state(up.places) is None


def test_a_duration_that_is_none_is_refused(tmp_path: Path) -> None:
    up = Up(tmp_path, "--duration=soon")

    assert up.process.wait(60) == 1
    assert "error: --duration='soon': must be a duration such as" in up.said


@pytest.fixture
def refused(tmp_path: Path) -> Iterator[Up]:
    """One that ended at once, as its port is taken, on a data folder that holds something."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        up = Up(tmp_path, f"--kafka-port={taken.getsockname()[1]}")
        up.process.wait(60)
        (up.places.data / "logs").mkdir(parents=True)
        yield up


def _answering(up: Up, answer: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*up.command, *options]
    return subprocess.run(
        command, env=up.environment, input=answer, capture_output=True, text=True, timeout=180, check=False
    )


def test_reset_asks_and_after_a_no_deletes_and_starts_nothing(refused: Up) -> None:
    done = _answering(refused, "n\n", "--reset")

    assert done.returncode == 1
    assert f"Delete all events, tables and reports in {refused.places.folder}?" in done.stdout
    assert "error: --reset: nothing was deleted and nothing started" in done.stderr
    assert (refused.places.data / "logs").exists()


@pytest.mark.parametrize(("answer", "options"), [("y\n", ["--reset"]), ("", ["--reset", "--yes"])])
def test_reset_deletes_all_state_after_a_yes_typed_or_given(refused: Up, answer: str, options: list[str]) -> None:
    done = _answering(refused, answer, *options)

    assert "in use" in done.stderr
    assert not (refused.places.data / "logs").exists()


def test_down_where_nothing_runs_says_so(refused: Up) -> None:
    down = refused.ask("down")

    assert down.returncode == 1
    assert f"error: nothing runs on {refused.places.folder}" in down.stderr
