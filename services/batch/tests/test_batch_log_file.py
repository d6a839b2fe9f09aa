"""Finding a day's log, counting its lines, and picking lines out of it."""

import gzip
from pathlib import Path

import pytest
from batch_days import DAY, line
from clickwatch_batch.engines.duckdb_engine import DuckDBEngine
from clickwatch_batch.input.log_content import why_no_lines
from clickwatch_batch.input.log_file import (
    MAX_LINE_BYTES,
    count_lines,
    find_log,
    lines_at,
    readable_log,
    refuse_if_changed,
)
from clickwatch_batch.input.storage import Location
from clickwatch_service import UserError
from hypothesis import assume, given
from hypothesis import strategies as st


def test_a_day_without_a_log_names_the_path_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"clickstream_2025-06-01\.jsonl: no input for 2025-06-01.*DATA_DIR"):
        find_log(Location(str(tmp_path)), DAY)


def test_a_compressed_log_is_found(tmp_path: Path) -> None:
    (tmp_path / "clickstream_2025-06-01.jsonl.gz").touch()

    assert find_log(Location(str(tmp_path)), DAY).name == "clickstream_2025-06-01.jsonl.gz"


def test_two_logs_of_a_day_are_refused(tmp_path: Path) -> None:
    (tmp_path / "clickstream_2025-06-01.jsonl").touch()
    (tmp_path / "clickstream_2025-06-01.jsonl.gz").touch()

    with pytest.raises(UserError, match="keep the one"):
        find_log(Location(str(tmp_path)), DAY)


def test_an_empty_log_is_no_input(tmp_path: Path) -> None:
    log = tmp_path / "clickstream_2025-06-01.jsonl"
    log.touch()

    with pytest.raises(UserError, match="no input for the day, the file is empty"):
        count_lines(Location(str(log)))


def test_a_torn_compressed_log_is_an_error(tmp_path: Path) -> None:
    log = tmp_path / "clickstream_2025-06-01.jsonl.gz"
    log.write_bytes(gzip.compress(line() * 1000)[:-20])

    with pytest.raises(UserError, match="cannot be read"):
        count_lines(Location(str(log)))


def test_a_log_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line() + b"\n")
    log = count_lines(Location(str(path)))
    refuse_if_changed(log)

    with path.open("ab") as more:
        more.write(line() + b"\n")

    with pytest.raises(UserError, match="was written to while it was read"):
        refuse_if_changed(log)


@pytest.mark.parametrize("suffix", ["jsonl", "jsonl.gz"])
def test_a_line_too_long_is_malformed_and_keeps_its_place(tmp_path: Path, engine: DuckDBEngine, suffix: str) -> None:
    longest = line(extra="").replace(b'""', b'"' + b"a" * (MAX_LINE_BYTES - len(line(extra=""))) + b'"')
    lines = [line(), longest, longest.replace(b"aa", b"aaa", 1), line(), b"x" * 5 * MAX_LINE_BYTES, b"{", line()]
    path = tmp_path / f"log.{suffix}"
    content = b"\n".join(lines)
    path.write_bytes(gzip.compress(content, 1) if suffix.endswith("gz") else content)

    log = count_lines(Location(str(path)))
    intake = engine.load(log, DAY)

    assert len(longest) == MAX_LINE_BYTES
    assert (log.lines, log.too_long) == (7, (3, 5))
    assert (intake.events, intake.malformed) == (4, 3)
    kept_aside = {number: len(kept) for number, kept in lines_at(log, engine.malformed(), 0)}
    assert kept_aside == {3: MAX_LINE_BYTES + 1, 5: MAX_LINE_BYTES + 1, 6: 1}


def test_a_log_of_good_lines_is_read_where_it_lies(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(line() + b"\n")

    assert readable_log(count_lines(Location(str(path))), tmp_path / "spill") == Location(str(path))


short_lines = st.binary(max_size=6).map(lambda raw: raw.replace(b"\n", b""))


@given(st.lists(short_lines, min_size=1, max_size=40), st.booleans(), st.data())
def test_lines_are_counted_and_found_again(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], ended: bool, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("logs") / "log.jsonl"
    if not ended and not lines[-1]:
        lines[-1] = b"x"
    content = b"\n".join(lines) + (b"\n" if ended else b"")
    assume(why_no_lines(content) is None)
    path.write_bytes(content)
    with_text = [(number, raw) for number, raw in enumerate(lines, start=1) if raw.strip()]
    wanted = sorted(data.draw(st.sets(st.sampled_from(range(len(with_text))) if with_text else st.nothing())))

    log = count_lines(Location(str(path)))
    found = list(lines_at(log, wanted, len(lines) - len(with_text)))

    blank = [(number, raw) for number, raw in enumerate(lines, start=1) if not raw.strip()]
    assert log.lines == len(lines)
    assert found == sorted(blank + [with_text[place] for place in wanted])
