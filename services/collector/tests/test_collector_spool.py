"""Messages on the disk: in order, whole, bounded."""

import errno
import os
from pathlib import Path

import pytest
from clickwatch_collector.delivery import spool as spool_module
from clickwatch_collector.delivery.message import Message, from_bytes, to_bytes
from clickwatch_collector.delivery.spool import Spool, SpoolFull
from clickwatch_service import UserError
from hypothesis import given
from hypothesis import strategies as st


def all_of(spool: Spool, most: int = 7) -> list[bytes]:
    """Read and mark everything."""
    found: list[bytes] = []
    while not spool.is_empty:
        some, position = spool.unread(most)
        found += some
        spool.mark(position)
    return found


def reopened(spool: Spool, **options: int) -> Spool:
    folder = spool._folder
    spool.close()
    return Spool(folder, **{"max_bytes": 10**6, **options})


def test_what_was_appended_comes_back_in_order_over_many_segments(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10**6, segment_bytes=100)
    sent = [b"message %d" % number for number in range(100)]
    for start in range(0, 100, 3):
        spool.append(sent[start : start + 3])

    assert all_of(spool) == sent
    assert spool.size_bytes == 0
    assert len(list(tmp_path.glob("*.spool"))) == 1


def test_another_start_goes_on_where_the_last_mark_is(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10**6, segment_bytes=50)
    spool.append([b"%d" % number for number in range(20)])
    some, position = spool.unread(8)
    spool.mark(position)

    again = reopened(spool, segment_bytes=50)

    assert len(some) == 8
    assert all_of(again) == [b"%d" % number for number in range(8, 20)]


def test_a_disk_that_takes_no_position_holds_nothing_up_and_loses_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10**6, segment_bytes=50)
    sent = [b"%d" % number for number in range(20)]
    spool.append(sent)
    for one in (b"20", b"21", b"22"):
        spool.append([one])
    some, position = spool.unread(8)
    spool.mark(position)
    # A folder in its place is refused as a full disk is.
    (tmp_path / "position.unfinished").mkdir()

    rest = all_of(spool, most=30)

    assert some + rest == [*sent, b"20", b"21", b"22"]
    assert spool.size_bytes == 0
    again = reopened(spool, segment_bytes=50)
    # The place of before stands in the file, and its segment is gone: what is left is sent again, and what is new.
    again.append([b"new"])
    assert all_of(again)[-1] == b"new"
    (tmp_path / "position.unfinished").rmdir()
    spool = again
    spool.append([b"newer"])
    assert all_of(spool) == [b"newer"]
    assert all_of(reopened(spool)) == []


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_frame_that_a_kill_cut_short_is_cut_off_and_the_rest_kept(tmp_path: Path, cut: int) -> None:
    spool = Spool(tmp_path, 10**6)
    spool.append([b"whole", b"and whole"])
    spool.append([b"twelve bytes"])
    (file,) = tmp_path.glob("*.spool")
    os.truncate(file, file.stat().st_size - cut)

    again = reopened(spool)
    again.append([b"after"])

    assert all_of(again) == [b"whole", b"and whole", b"after"]


def test_a_full_spool_takes_nothing_of_a_list_and_room_comes_back(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 100)
    spool.append([b"x" * 50])

    with pytest.raises(SpoolFull):
        spool.append([b"y", b"z" * 50])
    assert all_of(spool) == [b"x" * 50]
    spool.append([b"y", b"z" * 50])

    assert all_of(spool) == [b"y", b"z" * 50]


def test_what_a_full_disk_took_half_of_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = Spool(tmp_path, 10**6)
    spool.append([b"before"])
    failures = 0

    def full(descriptor: int, data: bytes) -> None:
        nonlocal failures
        failures += 1
        os.write(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(spool_module, "_write_all", full)
        with pytest.raises(SpoolFull, match="No space left"):
            spool.append([b"lost"])
    spool.append([b"after"])

    assert failures == 1
    assert all_of(spool) == [b"before", b"after"]


def test_two_collectors_do_not_share_a_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 100)

    with pytest.raises(UserError, match="another collector uses it"):
        Spool(tmp_path, 100)
    spool.close()


def test_a_damaged_position_sends_again_rather_than_losing(tmp_path: Path) -> None:
    spool = Spool(tmp_path, 10**6)
    spool.append([b"1", b"2"])
    spool.mark(spool.unread(1)[1])
    (tmp_path / "position").write_text("{")

    assert all_of(reopened(spool)) == [b"1", b"2"]


@given(
    st.builds(
        Message,
        st.text(),
        st.none() | st.binary(),
        st.none() | st.binary(),
        st.lists(st.tuples(st.text(), st.text())).map(tuple),
    )
)
def test_a_message_comes_back_as_it_was(message: Message) -> None:
    assert from_bytes(to_bytes(message)) == message
