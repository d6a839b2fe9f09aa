"""Logs, lake and reports in a store that speaks S3: moto's, over HTTP."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from batch_days import DAY, line
from clickwatch_batch.input.s3 import S3Store
from clickwatch_batch.input.storage import Location
from clickwatch_service import UserError
from moto.server import ThreadedMotoServer

LINES = [
    line(user_id=f"user_{number % 7}", event_type="purchase" if number % 5 == 0 else "view", event_id=f"evt-{number}")
    for number in range(200)
]


@pytest.fixture(scope="module")
def store_variables() -> Iterator[dict[str, str]]:
    """A store with bucket `shop`; yields what the environment says of it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }
    server.stop()


@pytest.fixture
def bucket(store_variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty bucket that this process can use too."""
    import pyarrow.fs as arrow_fs
    from clickwatch_batch.input.s3 import store

    for name, value in store_variables.items():
        monkeypatch.setenv(name, value)
    store.cache_clear()
    files = arrow_fs.S3FileSystem(
        endpoint_override=store_variables["AWS_ENDPOINT_URL"], region="us-east-1", allow_bucket_creation=True
    )
    files.create_dir("shop")
    files.delete_dir_contents("shop", missing_dir_ok=True)
    return "s3://shop"


def run(data_dir: Path, variables: dict[str, str], **more: str) -> subprocess.CompletedProcess[str]:
    """Run DAY without a database."""
    return subprocess.run(
        [sys.executable, "-m", "clickwatch_batch", "run", "--date", str(DAY), "--no-publish"],
        env={
            "DATA_DIR": str(data_dir),
            "PYTHONPATH": ":".join(sys.path),
            "PATH": os.environ["PATH"],
            **variables,
            **more,
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def upload(text: bytes, address: str) -> None:
    """Put a file there."""
    with Location(address).replacing_file() as draft:
        draft.write_bytes(text)


def test_a_log_in_a_store_gives_a_report_in_the_store(
    bucket: str, store_variables: dict[str, str], tmp_path: Path
) -> None:
    upload(b"\n".join([*LINES, LINES[0], b"{"]), f"{bucket}/logs/clickstream_{DAY}.jsonl")

    done = run(tmp_path, store_variables, LOGS_URL=f"{bucket}/logs", REPORTS_URL=f"{bucket}/reports")

    assert done.returncode == 0, done.stderr[-3000:]
    document = json.loads((Location(bucket) / "reports" / f"summary_{DAY}.json").read_text())
    assert document["summary"]["total_events"] == 200
    assert document["summary"]["buyer_count"] == 7
    assert (Location(bucket) / "reports" / f"summary_{DAY}.txt").read_text() + "\n" == done.stdout
    assert not (tmp_path / "reports").exists()


def test_a_lake_in_a_store_gives_the_same_day(bucket: str, store_variables: dict[str, str], tmp_path: Path) -> None:
    log, parquet = tmp_path / "log.jsonl", tmp_path / "events.parquet"
    log.write_bytes(b"\n".join(LINES))
    duckdb.sql(
        f"COPY (SELECT *, CAST(NULL AS BIGINT) AS price_minor, CAST(NULL AS VARCHAR) AS currency FROM '{log}') "
        f"TO '{parquet}'"
    )
    for number in range(2):  # the second file repeats the first
        upload(parquet.read_bytes(), f"{bucket}/lake/events/event_date={DAY}/batch-{number:010d}-00.parquet")

    done = run(tmp_path, store_variables, BATCH_SOURCE="lake", LAKE_URL=f"{bucket}/lake/")

    assert done.returncode == 0, done.stderr[-3000:]
    document = json.loads((tmp_path / "reports" / f"summary_{DAY}.json").read_text())
    assert document["summary"]["total_events"] == 200
    assert document["summary"]["buyer_count"] == 7


def test_a_day_that_is_not_in_the_store_is_named(bucket: str, store_variables: dict[str, str], tmp_path: Path) -> None:
    done = run(tmp_path, store_variables, LOGS_URL=f"{bucket}/logs")

    assert done.returncode == 1
    assert f"error: s3://shop/logs/clickstream_{DAY}.jsonl: no input for {DAY}" in done.stderr


@pytest.mark.parametrize(
    ("content", "kind"),
    [(gzip.compress(b"\n".join(LINES)), "gzip"), ("\n".join(map(bytes.decode, LINES)).encode("utf-16"), "UTF-16")],
)
def test_a_log_in_a_store_that_holds_something_else_is_named(
    bucket: str, store_variables: dict[str, str], tmp_path: Path, content: bytes, kind: str
) -> None:
    upload(content, f"{bucket}/logs/clickstream_{DAY}.jsonl")

    done = run(tmp_path, store_variables, LOGS_URL=f"{bucket}/logs")

    assert done.returncode == 1
    assert f"error: s3://shop/logs/clickstream_{DAY}.jsonl: holds {kind} and no lines of JSON" in done.stderr


def test_a_store_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    with pytest.raises(UserError, match=r"s3://shop/logs/x: the store refuses or does not answer"):
        S3Store().stamp("s3://shop/logs/x")


def test_a_replaced_file_appears_whole_and_goes_when_removed(bucket: str) -> None:
    place = Location(bucket) / "results" / "figures.json"

    with place.replacing() as out:
        out.write("new\n")

    assert place.read_text() == "new\n"
    assert (Location(bucket) / "results").files() == [place]
    (Location(bucket) / "results").remove()
    assert not place.exists()
