"""Lines that engines could disagree on, and any lines at all."""

import json

from batch_days import line
from event_strategies import AWKWARD_TEXTS, currencies, prices
from hypothesis import strategies as st

# Each with what the explanation of its verdict holds.
MALFORMED = {
    "truncated": (line()[:60], "not JSON"),
    "text": (b"hello world", "not JSON"),
    "two objects on a line": (line() + b" " + line(), "not JSON"),
    "a number": (b"17", "JSON, but not an object: 17"),
    "null": (b"null", "JSON, but not an object: null"),
    "an array of an event": (b"[" + line() + b"]", "JSON, but not an object"),
    "a missing field": (line(product_id=None), "field product_id is missing"),
    "a null field": (line().replace(b'"user_1"', b"null"), "field user_id is missing"),
    "a number for a name": (line(user_id=17), "field user_id is 17, must be text"),
    "an object for a name": (line(user_id={"a": "\n"}), 'field user_id is {"a": "\\n"}, must be text'),
    "true for a type": (line(event_type=True), "field event_type is true, must be text"),
    "a number for an id": (line(event_id=17), "field event_id is 17, must be text"),
    "epoch milliseconds": (line(timestamp=1748779200000), "field timestamp is 1748779200000, must be text"),
    "no such month": (line(timestamp="2025-13-01T12:00:00Z"), "there is no such day"),
    "no offset": (line(timestamp="2025-06-01T12:00:00"), "must carry an offset"),
    "a date alone": (line(timestamp="2025-06-01"), "must carry an offset"),
    "for ever": (line(timestamp="infinity"), "must be ISO-8601"),
    "a price as text": (line(price_minor="5"), 'field price_minor is "5", must be a whole number'),
    "a broken price": (line(price_minor=5.7), "field price_minor is 5.7, must be a whole number"),
    "a whole price as a float": (line(price_minor=1e3), "field price_minor is 1000.0, must be a whole number"),
    "a price beyond reason": (
        line(price_minor=10**15),
        "field price_minor must be at most 999999999999999: 1000000000000000",
    ),
    "true for a price": (line(price_minor=True), "field price_minor is true, must be a whole number"),
    "a number for a currency": (line(currency=978), "field currency is 978, must be text"),
    "an escaped NUL": (line(user_id="a\0b"), "field user_id holds a control character"),
    "NUL bytes": (b"\0" * 40, "holds NUL bytes"),
    "a NUL in a name": (line().replace(b"user_1", b"us\0er"), "holds NUL bytes"),
    "not UTF-8": (line().replace(b"user_1", b"us\xff"), "not UTF-8 at byte 16"),
    "not UTF-8 in an unknown field": (line(x="y").replace(b"y", b"\xff"), "not UTF-8"),
    "half a surrogate": (line().replace(b"user_1", b"\\ud800"), ""),
    "a byte order mark": (b"\xef\xbb\xbf" + line(), "not JSON"),
    "single quotes": (line().replace(b'"', b"'"), "not JSON"),
    "an empty name": (line(user_id=""), "field user_id is empty"),
    "an empty id": (line(event_id=""), "field event_id is empty"),
    "an empty type": (line(event_type=""), "field event_type is empty"),
    "an empty category": (line(product_category=""), "field product_category is empty"),
    "an empty session": (line(session_id=""), "field session_id is empty"),
    "a number for a session": (line(session_id=7), "field session_id is 7, must be text"),
    "an escaped tab": (line(product_id="a\tb"), "field product_id holds a control character"),
    "an escape sequence": (line(product_category="\x1b[31mred"), "field product_category holds a control character"),
    "a DEL as it is": (line().replace(b"user_1", b"us\x7fer"), "field user_id holds a control character"),
    "a C1 as it is": (line().replace(b"user_1", b"us\xc2\x85er"), "field user_id holds a control character"),
    "a C1 escaped": (line(session_id="a\x9fb"), "field session_id holds a control character"),
    "a control character in a type": (line(event_type="view\n"), "field event_type holds a control character"),
    "a negative price": (line(price_minor=-1), "field price_minor must not be negative: -1"),
    "a currency in small letters": (line(currency="eur"), "field currency must be three capital letters"),
    "a currency of four letters": (line(currency="EURO"), "field currency must be three capital letters"),
    "a currency and a line's end": (line(currency="EUR\n"), "field currency must be three capital letters"),
    "a currency of other letters": (line(currency="ЕUR"), "field currency must be three capital letters"),
    "an empty currency": (line(currency=""), "field currency must be three capital letters"),
    "the last of 1999": (line(timestamp="1999-12-31T23:59:59.999Z"), "is not from 2000-01-01"),
    "the first of 2100": (line(timestamp="2100-01-01T00:00:00Z"), "is not from 2000-01-01"),
    "an offset of 99 hours": (line(timestamp="2025-06-01T12:00:00+99:00"), "must be ISO-8601"),
    "hour 24": (line(timestamp="2025-06-01T24:00:00.000Z"), "must be ISO-8601"),
    "a blank before a time": (line(timestamp=" 2025-06-01T12:00:00.000Z"), "must be ISO-8601"),
    "a blank after a time": (line(timestamp="2025-06-01T12:00:00.000Z "), "must be ISO-8601"),
    "a blank for a digit": (line(timestamp="2025-06-01T 2:00:00.000Z"), "must be ISO-8601"),
    "a name of 1025 bytes": (line(user_id="é" * 512 + "a"), "field user_id is longer than 1024 bytes"),
    "a name of 1025 bytes with escapes": (line(user_id='"' * 1025), "field user_id is longer than 1024 bytes"),
}

