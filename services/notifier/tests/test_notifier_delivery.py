"""Each change of an alert reaches each channel that asked for it once, whatever fails on the way."""

import base64
import hashlib
import hmac

import httpx2
from clickwatch_servers.ports import HOST, free_port
from notifier_program import PATIENCE_SECONDS, Outbox, Programs, wait_until
from notifier_receivers import Held, Mailbox, Shop, no_answer, status, twice

STORY = [("product_7", "active"), ("product_7", "retracted"), ("product_7", "confirmed")]


def test_each_change_reaches_the_webhook_once_in_order_and_signed(
    outbox: Outbox, shop: Shop, programs: Programs
) -> None:
    programs.start(outbox, programs.webhook(shop.url))

    for change in [*STORY, ("product_8", "active")]:
        outbox.add(change)
    outbox.wait_for("shop", "sent", 4)

    assert shop.changes() == [*STORY, ("product_8", "active")]
    assert len(shop.requests) == len(shop.taken())
    first = shop.requests[0]
    signed = f"{first.headers['webhook-id']}.{first.headers['webhook-timestamp']}.".encode() + first.body
    expected = base64.b64encode(hmac.new(b"a shared secret", signed, hashlib.sha256).digest()).decode()
    assert first.headers["webhook-signature"] == f"v1,{expected}"
    assert first.document["data"]["key"] == first.key == first.headers["webhook-id"]
    assert first.document["data"]["changes"][0]["link"] == "https://clickwatch.example.com/?product=product_7"


def test_a_channel_hears_only_of_what_it_asked_for(outbox: Outbox, shop: Shop, programs: Programs) -> None:
    programs.start(
        outbox,
        programs.webhook(
            shop.url, statuses='["active"]', categories='["gaming"]', products='["product_1"]', min_views=150
        ),
        programs.webhook(shop.url, "all"),
    )

    outbox.add(("product_1", "active"), views=150, category="gaming")
    outbox.add(("product_1", "confirmed"), views=150, category="gaming")
    outbox.add(("product_1", "active"), views=149, category="gaming")
    outbox.add(("product_2", "active"), views=150, category="gaming")
    outbox.add(("product_1", "active"), views=150, category="laptops")
    outbox.wait_for("all", "sent", 5)
    outbox.wait_for("shop", "sent", 1)

    assert outbox.deliveries("shop") == [("product_1", "active", "sent")]


def test_what_was_before_a_channel_is_not_told_to_it(outbox: Outbox, shop: Shop, programs: Programs) -> None:
    outbox.add(("early", "active"))
    programs.start(outbox, programs.webhook(shop.url))

    outbox.add(("late", "active"))
    outbox.wait_for("shop", "sent", 1)

    assert shop.changes() == [("late", "active")]


def test_a_webhook_that_fails_is_tried_again_with_the_same_key_and_in_order(
    outbox: Outbox, shop: Shop, programs: Programs
) -> None:
    shop.answers.extend([status(500), status(429, Retry_After="1"), no_answer])
    programs.start(outbox, programs.webhook(shop.url))

    outbox.add(STORY[0])
    shop.wait_for_requests(1)
    outbox.add(*STORY[1:])
    outbox.wait_for("shop", "sent", 3)

    assert len({request.key for request in shop.requests[:4]}) == 1
    assert len({request.body for request in shop.requests[:4]}) == 1
    assert shop.changes() == STORY


def test_a_webhook_that_answers_too_late_is_asked_again_with_the_same_key(
    outbox: Outbox, shop: Shop, programs: Programs
) -> None:
    slow = Held()
    shop.answers.append(slow)
    programs.start(outbox, programs.webhook(shop.url, timeout='"1 s"'))

    outbox.add(STORY[0])
    outbox.wait_for("shop", "sent", 1)
    slow.let_go.set()

    assert len(shop.requests) >= 2
    assert len(shop.taken()) == 1
    assert shop.changes() == STORY[:1]


def test_a_webhook_that_answers_twice_is_told_once(outbox: Outbox, shop: Shop, programs: Programs) -> None:
    shop.answers.extend([twice, twice, twice])
    programs.start(outbox, programs.webhook(shop.url))

    for change in STORY:
        outbox.add(change)
        outbox.wait_for("shop", "waiting", 0)
    outbox.wait_for("shop", "sent", 3)

    assert shop.changes() == STORY
    assert len(shop.requests) == len(shop.taken())


