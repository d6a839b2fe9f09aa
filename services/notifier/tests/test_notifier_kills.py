"""What is killed at any moment loses no change, tells none twice, and keeps their order."""

import random
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from notifier_postgres import OwnPostgres
from notifier_program import PATIENCE_SECONDS, WINDOW, Programs, wait_until
from notifier_receivers import Held, Shop, status

STORY = [("product_7", "active"), ("product_7", "retracted"), ("product_7", "confirmed")]


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[OwnPostgres]:
    postgres = OwnPostgres(tmp_path)
    yield postgres
    postgres.stop()


def test_a_database_that_was_killed_is_waited_for_and_nothing_is_told_twice(
    postgres: OwnPostgres, shop: Shop, programs: Programs
) -> None:
    outbox = postgres.outbox
    notifier = programs.start(outbox, programs.webhook(shop.url))
    outbox.add(STORY[0])
    outbox.wait_for("shop", "sent", 1)

    postgres.kill()
    log = notifier.command.log_file
    wait_until(lambda: log.read_text().count("database_away") >= 2, "a notifier that noticed")
    postgres.start()
    outbox.add(*STORY[1:])
    outbox.wait_for("shop", "sent", 3)

    assert shop.changes() == STORY
    assert len(shop.requests) == len(shop.taken())
    assert notifier.exit_status is None


def test_what_was_told_is_still_there_after_a_crash_of_the_database(
    postgres: OwnPostgres, shop: Shop, programs: Programs
) -> None:
    held = Held()
    shop.answers.append(held)
    programs.start(postgres.outbox, programs.webhook(shop.url, timeout='"60 s"'))

    # As the projector commits, which does not wait for the disk.
    with psycopg.connect(postgres.outbox.url, options="-c synchronous_commit=off") as connection:
        connection.execute(
            "INSERT INTO alert_outbox (product_id, window_start, window_end, product_category, views, purchases,"
            " status, changed_at) VALUES ('product_7', %s, %s + interval '10 min', 'gaming', 101, 2, 'active', now())",
            [WINDOW, WINDOW],
        )
    assert held.asked.wait(PATIENCE_SECONDS)
    postgres.kill()
    postgres.start()

    assert postgres.outbox.deliveries("shop") == [("product_7", "active", "in_message")]
    held.let_go.set()
    postgres.outbox.wait_for("shop", "sent", 1)
    # The notifier knew what the shop had answered, and did not ask it once more.
    assert [request.changes for request in shop.requests] == [[("product_7", "active")]]


def test_changes_that_go_on_while_notifier_and_database_are_killed_are_each_told_once_in_order(
    postgres: OwnPostgres, shop: Shop, programs: Programs
) -> None:
    chance = random.Random(20261201)
    outbox = postgres.outbox
    channel = programs.webhook(shop.url, timeout='"2 s"', most_messages=1000)
    notifier = programs.start(outbox, channel)
    added: list[tuple[str, str]] = []

    def go_on(count: int) -> None:
        for _ in range(count):
            change = (f"product_{chance.randrange(5)}", chance.choice(["active", "retracted", "confirmed"]))
            outbox.add(change)
            added.append(change)

    for victim in ("notifier", "postgres", "notifier"):
        # It is in the middle of something: the shop has been asked and has not answered.
        held = Held()
        shop.answers.append(held)
        go_on(20)
        assert held.asked.wait(PATIENCE_SECONDS)
        if victim == "notifier":
            notifier.kill()
            notifier = programs.start(outbox, channel)
        else:
            postgres.kill()
            postgres.start()
        shop.answers.append(status(500))
        held.let_go.set()
        go_on(20)
    outbox.wait_for("shop", "sent", len(added))

    told = shop.changes()
    assert len(told) == len(added)
    for product in {product for product, _ in added}:
        assert [change for change in told if change[0] == product] == [one for one in added if one[0] == product]