VALID = {
    "fields nobody knows": line(extra={"deep": [1, {"a": None}]}, session_id="s"),
    "text that looks like a number": line(user_id="17", product_id="-1.5e3", product_category="true"),
    "text that looks like JSON": line(user_id='{"a": 1}', product_id="[1]", product_category='"quoted"'),
    "backslashes": line(user_id="C:\\new", product_id="\\u0000"),
    "other scripts": json.dumps(json.loads(line(user_id="użytkownik", product_id="商品")), ensure_ascii=False).encode(),
    "escaped scripts": line(user_id="użytkownik", product_id="商品"),
    "text that turns around": line(user_id="\u202eresu", product_id="\u00a0\u2028", product_category="é\u0301"),
    "a name of 1024 bytes": line(user_id="a" * 1024),
    "a name of 1024 bytes, all escaped": line(user_id='"' * 1024),
    "nulls where they may be": line()[:-1] + b', "event_id": null, "price_minor": null, "currency": null}',
    "the largest price": line(price_minor=10**15 - 1),
    "no price at all": line(price_minor=0),
    "spaces around": b"  " + line() + b" \t",
    "carriage return": line() + b"\r",
    "a long unknown field": line(extra="a" * 900_000),
}

TIMESTAMPS = {
    "2025-06-01T00:00:00Z": "event",
    "2025-06-01T23:59:59.999999Z": "event",
    "2025-06-02T00:00:00Z": "other_day",
    "2025-05-31T23:59:59.999Z": "other_day",
    "2025-06-01T00:30:00+01:00": "other_day",  # 23:30 the day before
    "2025-06-02T01:30:00+02:00": "event",  # 23:30
    "2025-05-31T20:00:00-04:00": "event",  # 00:00
    "2025-06-01T12:00:00+0530": "event",
    "2025-06-01T12:00:00.5+05": "event",
    "2025-06-01T12:00Z": "event",
    "2025-06-01 12:00:00+00:00": "event",
}

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | st.sampled_from(["user_1", *AWKWARD_TEXTS])
anything = texts | st.integers() | st.booleans() | st.none() | st.lists(st.integers(), max_size=2) | st.floats(0, 9)
timestamps = st.sampled_from([*TIMESTAMPS, "2025-06-01T12:00:00", "2025-02-30T00:00:00Z", "Z", "tomorrow"])
records = st.fixed_dictionaries(
    {},
    optional={
        "event_id": st.sampled_from(["evt-1", "evt-2", "0b5e64c6-3c0a-4f3e-9f5d-6d3f2a1b0c9d"]) | anything,
        "price_minor": st.integers() | prices | anything,
        "currency": currencies | anything,
        "session_id": anything,
    },
).flatmap(
    lambda optional: st.fixed_dictionaries(
        {
            "user_id": texts,
            "product_id": texts,
            "product_category": texts,
            "event_type": st.sampled_from(["view", "add_to_cart", "purchase"]) | texts,
            "timestamp": timestamps,
        }
    ).map(lambda required: {**optional, **required})
)
broken_records = st.builds(
    lambda record, name, value: {**record, name: value},
    records,
    st.sampled_from(["user_id", "product_id", "product_category", "event_type", "timestamp"]),
    anything,
)
objects = st.builds(
    lambda record, ascii_only: json.dumps(record, ensure_ascii=ascii_only).encode(),
    records | broken_records,
    st.booleans(),
)
raw_lines = st.one_of(
    objects,
    objects,
    st.sampled_from([b"", b" \t", b"\r", b"{", b"[]", b'"text"', b"{}", b"\xff", b"\0"]),
    st.builds(lambda whole, length: whole[:length], objects, st.integers(0, 40)),
    st.binary(max_size=8).filter(lambda raw: b"\n" not in raw and raw.strip() == raw.strip(b" \t\r")),
)
