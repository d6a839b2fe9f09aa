"""The servers after a hard kill: each comes back by itself, with what it had."""

import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from time import monotonic

import psutil
import psycopg
from clickwatch_servers.java import find_java
from clickwatch_servers.kafka import kafka_jars, start_kafka, wait_for_kafka
from clickwatch_servers.ports import HOST, free_port
from clickwatch_servers.postgres import Postgres, password, start_postgres, write_pgpass
from clickwatch_servers.registry import registry_program, registry_url, start_registry, wait_for_registry
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed

KAFKA_BACK_SECONDS = 40
"""Its session of 9 s and a start of 5 s, on a machine that does much else."""


def test_kafka_killed_comes_back_within_seconds_with_its_topics(tmp_path: Path) -> None:
    java, port = find_java(21), free_port()
    jars = kafka_jars(java)
    kafka = start_kafka(tmp_path / "kafka", port, java, jars, tmp_path / "kafka.log")
    try:
        wait_for_kafka(kafka, port)
        admin = AdminClient({"bootstrap.servers": f"{HOST}:{port}", "log_level": 0})
        admin.create_topics([NewTopic("some-topic", 1)])["some-topic"].result(20)
        kafka.kill()

        began = monotonic()
        kafka = start_kafka(tmp_path / "kafka", port, java, jars, tmp_path / "kafka.log")
        wait_for_kafka(kafka, port)
        took = monotonic() - began

        assert "some-topic" in admin.list_topics(timeout=60).topics
    finally:
        kafka.kill()
    assert took < KAFKA_BACK_SECONDS


def test_the_registry_killed_comes_back_with_what_was_registered_just_before(tmp_path: Path) -> None:
    java, port = find_java(21), free_port()
    program, log = registry_program(java), tmp_path / "registry.log"
    body = b'{"schema": "{\\"type\\": \\"string\\"}"}'
    kind = {"Content-Type": "application/vnd.schemaregistry.v1+json"}
    register = urllib.request.Request(f"{registry_url(port)}/subjects/some-value/versions", body, kind)
    registry = start_registry(tmp_path / "registry", port, java, program, log)
    try:
        wait_for_registry(registry, port)
        with urllib.request.urlopen(register, timeout=60) as answer:
            assert answer.status == 200
        registry.kill()

        registry = start_registry(tmp_path / "registry", port, java, program, log)
        wait_for_registry(registry, port)

        with urllib.request.urlopen(f"{registry_url(port)}/subjects", timeout=60) as answer:
            assert answer.read() == b'["some-value"]'
    finally:
        registry.kill()


def _started(folder: Path, port: int) -> Postgres:
    postgres = start_postgres(folder / "postgres", port, folder / "passwords", folder / "postgres.log")
    postgres.wait()
    postgres.ensure_owner("clickwatch")
    return postgres


def test_postgres_comes_back_although_the_killed_ones_process_id_is_somebody_elses(tmp_path: Path) -> None:
    port = free_port()
    postgres = _started(tmp_path, port)
    with psycopg.connect(postgres.url("clickwatch", with_password=True)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS value")
    postgres.process.kill()
    pid_file = tmp_path / "postgres" / "postmaster.pid"
    _, *rest = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *rest]) + "\n")

    postgres = _started(tmp_path, port)

    with psycopg.connect(postgres.url("clickwatch", with_password=True)) as connection:
        assert connection.execute("SELECT value FROM kept").fetchall() == [(7,)]
    postgres.process.stop()


def test_postgres_starts_where_processes_of_a_killed_one_still_work(tmp_path: Path) -> None:
    port = free_port()
    postgres = _started(tmp_path, port)
    connection = psycopg.connect(postgres.url("clickwatch", with_password=True))
    backend = psutil.Process(connection.info.backend_pid)
    # It cannot notice that the server is gone.
    backend.send_signal(signal.SIGSTOP)
    os.kill(postgres.process.pid, signal.SIGKILL)
    postgres.process.wait(60)
    assert backend.is_running()

    postgres = _started(tmp_path, port)

    assert not backend.is_running()
    postgres.process.stop()


INITIALISES = """
import sys
from collections.abc import Callable
from pathlib import Path
from clickwatch_servers.postgres import start_postgres
folder = Path(sys.argv[1])
start_postgres(folder / "postgres", int(sys.argv[2]), folder / "passwords", folder / "postgres.log")
"""


def test_postgres_starts_where_the_making_of_its_folder_was_killed(tmp_path: Path) -> None:
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    first = subprocess.Popen(
        [sys.executable, "-c", INITIALISES, str(tmp_path), str(port)], env=environment, start_new_session=True
    )
    _until(lambda: any(tmp_path.rglob("PG_VERSION")))
    os.killpg(first.pid, signal.SIGKILL)
    first.wait(60)
    assert not (tmp_path / "postgres" / "PG_VERSION").exists()

    postgres = _started(tmp_path, port)

    postgres.process.stop()


@retry(retry=retry_if_result(lambda done: not done), stop=stop_after_delay(60), wait=wait_fixed(0.01))
def _until(condition: Callable[[], bool]) -> bool:
    return condition()


def test_a_password_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "passwords"
    folder.mkdir()
    (folder / "clickwatch.unfinished").write_text("")

    secret = password(folder, "clickwatch")
    write_pgpass(folder, 5432, tmp_path / "pgpass")

    assert len(secret) > 20
    assert (tmp_path / "pgpass").read_text() == f"{HOST}:5432:*:clickwatch:{secret}\n"
    assert (folder / "clickwatch").stat().st_mode & 0o777 == 0o600
