"""A user who asks to be forgotten is gone from every file, and nothing else has changed."""

import gzip
import json
import threading
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clickwatch_service import UserError
from clickwatch_service.pseudonyms import Pseudonyms
from clickwatch_service.shown import visible_json
from clickwatch_streaming.lake.compaction import compact, exchange
from clickwatch_streaming.lake.folder import LakeFolder
from clickwatch_streaming.privacy.files import forget_in_lake, forget_in_logs, forget_in_results
from clickwatch_streaming.privacy.forgetting import Forgetting, Mode

PSEUDONYMS = Pseudonyms(b"0123456789abcdef")
NAME = PSEUDONYMS.of("user_1")
TODAY = date(2026, 3, 3)
BOTH = pytest.mark.parametrize("mode", list(Mode))


def forgetting(mode: Mode) -> Forgetting:
    return Forgetting.of("user_1", mode, PSEUDONYMS)


def table(*users: str) -> pa.Table:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return pa.table(
        {"event_id": [f"{number}" for number in range(len(users))], "user_id": users, "timestamp": [at] * len(users)}
    )


@pytest.fixture
def lake(tmp_path: Path) -> LakeFolder:
    """Two days of files: some with the user, some without; on one day a file of nobody else."""
    folder = LakeFolder(tmp_path / "lake")
    for day, files in (
        ("2026-03-01", (("user_1", "user_2", "user_1"), ("user_2", "user_12"))),
        ("2026-03-02", (("user_1",),)),
        ("2026-03-03", (("user_3",),)),
    ):
        (folder.events / f"event_date={day}").mkdir(parents=True)
        for number, users in enumerate(files):
            pq.write_table(table(*users), folder.events / f"event_date={day}" / f"batch-{number}.parquet")
    return folder


def users_in(folder: Path) -> Counter[str]:
    files = sorted(folder.rglob("*.parquet"))
    return Counter(user for file in files for user in pq.ParquetFile(file).read()["user_id"].to_pylist())


def after(mode: Mode, user_count: int, **others: int) -> Counter[str]:
    renamed = Counter({NAME: user_count}) if mode is Mode.PSEUDONYMISE else Counter[str]()
    return renamed + Counter(others)


@BOTH
def test_in_the_lake_the_user_is_gone_and_the_others_are_as_they_were(lake: LakeFolder, mode: Mode) -> None:
    untouched = lake.events / "event_date=2026-03-03" / "batch-0.parquet"
    inode = untouched.stat().st_ino

    done = list(forget_in_lake(lake, forgetting(mode)))

    assert [(one.place.name, one.rows, one.left) for one in done] == [
        ("event_date=2026-03-01", 2, ""),
        ("event_date=2026-03-02", 1, ""),
    ]
    assert users_in(lake.root) == after(mode, 3, user_2=2, user_12=1, user_3=1)
    assert untouched.stat().st_ino == inode
    assert list(forget_in_lake(lake, forgetting(mode))) == []


def test_to_remove_a_user_takes_away_the_pseudonym_too(lake: LakeFolder) -> None:
    list(forget_in_lake(lake, forgetting(Mode.PSEUDONYMISE)))

    list(forget_in_lake(lake, forgetting(Mode.REMOVE)))

    assert users_in(lake.root) == Counter(user_2=2, user_12=1, user_3=1)


def test_what_compaction_keeps_for_readers_is_forgotten_too(lake: LakeFolder) -> None:
    list(compact(lake))
    assert users_in(lake.root / "_compacting")["user_1"] == 2

    list(forget_in_lake(lake, forgetting(Mode.REMOVE)))

    assert users_in(lake.root) == Counter(user_2=2, user_12=1, user_3=1)


