"""Encode and decode events: ours beside fastavro's general writer and reader, in one run.

Prints events a second and the ratio for each; the best of several rounds, as other load only slows.
"""

import io
import json
import random
import time
import uuid
from collections.abc import Callable, Iterable

import fastavro
from clickwatch_events import Event, EventType, frame
from clickwatch_events.avro import EventDecoder, EventEncoder
from clickwatch_events.schemas import EVENTS, schema_text

COUNT = 200_000
ROUNDS = 5


class Released:
    """The released schemas under their version numbers."""

    def schema(self, schema_id: int) -> str:
        """Return version `schema_id`."""
        return schema_text(EVENTS, schema_id)


def shop_events(count: int) -> list[Event]:
    """Return events of a thousand users and a hundred products, a tenth of a second apart."""
    chance = random.Random(1)
    kinds = (EventType.VIEW,) * 7 + (EventType.ADD_TO_CART,) * 2 + (EventType.PURCHASE,)
    return [
        Event(
            str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            f"user_{chance.randrange(1000)}",
            f"product_{chance.randrange(100)}",
            "laptops",
            chance.choice(kinds),
            1_750_000_000_000 + index * 100,
            f"session_{index // 8}",
            chance.randrange(100, 200_000),
            "EUR",
        )
        for index in range(count)
    ]


def rate(work: Callable[[], Iterable[object]]) -> float:
    """Return items a second of the fastest round."""
    best = 0.0
    for _ in range(ROUNDS):
        start = time.perf_counter()
        count = sum(1 for _ in work())
        best = max(best, count / (time.perf_counter() - start))
    return best


def main() -> None:
    """Measure and print."""
    events = shop_events(COUNT)
    schema = fastavro.parse_schema(json.loads(schema_text(EVENTS, 2)))
    encoder, decoder = EventEncoder(2, 2), EventDecoder(Released())
    messages = [encoder.encode(event) for event in events]
    fields = [field["name"] for field in json.loads(schema_text(EVENTS, 2))["fields"]]

    def general_write(event: Event) -> bytes:
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, dict(zip(fields, event, strict=True)))
        return frame(2, out.getvalue())

    assert general_write(events[0]) == messages[0]
    ours, theirs = rate(lambda: map(encoder.encode, events)), rate(lambda: map(general_write, events))
    print(f"encode  {ours:>10,.0f} /s   fastavro {theirs:>10,.0f} /s   ratio {ours / theirs:.2f}")
    ours = rate(lambda: map(decoder.decode, messages))
    theirs = rate(lambda: (fastavro.schemaless_reader(io.BytesIO(m[5:]), schema, None) for m in messages))
    print(f"decode  {ours:>10,.0f} /s   fastavro {theirs:>10,.0f} /s   ratio {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
