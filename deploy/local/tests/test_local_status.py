"""What `status` reads from logs and checkpoints."""

from pathlib import Path

from clickwatch_local.status import committed_offsets, last_error


def test_the_last_error_is_found_in_a_log_of_json_lines(tmp_path: Path) -> None:
    log = tmp_path / "some.log"
    log.write_text(
        '{"event": "started", "level": "info"}\n'
        '{"topic": "t", "event": "delivery failed", "level": "error", "timestamp": "2026-01-01T00:00:00Z"}\n'
        '{"event": "went on", "level": "info"}\n'
    )

    assert last_error(log) == "2026-01-01T00:00:00Z delivery failed t error"


def test_the_last_error_of_a_java_log_is_its_line(tmp_path: Path) -> None:
    log = tmp_path / "some.log"
    log.write_text("2026 WARN Server: slow\n2026 ERROR Server: disk full\n\tat somewhere\n")

    assert last_error(log) == "2026 ERROR Server: disk full"


def test_a_log_without_errors_and_a_missing_log_have_none(tmp_path: Path) -> None:
    (tmp_path / "some.log").write_text("2026 WARN Server: slow\n")

    assert last_error(tmp_path / "some.log") is None
    assert last_error(tmp_path / "missing.log") is None


def test_a_query_goes_on_behind_its_last_committed_batch(tmp_path: Path) -> None:
    for folder, batches in (("offsets", (8, 9, 10, 11)), ("commits", (8, 9, 10))):
        (tmp_path / folder).mkdir()
        for batch in batches:
            text = f'v1\n{{"conf":{{}}}}\n{{"events":{{"0":{batch}00,"1":5}}}}'
            (tmp_path / folder / str(batch)).write_text(text)
    (tmp_path / "commits" / ".12.some.tmp").touch()

    assert committed_offsets(tmp_path) == {("events", 0): 1000, ("events", 1): 5}


def test_a_query_without_a_commit_has_no_offsets(tmp_path: Path) -> None:
    (tmp_path / "commits").mkdir()

    assert committed_offsets(tmp_path) == {}
