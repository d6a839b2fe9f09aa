"""Links in messages: who has one can snooze its product for a week, by a button and not by following it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from clickwatch_notifier.links import BadLink, Links, Snooze
from clickwatch_servers.ports import HOST, free_port
from hypothesis import given
from hypothesis import strategies as st
from notifier_program import PATIENCE_SECONDS, Outbox, Programs
from notifier_receivers import Shop

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LINKS = Links("https://notify.example.com", "sixteen characters")


@given(st.text(min_size=1), st.text(min_size=1))
def test_a_link_says_what_it_was_made_for(product: str, channel: str) -> None:
    link = LINKS.snooze(Snooze(product, channel), NOW)

    base, _, token = link.rpartition("/")
    assert base == "https://notify.example.com/snooze"
    assert LINKS.read(token, NOW + timedelta(days=6)) == Snooze(product, channel)
    assert LINKS.snooze(Snooze(product, channel), NOW) == link


@pytest.mark.parametrize("secret", ["sixteen characters", "another secret of sixteen"])
def test_a_link_that_is_old_or_changed_or_not_ours_is_refused(secret: str) -> None:
    token = Links("https://notify.example.com", secret).snooze(Snooze("a", "mail"), NOW).rpartition("/")[2]
    at, text = (NOW + timedelta(days=8), token) if secret == "sixteen characters" else (NOW, token)

    for one in (text, token[:-1], token + "x", "x", ""):
        with pytest.raises(BadLink):
            LINKS.read(one, at)


@dataclass
class Linked:
    """A notifier that makes links, the webhook that is told, and where links lead."""

    outbox: Outbox
    shop: Shop
    client: httpx2.Client = field(repr=False)

    def link(self) -> str:
        self.outbox.add(("<b>product", "active"))
        self.outbox.wait_for("shop", "sent", 1)
        return str(self.shop.requests[0].document["data"]["changes"][0]["snooze"])


@pytest.fixture
def linked(outbox: Outbox, shop: Shop, programs: Programs) -> Linked:
    port = free_port()
    secret = programs.folder / programs.secret("links_secret", "a secret of more than sixteen\n")
    programs.start(
        outbox,
        programs.webhook(shop.url),
        NOTIFIER_LINKS_URL=f"http://{HOST}:{port}",
        NOTIFIER_LINKS_PORT=str(port),
        NOTIFIER_LINKS_SECRET_FILE=str(secret),
    )
    return Linked(outbox, shop, httpx2.Client(timeout=PATIENCE_SECONDS, trust_env=False))


def test_following_a_link_changes_nothing_and_its_button_snoozes(linked: Linked) -> None:
    link = linked.link()

    asked = linked.client.get(link)
    linked.outbox.add(("<b>product", "retracted"))
    linked.outbox.wait_for("shop", "sent", 2)
    done = linked.client.post(link, data={"hours": "4", "who": "Ada\n<i>"})
    linked.outbox.add(("<b>product", "confirmed"), ("other", "active"))
    linked.outbox.wait_for("shop", "sent", 3)

    assert asked.status_code == 200
    assert "Snooze &lt;b&gt;product?" in asked.text
    assert "default-src 'none'" in asked.headers["content-security-policy"]
    assert done.status_code == 200
    assert "Nobody is told of &lt;b&gt;product until " in done.text
    assert [one[2] for one in linked.outbox.deliveries("shop")] == ["sent", "sent", "snoozed", "sent"]
    assert linked.outbox.snoozes() == [("<b>product", "Ada <i>")]


def test_what_is_not_allowed_changes_nothing(linked: Linked) -> None:
    link = linked.link()

    answers = [
        linked.client.post(link, data={"hours": "1000"}),
        linked.client.post(link),
        linked.client.post(link, content=b"x" * 5000),
        linked.client.post(f"{link}x", data={"hours": "1"}),
        linked.client.get(f"{link}x"),
        linked.client.put(link, data={"hours": "1"}),
    ]

    assert [answer.status_code for answer in answers] == [400, 400, 413, 403, 403, 405]
    assert linked.outbox.snoozes() == []


def test_links_without_a_secret_or_with_a_short_one_are_refused_at_the_start(
    outbox: Outbox, shop: Shop, programs: Programs
) -> None:
    programs.channels_file.write_text(programs.webhook(shop.url))
    short = str(programs.folder / programs.secret("short", "short\n"))
    url = {"NOTIFIER_LINKS_URL": "https://notify.example.com"}

    missing = programs.ask(outbox, "run", **url)
    weak = programs.ask(outbox, "run", NOTIFIER_LINKS_SECRET_FILE=short, **url)

    assert missing.stderr.splitlines()[-1].startswith("error: NOTIFIER_LINKS_SECRET_FILE is not set")
    assert weak.stderr.splitlines()[-1].startswith(f"error: NOTIFIER_LINKS_SECRET_FILE={short}: is too short")
