"""Every released version's golden bytes, written by Apache Avro, decode to what stands beside them."""

import json
from importlib.resources import files
from typing import Any

import pytest
from clickwatch_events.avro import BadMessage, EventDecoder, HotWindowDecoder
from clickwatch_events.event import Event, EventType, HotWindow
from clickwatch_events.framing import frame
from clickwatch_events.schemas import ALERTS, EVENTS, released_versions, schema_text
from clickwatch_events.shop_event import ShopEvent, ShopEventDecoder, Source

INSTANTS = {"window_start", "window_end", "newest_kafka_timestamp"}


class Released:
    """A registry in which a version's number is its id."""

    def __init__(self, name: str) -> None:
        self._name = name

    def schema(self, schema_id: int) -> str:
        return schema_text(self._name, schema_id)


def golden(name: str) -> list[Any]:
    cases = []
    for version in released_versions(name):
        lines = (files("schemas") / name / "golden" / f"v{version}.jsonl").read_text("utf-8").splitlines()
        for line in lines:
            case = json.loads(line)
            cases.append(
                pytest.param(version, bytes.fromhex(case["avro"]), case["record"], id=f"v{version}: {case['case']}")
            )
    return cases


@pytest.mark.parametrize(("version", "body", "record"), golden(EVENTS))
def test_an_event_of_any_released_version_is_decoded(version: int, body: bytes, record: dict[str, Any]) -> None:
    event = EventDecoder(Released(EVENTS)).decode(frame(version, body))

    # What is newer than the version this release reads is skipped, and a newer type is unknown.
    read = {name: value for name, value in record.items() if name in Event._fields}
    kind = read.pop("event_type")
    assert event == Event(
        timestamp_ms=record["timestamp"], event_type=kind if kind in set(EventType) else EventType.UNKNOWN, **read
    )


@pytest.mark.parametrize(("version", "body", "record"), golden(EVENTS))
def test_a_shop_event_of_any_released_version_is_decoded(version: int, body: bytes, record: dict[str, Any]) -> None:
    if record.get("source") not in {None, *Source}:
        with pytest.raises(BadMessage):
            ShopEventDecoder(Released(EVENTS)).decode(frame(version, body))
        return

    event = ShopEventDecoder(Released(EVENTS)).decode(frame(version, body))

    assert event == ShopEvent(**record)


@pytest.mark.parametrize(("version", "body", "record"), golden(ALERTS))
def test_a_hot_window_of_any_released_version_is_decoded(version: int, body: bytes, record: dict[str, Any]) -> None:
    window = HotWindowDecoder(Released(ALERTS)).decode(frame(version, body))

    instants = {name: record.pop(name) for name in list(record) if name in INSTANTS}
    assert window == HotWindow(**{f"{name}_ms": instant for name, instant in instants.items()}, **record)
