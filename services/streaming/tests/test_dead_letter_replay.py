"""Which dead letters a replay sends, and what a person is shown of one."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from clickwatch_events import Event, EventType
from clickwatch_events.avro import EventEncoder
from clickwatch_events.registry import NotRegistered, RegistryUnavailable
from clickwatch_events.schemas import EVENTS, schema_text
from clickwatch_service import UserError
from clickwatch_streaming.dead_letters.replay import Judge, ReplayReport, refused_again, replay
from clickwatch_streaming.dead_letters.stored import (
    Position,
    Selection,
    StoredLetter,
    parse_position,
    tallies,
)
from clickwatch_streaming.dead_letters.view import explained, hex_lines
from clickwatch_streaming.settings import UnknownEventType

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
V2, LATER = 8, 9


class Schemas:
    """A registry whose ids can be added to."""

    def __init__(self, *ids: int) -> None:
        self.ids = set(ids)
        self.asked = 0

    def schema(self, schema_id: int) -> str:
        self.asked += 1
        if schema_id not in self.ids:
            raise NotRegistered(f"no {schema_id}")
        return schema_text(EVENTS, 2)


class Down:
    """A registry that does not answer."""

    def schema(self, schema_id: int) -> str:
        raise RegistryUnavailable("down for a test")


def event(number: int, timestamp_ms: int = NOON_MS) -> Event:
    event_id = f"8f14e45f-ceea-4672-9b55-{number:012d}"
    return Event(event_id, "user_1", "product_1", "laptops", EventType.VIEW, timestamp_ms, "s-1", 3579, "EUR")


def message(number: int, schema_id: int = LATER, timestamp_ms: int = NOON_MS) -> bytes:
    return EventEncoder(2, schema_id).encode(event(number, timestamp_ms))


def letter(
    offset: int,
    value: bytes | None,
    reason: str = "unknown_schema_id",
    replays: int = 0,
    replayed_from: Position | None = None,
    arrived: datetime = NOON,
) -> StoredLetter:
    position = Position(0, offset)
    return StoredLetter(position, reason, "events", 1, 7, arrived, "9", replays, replayed_from, b"user_1", value)


def replayed(
    letters: list[StoredLetter],
    schemas: Schemas | Down,
    lake: Path = Path("/nowhere"),
    *,
    force: bool = False,
    failed_before: frozenset[Position] = frozenset(),
) -> tuple[ReplayReport, list[int]]:
    sent: list[StoredLetter] = []
    judge = Judge(schemas, timedelta(minutes=5), UnknownEventType.KEEP, lambda: NOON_MS)
    report = replay(letters, sent.extend, judge, lake, force=force, failed_before=failed_before)
    return report, [one.position.offset for one in sent]


def test_only_what_is_an_event_by_now_is_sent() -> None:
    letters = [
        letter(0, message(0)),
        letter(1, message(1, schema_id=77)),
        letter(2, message(2, timestamp_ms=NOON_MS + 299_000), "future_timestamp"),
        letter(3, message(3, timestamp_ms=NOON_MS + 301_000), "future_timestamp"),
        letter(4, b"poison", "bad_framing"),
        letter(5, None, "empty_value"),
        letter(6, message(6)[:-3], "undecodable_body"),
        letter(7, b"\0\xff\xff\xff\xff" + message(7)[5:]),
    ]

    report, sent = replayed(letters, Schemas(LATER))

    assert sent == [0, 2]
    assert report.sent == {"unknown_schema_id": 1, "future_timestamp": 1}
    assert report.refused == {
        "unknown_schema_id": 2,
        "future_timestamp": 1,
        "bad_framing": 1,
        "empty_value": 1,
        "undecodable_body": 1,
    }


def test_an_event_that_the_lake_has_is_not_sent(tmp_path: Path) -> None:
    day = tmp_path / "event_date=2026-03-01"
    day.mkdir()
    pq.write_table(pa.table({"event_id": [event(1).event_id]}), day / "batch-0000000000-00.parquet")

    report, sent = replayed([letter(0, message(0)), letter(1, message(1))], Schemas(LATER), tmp_path)

    assert sent == [0]
    assert report.in_lake == {"unknown_schema_id": 1}


def test_what_was_refused_again_after_a_replay_is_not_chosen_again() -> None:
    first, other = letter(0, message(0)), letter(1, message(1))
    again = letter(2, message(0), replays=1, replayed_from=Position(0, 0))

    failed = refused_again([first, other, again])
    report, sent = replayed([first, other, again], Schemas(LATER), failed_before=failed)

    assert failed == {Position(0, 0), Position(0, 2)}
    assert sent == [1]
    assert report.failed_before == {"unknown_schema_id": 2}


def test_force_sends_whatever_is_chosen() -> None:
    assert replayed([letter(0, b"poison")], Schemas(), force=True)[1] == [0]


def test_an_id_that_is_missing_is_asked_for_once() -> None:
    schemas = Schemas()

    replayed([letter(number, message(number)) for number in range(5)], schemas)

    assert schemas.asked == 1


def test_nothing_is_replayed_while_the_registry_is_away() -> None:
    with pytest.raises(UserError, match="down for a test"):
        replayed([letter(0, message(0))], Down())


def test_letters_are_chosen_by_reason_time_and_place() -> None:
    old, new = letter(0, b"", arrived=NOON - timedelta(hours=1)), letter(1, b"", "empty_value")

    def chosen(selection: Selection) -> list[int]:
        return [one.position.offset for one in (old, new) if selection.has(one)]

    assert chosen(Selection()) == [0, 1]
    assert chosen(Selection(reasons=frozenset({"empty_value"}))) == [1]
    assert chosen(Selection(since=NOON)) == [1]
    assert chosen(Selection(until=NOON)) == [0]
    assert chosen(Selection(positions=frozenset({Position(0, 1)}))) == [1]


def test_letters_are_counted_by_hour_and_reason() -> None:
    letters = [letter(0, b""), letter(1, b"", arrived=NOON + timedelta(minutes=59)), letter(2, b"", "empty_value")]

    found = tallies(letters, "%H:00")

    assert {key: tally.count for key, tally in found.items()} == {
        ("12:00", "unknown_schema_id"): 2,
        ("12:00", "empty_value"): 1,
    }
    assert found["12:00", "unknown_schema_id"].newest == NOON + timedelta(minutes=59)


def test_a_position_is_partition_and_offset() -> None:
    assert parse_position("1:20") == (1, 20)
    for text in ("", "1", "1:", ":2", "a:b", "-1:2"):
        with pytest.raises(UserError, match="partition:offset"):
            parse_position(text)


def shown(value: bytes | None, schemas: Schemas | Down) -> str:
    return "\n".join(explained(letter(0, value), schemas))


@pytest.fixture
def known() -> Schemas:
    return Schemas(LATER)


def test_a_letter_is_shown_with_its_origin_and_bytes(known: Schemas) -> None:
    text = shown(b"\x01poison\xff", known)

    assert "events partition 1 offset 7" in text
    assert "00000000  01 70 6f 69 73 6f 6e ff" in text
    assert "framing     none" in text


def test_a_broken_body_is_shown_up_to_the_field_that_breaks(known: Schemas) -> None:
    text = shown(message(1)[:-6], known)

    assert "user_id            user_1" in text
    assert "stopped     at field price_minor" in text
    assert "currency" not in text


def test_a_body_of_an_unknown_schema_is_shown_as_the_released_version_it_fits() -> None:
    for schemas in (Schemas(), Down()):
        text = shown(message(1), schemas)

        assert f"fits        version 2 of {EVENTS}" in text
        assert "price_minor        3579" in text


def test_json_without_a_frame_and_an_empty_value_are_shown_as_such(known: Schemas) -> None:
    assert 'as JSON     {"a": 1}' in shown(b'{"a":1}', known)
    assert "value       null" in shown(None, known)
    assert "value       0 bytes" in shown(b"", known)


def test_what_a_letter_holds_acts_on_no_terminal(known: Schemas) -> None:
    name = "p\x1b[31m\nreason      none\u202e"
    body = EventEncoder(2, LATER).encode(event(1)._replace(product_id=name))
    letters = [letter(0, body), letter(0, json.dumps({"id": name}).encode(), reason=name)]

    for one in letters:
        lines = list(explained(one, known))

        assert all(line.isprintable() for line in lines)
    assert any(r"p\x1b[31m\nreason" in line for line in explained(letters[0], known))


def test_hex_lines_hold_sixteen_bytes_and_their_text() -> None:
    assert list(hex_lines(bytes(range(60, 78)))) == [
        "  00000000  3c 3d 3e 3f 40 41 42 43 44 45 46 47 48 49 4a 4b  <=>?@ABCDEFGHIJK",
        "  00000010  4c 4d                                            LM",
    ]