def test_a_sealed_batch_that_was_killed_is_forgotten_before_it_is_published(lake: LakeFolder) -> None:
    sealed = lake.publication(4) / "events" / "event_date=2026-03-01"
    sealed.mkdir(parents=True)
    pq.write_table(table("user_1", "user_5"), sealed / "batch-4.parquet")
    (lake.staged(4) / "decoded").mkdir()
    pq.write_table(table("user_1"), lake.staged(4) / "decoded" / "part.parquet")
    (lake.staged(4) / "sealed.json").write_text("{}")

    list(forget_in_lake(lake, forgetting(Mode.PSEUDONYMISE)))

    assert users_in(lake.staging) == {NAME: 1, "user_5": 1}


def test_killed_at_any_step_it_is_run_again(lake: LakeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed_before(one: Path, other: Path) -> None:
        raise KeyboardInterrupt

    def killed_after(one: Path, other: Path) -> None:
        exchange(one, other)
        raise KeyboardInterrupt

    for dies in (killed_before, killed_after):
        monkeypatch.setattr("clickwatch_streaming.privacy.files.exchange", dies)
        with pytest.raises(KeyboardInterrupt):
            list(forget_in_lake(lake, forgetting(Mode.PSEUDONYMISE)))
        assert users_in(lake.events).total() == 7
    monkeypatch.undo()
    list(forget_in_lake(lake, forgetting(Mode.PSEUDONYMISE)))

    assert users_in(lake.root) == after(Mode.PSEUDONYMISE, 3, user_2=2, user_12=1, user_3=1)


def test_a_batch_published_meanwhile_is_kept_and_forgotten_too(
    lake: LakeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lake.events / "event_date=2026-03-01"
    real = Forgetting.rewrite

    def publish() -> None:
        with lake.locked():
            pq.write_table(table("user_1", "user_9"), folder / "batch-7.parquet")
            pq.write_table(table("user_9"), folder / "batch-8.parquet")

    def rewrite(self: Forgetting, source: Path, target: Path) -> None:
        if source.name == "batch-0.parquet" and source.parent == folder:
            publisher = threading.Thread(target=publish)
            publisher.start()
            publisher.join()
        real(self, source, target)

    monkeypatch.setattr(Forgetting, "rewrite", rewrite)
    list(forget_in_lake(lake, forgetting(Mode.PSEUDONYMISE)))

    assert users_in(folder) == {NAME: 3, "user_2": 2, "user_12": 1, "user_9": 2}


def test_while_the_lake_is_compacted_it_is_refused(lake: LakeFolder) -> None:
    compaction = compact(lake)
    next(compaction)

    with pytest.raises(UserError, match="another command is changing it"):
        next(forget_in_lake(lake, forgetting(Mode.REMOVE)))


LINES = (
    b'{"event_id":"1","user_id":"user_1","product_id":"p"}\n',
    b'{"event_id":"2","user_id":"user_12","product_id":"user_1"}\n',
    b'{"event_id":"3","user_id":"\\u0075ser_1","product_id":"p"}\n',
    b'{"event_id":"4","user_id":"user_1","prod\n',
    b"java.lang.NullPointerException: cart\n",
    b"\xff\xfe\n",
)


def test_in_the_log_lines_of_others_stay_byte_for_byte(tmp_path: Path) -> None:
    log = tmp_path / "clickstream_2026-03-02.jsonl"
    log.write_bytes(b"".join(LINES))

    (done,) = forget_in_logs(tmp_path, forgetting(Mode.PSEUDONYMISE), TODAY)

    lines = log.read_bytes().splitlines(keepends=True)
    assert (done.rows, done.left) == (3, "")
    assert [json.loads(lines[at])["user_id"] for at in (0, 2)] == [NAME, NAME]
    assert lines[3] == LINES[3].replace(b"user_1", NAME.encode())
    assert (lines[1], *lines[4:]) == (LINES[1], *LINES[4:])
    assert list(tmp_path.iterdir()) == [log]


def test_in_the_log_removed_lines_are_gone(tmp_path: Path) -> None:
    log = tmp_path / "clickstream_2026-03-02.jsonl"
    log.write_bytes(b"".join(LINES))

    list(forget_in_logs(tmp_path, forgetting(Mode.REMOVE), TODAY))

    assert log.read_bytes() == LINES[1] + LINES[4] + LINES[5]
    assert list(forget_in_logs(tmp_path, forgetting(Mode.REMOVE), TODAY)) == []


@BOTH
def test_a_packed_log_becomes_what_the_plain_one_becomes(tmp_path: Path, mode: Mode) -> None:
    plain, packed = (tmp_path / f"clickstream_2026-03-0{day}" for day in ("1.jsonl", "2.jsonl.gz"))
    plain.write_bytes(b"".join(LINES))
    packed.write_bytes(gzip.compress(b"".join(LINES)))

    done = list(forget_in_logs(tmp_path, forgetting(mode), TODAY))

    assert [(one.place, one.rows) for one in done] == [(plain, done[0].rows), (packed, done[0].rows)]
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes() != b"".join(LINES)
    assert sorted(tmp_path.iterdir()) == [plain, packed]


def test_a_packed_log_that_is_cut_off_is_left_and_said(tmp_path: Path) -> None:
    cut, whole = (tmp_path / f"clickstream_2026-03-0{day}.jsonl.gz" for day in (1, 2))
    damaged = gzip.compress(b"".join(LINES))[:-12]  # packed again, it would bear another time
    cut.write_bytes(damaged)
    whole.write_bytes(gzip.compress(b"".join(LINES)))

    done = list(forget_in_logs(tmp_path, forgetting(Mode.REMOVE), TODAY))

    assert [(one.place, "cannot be unpacked" in one.left) for one in done] == [(cut, True), (whole, False)]
    assert cut.read_bytes() == damaged


def test_a_log_that_is_written_to_is_left_and_said(tmp_path: Path) -> None:
    for day in ("2026-03-02", "2026-03-03"):
        (tmp_path / f"clickstream_{day}.jsonl").write_bytes(LINES[0])

    with (tmp_path / "clickstream_2026-03-02.jsonl").open("ab"):
        done = list(forget_in_logs(tmp_path, forgetting(Mode.REMOVE), TODAY))

    assert ["open" in done[0].left, "not over" in done[1].left] == [True, True]
    assert all(log.read_bytes() == LINES[0] for log in tmp_path.glob("*.jsonl"))


@BOTH
def test_results_by_user_and_lines_kept_aside_are_forgotten(tmp_path: Path, mode: Mode) -> None:
    day = tmp_path / "results" / "2026-03-02"
    day.mkdir(parents=True)
    pq.write_table(table("user_1", "user_2"), day / "segments.parquet")
    pq.write_table(pa.table({"product_id": ["user_1"]}), day / "products.parquet")
    aside = tmp_path / "quarantine" / "malformed_2026-03-02.jsonl"
    aside.parent.mkdir()
    aside.write_text(json.dumps({"line": 4, "text": '{"user_id":"user_1","prod'}) + "\n")

    done = list(forget_in_results(tmp_path, forgetting(mode)))

    assert [(one.place.name, one.rows) for one in done] == [("segments.parquet", 1), (aside.name, 1)]
    assert Counter(pq.read_table(day / "segments.parquet")["user_id"].to_pylist()) == after(mode, 1, user_2=1)
    assert b'"user_1' not in aside.read_bytes().replace(b"\\", b"")


@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_name_that_batch_writes_by_escapes_is_forgotten_in_what_it_keeps_aside(ascii_only: bool) -> None:
    user = 'ann "b"\u202e'
    line = json.dumps({"user_id": user}, ensure_ascii=ascii_only)[:-1]
    kept = [{"table": "user_segments", "row": {"user_id": user}}, {"line": 4, "text": line}]
    removing = Forgetting.of(user, Mode.REMOVE, PSEUDONYMS)

    for entry in kept:
        text = visible_json(json.dumps(entry, ensure_ascii=False))

        assert removing.text(text.encode()) is None


def test_a_user_is_not_mistaken_for_another_with_a_longer_name() -> None:
    assert forgetting(Mode.REMOVE).text(b"user_12 x-user_1 user_1.5\n") == b"user_12 x-user_1 user_1.5\n"
    assert forgetting(Mode.REMOVE).text(b"<user_1>\n") is None
