"""Telling of a report: to a real SMTP server and a real HTTP server on this machine."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar

import pytest
from clickwatch_batch.analyses.daily import DailyReport, DailySummary, Dropped, ProductPerformance
from clickwatch_batch.reports.notifier import chosen_notifier
from clickwatch_batch.reports.report import to_text
from clickwatch_batch.settings import Settings
from clickwatch_service import UserError

REPORT = DailyReport(
    report_date=date(2025, 6, 1),
    generated_at=datetime(2025, 6, 2, 2, tzinfo=UTC),
    log_name="clickstream_2025-06-01.jsonl",
    log_lines=1_000_000,
    dropped=Dropped(0, 0, 0),
    summary=DailySummary(1_000_000, 700_000, 200_000, 100_000, 0, 1_250, 750, Decimal("62.50"), 357_900_000),
    revenue=(),
    top_products=(),
    categories=(),
)


def tell(**settings: object) -> None:
    tell_of(REPORT, **settings)


def tell_of(report: DailyReport, /, **settings: object) -> None:
    chosen_notifier(Settings.model_validate({"notify_timeout": "60 s", **settings})).tell(report)


class Webhook(ThreadingHTTPServer):
    """Answers with the statuses it is given, in their order, then with 204; keeps what it got."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.bodies: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Hook)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"


class _Hook(BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        self.server.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class MailServer(socketserver.ThreadingTCPServer):
    """Speaks SMTP as far as a sender needs it; answers RCPT with `rcpt_answers` in their order, then with 250."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, *rcpt_answers: str) -> None:
        self.rcpt_answers = list(rcpt_answers)
        self.mails: list[EmailMessage] = []
        self.receivers: list[str] = []
        super().__init__(("127.0.0.1", 0), _Session)

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Session(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 mail")
        while command := self.rfile.readline().decode().strip():
            verb = command.upper()
            if verb.startswith("RCPT TO:"):
                answer = self.server.rcpt_answers.pop(0) if self.server.rcpt_answers else "250 ok"
                if answer.startswith("250"):
                    self.server.receivers.append(command.partition("<")[2].partition(">")[0])
                self._say(answer)
            elif verb == "DATA":
                self._say("354 go on")
                lines = []
                while (line := self.rfile.readline()) != b".\r\n":
                    lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
                mail = message_from_bytes(b"".join(lines), policy=policy.default)
                assert isinstance(mail, EmailMessage)
                self.server.mails.append(mail)
                self._say("250 taken")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _say(self, answer: str) -> None:
        self.wfile.write(f"{answer}\r\n".encode())


S = TypeVar("S", bound=socketserver.BaseServer)


@contextmanager
def running(server: S) -> Iterator[S]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_email_has_the_text_and_the_json_attached() -> None:
    with running(MailServer()) as server:
        tell(
            notifier="smtp", smtp_host="127.0.0.1", smtp_port=server.port, smtp_to="ann@shop.example, bob@shop.example"
        )

    (mail,) = server.mails
    assert server.receivers == ["ann@shop.example", "bob@shop.example"]
    assert mail["Subject"] == "Clickstream 2025-06-01: 1,000,000 events, 1,250 buyers"
    text, attached = mail.get_body(("plain",)), next(mail.iter_attachments())
    assert text is not None
    assert text.get_content().replace("\r\n", "\n") == to_text(REPORT)
    assert attached.get_filename() == "summary_2025-06-01.json"
    assert json.loads(attached.get_content())["summary"]["total_events"] == 1_000_000


def test_no_name_in_an_email_acts_on_the_text_around_it() -> None:
    name = "p\x1b[31m\nTotal revenue   999\u202e"
    named = replace(REPORT, top_products=(ProductPerformance(name, 9, 1, 1, 1),), log_name=name)

    with running(MailServer()) as server:
        tell_of(named, notifier="smtp", smtp_host="127.0.0.1", smtp_port=server.port, smtp_to="ann@shop.example")

    body = server.mails[0].get_body(("plain",))
    assert body is not None
    text = body.get_content().replace("\r\n", "\n")
    assert [char for char in text if char != "\n" and not char.isprintable()] == []
    assert "Total revenue   999" not in text
    assert r"p\x1b[31m\nTotal" in text


def test_a_mail_server_that_is_busy_is_asked_again() -> None:
    with running(MailServer("451 later")) as server:
        tell(notifier="smtp", smtp_host="127.0.0.1", smtp_port=server.port, smtp_to="ann@shop.example")

    assert len(server.mails) == 1


def test_a_receiver_that_does_not_exist_is_an_error_at_once() -> None:
    with running(MailServer("550 nobody here")) as server, pytest.raises(UserError, match="nobody could be told") as it:
        tell(notifier="smtp", smtp_host="127.0.0.1", smtp_port=server.port, smtp_to="ann@shop.example")

    assert "SMTP_HOST=127.0.0.1" in str(it.value)
    assert server.mails == []


def test_a_webhook_gets_text_and_report_and_is_asked_again_when_it_fails() -> None:
    with running(Webhook(503)) as hook:
        tell(notifier="webhook", webhook_url=hook.url)

    first, second = hook.bodies
    assert first == second
    document = json.loads(second)
    assert document["text"] == to_text(REPORT)
    assert document["report"]["report_date"] == "2025-06-01"


def test_a_webhook_that_refuses_for_good_is_asked_once() -> None:
    with (
        running(Webhook(404)) as hook,
        pytest.raises(UserError, match=r"WEBHOOK_URL: the report is written, but .* 404"),
    ):
        tell(notifier="webhook", webhook_url=hook.url)

    assert len(hook.bodies) == 1


def test_nobody_listening_is_given_up_after_the_time() -> None:
    with pytest.raises(UserError, match="repeat the report alone, or set NOTIFIER=log"):
        tell(notifier="webhook", webhook_url="http://127.0.0.1:1/hook", notify_timeout="0.5 s")


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"notifier": "webhook"}, "WEBHOOK_URL is not set"),
        ({"notifier": "smtp"}, "SMTP_TO is not set"),
        ({"notifier": "smtp", "smtp_to": "a@b.example", "smtp_user": "ann"}, "SMTP_PASSWORD_FILE is not set"),
        (
            {"notifier": "smtp", "smtp_to": "a@b.example", "smtp_user": "ann", "smtp_password_file": Path("/nowhere")},
            "SMTP_PASSWORD_FILE=/nowhere: cannot be read",
        ),
    ],
)
def test_a_setting_that_is_missing_is_named(settings: dict[str, object], missing: str) -> None:
    with pytest.raises(UserError, match=missing):
        tell(**settings)
