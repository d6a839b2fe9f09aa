"""What a message says, and that a name in it acts on nothing."""

import base64
import hashlib
import hmac
import json
import unicodedata
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from clickwatch_notifier.changes import Change, Status
from clickwatch_notifier.composing import MessageKind
from clickwatch_notifier.messages import Message, Places, named
from clickwatch_notifier.receivers import signature
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
KEY = UUID(int=7)
PAGE = Places("https://clickwatch.example.com")


def change(number: int, product: str, status: Status, views: int = 214) -> Change:
    end = START + timedelta(minutes=10)
    return Change(number, product, "gaming", START, end, views, 2, None, status, START + timedelta(minutes=3))


def message(*changes: Change, kind: MessageKind | None = MessageKind.CHANGES) -> Message:
    return Message(KEY, "buyers", kind, START, changes)


def test_a_change_in_words() -> None:
    one = message(change(1, "product 7/a", Status.ACTIVE))

    assert one.title == "clickwatch: active product 7/a"
    assert one.text(PAGE) == (
        "active: product 7/a (gaming), 214 views and 2 purchases, 2026-03-01 12:00–12:10 UTC: many look and few buy\n"
        "\n"
        "https://clickwatch.example.com/?product=product%207%2Fa"
    )


def test_a_digest_tells_how_alerts_stand_now_and_shows_those_most_looked_at() -> None:
    changes = [change(n, f"product_{n}", Status.ACTIVE, views=100 + n) for n in range(1, 21)]
    changes.append(change(21, "product_1", Status.RETRACTED))

    text = message(*changes, kind=MessageKind.DIGEST).text(PAGE)

    lines = text.splitlines()
    assert lines[0] == "21 changes of 20 alerts, as they stand now: 19 active, 1 retracted."
    assert lines[2].startswith("retracted: product_1 ")
    assert lines[3].startswith("active: product_20 ")
    assert "and 10 more with fewer views" in lines


def test_many_changes_of_a_product_are_told_by_the_last_ones() -> None:
    changes = [change(n, "a", Status.ACTIVE, views=100 + n) for n in range(1, 31)]

    lines = message(*changes).text(PAGE).splitlines()

    assert lines[0] == "30 changes, of which the last are:"
    assert [line.split(", ")[1].split()[0] for line in lines[1:11]] == [str(100 + n) for n in range(21, 31)]


def test_the_document_is_the_same_at_each_attempt_and_holds_names_as_they_are() -> None:
    one = message(change(1, "a\u202eb\n@all", Status.ACTIVE))

    assert one.document(PAGE) == one.document(PAGE)
    document = json.loads(one.document(PAGE))
    assert document["type"] == "alerts.changes"
    assert document["data"]["changes"][0]["product_id"] == "a\u202eb\n@all"
    assert b"\\u202e" in one.document(PAGE)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80))
def test_a_name_stays_on_its_line_and_calls_nobody(name: str) -> None:
    told = named(name)

    assert not set(told) & set("@<>[]`*|\r\n")
    assert "://" not in told
    assert not [char for char in told if unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs")]


@pytest.mark.parametrize(("name", "told"), [("a*b", r"a\x2ab"), ("http://x", r"http\x3a//x"), ("a\\x2ab", r"a\\x2ab")])
def test_different_names_are_told_differently(name: str, told: str) -> None:
    assert named(name) == told


def test_messages_of_a_product_on_a_day_are_one_story() -> None:
    first, second = change(1, "a", Status.ACTIVE), change(2, "a", Status.RETRACTED)

    assert message(first).story == message(second).story
    assert message(first).story != message(change(3, "b", Status.ACTIVE)).story
    assert message(first, kind=MessageKind.DIGEST).story is None


def test_the_signature_is_that_of_standard_webhooks() -> None:
    # The example of the specification's own library.
    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body, number, seconds = b'{"test": 2432232314}', "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330"

    signed = signature(key, number, seconds, body)

    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    own = hmac.new(key, b".".join([number.encode(), seconds.encode(), body]), hashlib.sha256).digest()
    assert signed == "v1," + base64.b64encode(own).decode()
