"""Bad messages are bad beyond doubt: by fastavro, which shares no code with our encoder."""

import io
import json

import fastavro
import numpy as np
import pytest
from clickwatch_events import BadFrame, BadLine, Event, EventType, from_line, to_line, unframe
from clickwatch_events.avro import EventEncoder
from clickwatch_events.schemas import EVENTS, schema_text
from clickwatch_simulator.poison import FIRST_UNKNOWN_SCHEMA_ID, Poison, PoisonKind, Sound, poison
from hypothesis import given
from hypothesis import strategies as st

SCHEMAS = {version: fastavro.parse_schema(json.loads(schema_text(EVENTS, version))) for version in (1, 2)}


@st.composite
def spoiled(draw: st.DrawFn, kind: PoisonKind) -> tuple[int, Poison]:
    version = draw(st.sampled_from([1, 2]))
    event = Event(
        str(draw(st.uuids())),
        draw(st.text(max_size=12)),
        draw(st.text(max_size=12)),
        draw(st.text(max_size=12)),
        draw(st.sampled_from(list(EventType))),
        draw(st.integers(10_000, 4_000_000_000_000)),
    )
    if version == 2:
        event = event._replace(
            session_id=draw(st.none() | st.text(max_size=9)), price_minor=draw(st.none() | st.just(5))
        )
    sound = Sound(EventEncoder(version, version).encode(event), to_line(event), event.user_id)
    return version, poison(kind, sound, event.timestamp_ms, np.random.default_rng(draw(st.integers(0, 2**32))))


@given(spoiled(PoisonKind.TRUNCATED_BODY))
def test_a_truncated_body_cannot_be_decoded_by_its_own_schema(case: tuple[int, Poison]) -> None:
    version, bad = case
    assert bad.value is not None
    schema_id, body = unframe(bad.value)

    assert schema_id == version
    with pytest.raises((EOFError, IndexError)):
        fastavro.schemaless_reader(io.BytesIO(body), SCHEMAS[version], None)


@given(st.one_of(*(spoiled(kind) for kind in (PoisonKind.NEGATIVE_LENGTH, PoisonKind.GARBAGE_BODY))))
def test_a_broken_length_or_number_cannot_be_decoded(case: tuple[int, Poison]) -> None:
    version, bad = case
    assert bad.value is not None
    _, body = unframe(bad.value)

    with pytest.raises((EOFError, IndexError, ValueError, OverflowError)):
        fastavro.schemaless_reader(io.BytesIO(body), SCHEMAS[version], None)


@given(spoiled(PoisonKind.HUGE_SCHEMA_ID))
def test_a_huge_schema_id_is_above_what_a_registry_can_say(case: tuple[int, Poison]) -> None:
    _, bad = case
    assert bad.value is not None

    schema_id, _ = unframe(bad.value)

    assert schema_id >= 2**31


@given(st.one_of(*(spoiled(kind) for kind in (PoisonKind.BAD_MAGIC, PoisonKind.TOO_SHORT, PoisonKind.PLAIN_JSON))))
def test_bad_magic_short_messages_and_json_have_no_frame(case: tuple[int, Poison]) -> None:
    _, bad = case
    assert bad.value

    with pytest.raises(BadFrame):
        unframe(bad.value)


@given(spoiled(PoisonKind.UNKNOWN_SCHEMA_ID))
def test_an_unknown_schema_id_is_one_that_no_registry_hands_out(case: tuple[int, Poison]) -> None:
    _, bad = case
    assert bad.value is not None

    schema_id, _ = unframe(bad.value)

    assert FIRST_UNKNOWN_SCHEMA_ID <= schema_id < 2**31


@given(spoiled(PoisonKind.EMPTY_VALUE), spoiled(PoisonKind.NULL_VALUE))
def test_an_empty_value_is_empty_and_a_null_value_is_none(empty: tuple[int, Poison], null: tuple[int, Poison]) -> None:
    assert empty[1].value == b""
    assert null[1].value is None


@given(st.sampled_from(list(PoisonKind)).flatmap(spoiled))
def test_its_log_line_is_one_line_and_no_event(case: tuple[int, Poison]) -> None:
    _, bad = case

    assert bad.line.endswith(b"\n")
    assert bad.line.count(b"\n") == 1
    assert bad.line.strip()
    with pytest.raises(BadLine):
        from_line(bad.line)