def test_what_happens_while_a_webhook_is_down_is_told_afterwards_in_order(
    outbox: Outbox, shop: Shop, programs: Programs
) -> None:
    shop.close()
    process = programs.start(outbox, programs.webhook(shop.url))
    outbox.add(STORY[0])
    wait_until(lambda: "message_postponed" in process.command.log_file.read_text(), "a failed attempt")
    outbox.add(*STORY[1:])
    outbox.wait_for("shop", "waiting", 2)

    shop.open()
    outbox.wait_for("shop", "sent", 3)

    assert shop.changes() == STORY
    assert len(shop.requests) == len(shop.taken())


def test_a_notifier_that_is_killed_in_the_middle_leaves_nothing_untold(
    outbox: Outbox, shop: Shop, programs: Programs
) -> None:
    held = Held()
    shop.answers.append(held)
    channel = programs.webhook(shop.url, timeout='"3 s"')
    killed = programs.start(outbox, channel)
    outbox.add(*STORY)
    assert held.asked.wait(PATIENCE_SECONDS)

    killed.kill()
    held.let_go.set()
    programs.start(outbox, channel)
    outbox.add(("product_8", "active"))
    outbox.wait_for("shop", "sent", 4)

    assert shop.changes() == [*STORY, ("product_8", "active")]
    # The shop took the message, and nobody lived to keep that: it comes once more, by the same key.
    assert shop.requests[0].key == shop.requests[1].key


def test_two_notifiers_tell_each_change_once(outbox: Outbox, shop: Shop, programs: Programs) -> None:
    channel = programs.webhook(shop.url, most_messages=1000)
    programs.start(outbox, channel)
    programs.start(outbox, channel)

    expected = [(f"product_{number}", "active") for number in range(40)]
    for change in expected:
        outbox.add(change)
    outbox.wait_for("shop", "sent", 40)

    assert shop.changes() == expected
    assert len(shop.requests) == len(shop.taken())


def test_a_thousand_alerts_are_one_digest(outbox: Outbox, shop: Shop, mailbox: Mailbox, programs: Programs) -> None:
    url = programs.secret("mail_url", mailbox.url)
    mail = f'[[channels]]\nname = "mail"\nurl_file = "{url}"\ntimeout = "60 s"\nwithin = "1 s"'
    programs.start(outbox, programs.webhook(shop.url, within='"1 s"'), mail)

    products = [f"product_{number}" for number in range(1000)]
    outbox.add(*((product, "active") for product in products))
    outbox.wait_for("shop", "sent", 1000)
    outbox.wait_for("mail", "sent", 1000)

    assert [request.document["type"] for request in shop.requests] == ["alerts.digest"]
    assert [product for product, _ in shop.changes()] == products
    assert [mail["Subject"] for mail in mailbox.mails] == ["clickwatch: 1,000 changes of alerts"]
    body = mailbox.mails[0].get_body(("plain", "html"))
    assert body is not None
    assert "1,000 changes of 1,000 alerts, as they stand now: 1,000 active." in body.get_content()


def test_a_mail_says_what_happened_with_its_key_and_its_story(
    outbox: Outbox, mailbox: Mailbox, programs: Programs
) -> None:
    mailbox.refusals = 1
    url = programs.secret("mail_url", mailbox.url)
    programs.start(outbox, f'[[channels]]\nname = "mail"\nurl_file = "{url}"\ntimeout = "60 s"')

    outbox.add(("<b>@all\nproduct", "active"), views=1214)
    outbox.wait_for("mail", "sent", 1)
    outbox.add(("<b>@all\nproduct", "retracted"))
    outbox.wait_for("mail", "sent", 2)

    first, second = mailbox.mails
    assert first["Subject"] == r"clickwatch: active \x3cb\x3e\x40all\nproduct"
    assert first["To"] == "buyers@example.com"
    assert first["X-Clickwatch-Key"] != second["X-Clickwatch-Key"]
    assert first["References"] == second["References"]
    body = first.get_body(("plain", "html"))
    assert body is not None
    assert "1,214 views and 2 purchases" in body.get_content()
    assert "<b>" not in body.get_content()


