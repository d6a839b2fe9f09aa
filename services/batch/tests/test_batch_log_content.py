"""A log that is packed or in another encoding is named, on every way to it, and never counted as malformed lines."""

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path

import pytest
from batch_days import DAY, line, write_log
from clickwatch_batch.input.log_content import why_no_lines, why_not_gzip
from clickwatch_batch.input.log_file import count_lines
from clickwatch_batch.input.storage import Location
from clickwatch_service import UserError
from hypothesis import given
from hypothesis import strategies as st
from test_batch_run import batch, error

LINES = b"".join(line(user_id=f"user_{number}") + b"\n" for number in range(50))
TEXT = LINES.decode()


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("clickstream.jsonl", LINES)
    return out.getvalue()


KINDS = {
    "gzip": gzip.compress(LINES),
    # A frame as the zstd program begins it, and one that readers skip.
    "zstd": b"\x28\xb5\x2f\xfd\x64\x10\x2a" + LINES,
    "bzip2": bz2.compress(LINES),
    "xz": lzma.compress(LINES),
    "zip": zipped(),
    "lz4": b"\x04\x22\x4d\x18\x64\x40" + LINES,
    "Parquet": b"PAR1\x15\x04",
    "UTF-16": TEXT.encode("utf-16"),
    "UTF-32": TEXT.encode("utf-32"),
}
WITHOUT_MARK = {
    "UTF-16": [TEXT.encode("utf-16-le"), TEXT.encode("utf-16-be")],
    "UTF-32": [TEXT.encode("utf-32-le"), TEXT.encode("utf-32-be")],
}


@pytest.mark.parametrize("kind", KINDS)
def test_other_content_under_a_plain_name_is_named(kind: str, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(KINDS[kind])

    with pytest.raises(UserError, match=f"log.jsonl: holds {kind} and no lines of JSON; "):
        count_lines(Location(str(log)))


@pytest.mark.parametrize("kind", WITHOUT_MARK)
def test_wide_text_without_a_byte_order_mark_is_named(kind: str) -> None:
    for content in WITHOUT_MARK[kind]:
        assert f"holds {kind} and" in str(why_no_lines(content))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (LINES, "its name ends in .gz and its content is no gzip"),
        (KINDS["zstd"], "its name ends in .gz and it holds zstd"),
        (gzip.compress(KINDS["UTF-16"]), "holds UTF-16 and no lines of JSON"),
        (gzip.compress(KINDS["gzip"]), "holds gzip and no lines of JSON"),
    ],
)
def test_other_content_under_a_packed_name_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl.gz"
    log.write_bytes(content)

    with pytest.raises(UserError, match=said):
        count_lines(Location(str(log)))


def test_a_run_ends_before_anything_is_read(tmp_path: Path) -> None:
    write_log(tmp_path / "logs", []).write_bytes(KINDS["zstd"])

    done = batch(tmp_path, "run", "--date", str(DAY), "--no-publish")

    assert "clickstream_2025-06-01.jsonl: holds zstd and no lines of JSON; unpack it" in error(done)
    assert "malformed" not in done.stderr
    assert not (tmp_path / "quarantine").exists()


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=40))
def test_lines_of_json_are_lines_whatever_their_names(name: str) -> None:
    head = line(user_id=name) + b"\n" + f'{{"user_id": "{name}"}}'.encode()

    assert why_no_lines(head) is None
    assert why_not_gzip(gzip.compress(head)) is None