def test_what_nobody_takes_is_given_up_visibly_and_can_be_tried_again(
    outbox: Outbox, shop: Shop, programs: Programs
) -> None:
    shop.answers.append(status(503))
    port = free_port()
    process = programs.start(
        outbox, programs.webhook(shop.url, give_up_after='"0 s"'), METRICS_PORT=str(port), METRICS_HOST=HOST
    )

    outbox.add(STORY[0])
    outbox.wait_for("shop", "given_up", 1)
    outbox.add(("product_8", "active"))
    outbox.wait_for("shop", "sent", 1)
    told = httpx2.get(f"http://{HOST}:{port}/metrics", timeout=60).text
    said = programs.ask(outbox, "status").stdout
    retried = programs.ask(outbox, "retry", "shop").stdout
    outbox.wait_for("shop", "sent", 2)

    assert 'clickwatch_notifier_messages_total{channel="shop",outcome="given_up"} 1.0' in told
    assert "message_given_up" in process.command.log_file.read_text()
    assert "shop: 0 waiting, 1 sent, 1 given up, 0 snoozed" in said
    assert "answered 503 (`notifier retry shop` tries again)" in said
    assert retried == "1 changes wait for channel shop again\n"


def test_a_message_that_a_webhook_never_takes_holds_up_no_other(outbox: Outbox, shop: Shop, programs: Programs) -> None:
    shop.answers.append(status(422))
    programs.start(outbox, programs.webhook(shop.url))

    outbox.add(STORY[0])
    outbox.wait_for("shop", "given_up", 1)
    outbox.add(("product_8", "active"))
    outbox.wait_for("shop", "sent", 1)

    assert outbox.deliveries("shop") == [("product_7", "active", "given_up"), ("product_8", "active", "sent")]


def test_a_channel_that_is_away_holds_up_no_other(outbox: Outbox, shop: Shop, programs: Programs) -> None:
    nobody = f"http://{HOST}:{free_port()}"
    programs.start(outbox, programs.webhook(nobody, "nobody"), programs.webhook(shop.url))

    for change in STORY:
        outbox.add(change)
    outbox.wait_for("shop", "sent", 3)

    assert shop.changes() == STORY
    assert {one[2] for one in outbox.deliveries("nobody")} <= {"waiting", "in_message"}


def test_what_was_told_long_ago_is_forgotten_and_what_waits_is_not(
    outbox: Outbox, shop: Shop, programs: Programs
) -> None:
    nobody = f"http://{HOST}:{free_port()}"
    first = programs.start(
        outbox, programs.webhook(shop.url), programs.webhook(nobody, "nobody", products='["product_8"]')
    )
    outbox.add(("product_7", "active"), ("product_8", "active"))
    outbox.wait_for("shop", "sent", 2)
    first.stop()

    programs.start(outbox, programs.webhook(shop.url), NOTIFIER_KEEP="0 s")

    wait_until(lambda: len(outbox.deliveries("shop")) == 1, "a change that is forgotten")
    assert outbox.deliveries("shop") == [("product_8", "active", "sent")]


def test_a_snoozed_product_is_told_to_nobody(outbox: Outbox, shop: Shop, programs: Programs) -> None:
    programs.start(outbox, programs.webhook(shop.url))

    snoozed = programs.ask(outbox, "snooze", "product_7", "--for", "2 hours", "--who", "Ada")
    outbox.add(("product_7", "active"), ("product_8", "active"))
    outbox.wait_for("shop", "sent", 1)

    assert snoozed.stdout.startswith("nobody is told of product_7 until ")
    assert outbox.deliveries("shop") == [("product_7", "active", "snoozed"), ("product_8", "active", "sent")]
    assert "by Ada" in programs.ask(outbox, "status").stdout


def test_a_test_message_says_whether_the_channel_works(outbox: Outbox, shop: Shop, programs: Programs) -> None:
    shop.answers.extend([status(200), status(403)])
    programs.channels_file.write_text(programs.webhook(shop.url))

    taken, refused, unknown = (programs.ask(outbox, "test", name) for name in ("shop", "shop", "ship"))

    assert (taken.returncode, taken.stderr) == (0, "")
    assert shop.requests[0].document["type"] == "test"
    assert refused.stderr == "error: channel 'shop' did not take the test message: answered 403\n"
    assert unknown.stderr == "error: channel 'ship' is not in the file: it has shop\n"
