"""Telling people and programs of a report: by the log alone, by e-mail, or by a webhook."""

import json
import smtplib
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from email.message import EmailMessage
from typing import Protocol

import structlog
from clickwatch_service import UserError
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from clickwatch_batch.analyses.daily import DailyReport
from clickwatch_batch.reports.report import to_json, to_text
from clickwatch_batch.settings import NotifierName, Settings

_ATTEMPT_SECONDS = 10
_REFUSED_FOR_GOOD = range(400, 500)
_WORTH_ANOTHER_TRY = frozenset({408, 425, 429})


class Notifier(Protocol):
    """Tells of a report."""

    def tell(self, report: DailyReport) -> None:
        """Tell of a report.

        Raises:
            UserError: nobody took it within the time.
        """
        ...


class LogNotifier:
    """Says in the log that there is a report."""

    def tell(self, report: DailyReport) -> None:
        """Tell of a report (see `Notifier`)."""
        structlog.get_logger().info("notified", subject=subject(report))


class SmtpNotifier:
    """Sends the report as an e-mail: its text, and its JSON attached."""

    def __init__(self, settings: Settings, receivers: list[str], password: str | None) -> None:
        """Send by the server that the settings name."""
        self._settings = settings
        self._receivers = receivers
        self._password = password

    def tell(self, report: DailyReport) -> None:
        """Tell of a report (see `Notifier`)."""
        server = f"SMTP_HOST={self._settings.smtp_host}, SMTP_PORT={self._settings.smtp_port}"
        message = EmailMessage()
        message["Subject"] = subject(report)
        message["From"] = self._settings.smtp_from
        message["To"] = ", ".join(self._receivers)
        message.set_content(to_text(report))
        message.add_attachment(to_json(report), subtype="json", filename=f"summary_{report.report_date}.json")
        _within(self._settings.notify_timeout, server, lambda: self._send(message))
        structlog.get_logger().info("notified", subject=subject(report), receivers=len(self._receivers))

    def _send(self, message: EmailMessage) -> None:
        settings = self._settings
        try:
            with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=_ATTEMPT_SECONDS) as server:
                if settings.smtp_starttls:
                    server.starttls(context=ssl.create_default_context())
                if settings.smtp_user is not None and self._password is not None:
                    server.login(settings.smtp_user, self._password)
                server.send_message(message)
        except (smtplib.SMTPAuthenticationError, smtplib.SMTPNotSupportedError, ssl.SSLError) as error:
            raise _RefusedForGood(error) from None
        except smtplib.SMTPResponseException as error:
            if 500 <= error.smtp_code < 600:
                raise _RefusedForGood(error) from None
            raise OSError(str(error)) from None
        except smtplib.SMTPRecipientsRefused as error:
            if all(500 <= code < 600 for code, _ in error.recipients.values()):
                raise _RefusedForGood(error) from None
            raise OSError(str(error)) from None


class WebhookNotifier:
    """Posts the report as JSON: `{"subject": …, "text": …, "report": …}`."""

    def __init__(self, url: str, timeout: timedelta) -> None:
        """Post to an address; give up after a time."""
        self._url = url
        self._timeout = timeout

    def tell(self, report: DailyReport) -> None:
        """Tell of a report (see `Notifier`)."""
        document = {"subject": subject(report), "text": to_text(report), "report": json.loads(to_json(report))}
        request = urllib.request.Request(  # noqa: S310 (http and https alone, by settings)
            self._url,
            json.dumps(document, ensure_ascii=False).encode("utf-8"),
            {"Content-Type": "application/json", "User-Agent": "clickwatch-batch"},
        )
        _within(self._timeout, "WEBHOOK_URL", lambda: _post(request))
        structlog.get_logger().info("notified", subject=subject(report))


class _RefusedForGood(Exception):
    """What another try would not change."""


def chosen_notifier(settings: Settings) -> Notifier:
    """Return the notifier that the settings choose.

    Raises:
        UserError: a setting that it needs is missing, or the file of the password.
    """
    if settings.notifier is NotifierName.WEBHOOK:
        if settings.webhook_url is None:
            raise UserError("WEBHOOK_URL is not set: NOTIFIER=webhook needs the address to post to")
        return WebhookNotifier(settings.webhook_url, settings.notify_timeout)
    if settings.notifier is NotifierName.SMTP:
        receivers = [receiver.strip() for receiver in (settings.smtp_to or "").split(",") if receiver.strip()]
        if not receivers:
            raise UserError("SMTP_TO is not set: NOTIFIER=smtp needs the receivers, separated by commas")
        return SmtpNotifier(settings, receivers, _password(settings))
    return LogNotifier()


def subject(report: DailyReport) -> str:
    """Return the report in one line."""
    if report.is_refused:
        names = ", ".join(gate.gate for gate in report.gates if gate.verdict == "fail")
        return f"Clickstream {report.report_date}: refused by its quality gates ({names})"
    summary = report.summary
    unfinished = "unfinished, " if report.unfinished else ""
    return (
        f"Clickstream {report.report_date}: {unfinished}{summary.total_events:,} events, {summary.buyer_count:,} buyers"
    )


def _password(settings: Settings) -> str | None:
    if settings.smtp_user is None:
        return None
    if settings.smtp_password_file is None:
        raise UserError("SMTP_PASSWORD_FILE is not set: SMTP_USER needs the file that holds its password")
    try:
        return settings.smtp_password_file.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"SMTP_PASSWORD_FILE={settings.smtp_password_file}: cannot be read: {error}") from None


def _within(timeout: timedelta, name: str, attempt: Callable[[], None]) -> None:
    """Try until it works; give up after `timeout`, or at once where the other side refuses for good."""
    retrying = Retrying(
        retry=retry_if_exception_type(OSError),
        stop=stop_after_delay(timeout),
        wait=wait_exponential(multiplier=0.2, max=5),
        reraise=True,
    )
    try:
        retrying(attempt)
    except (OSError, _RefusedForGood) as error:
        reason = " ".join(str(error).split())
        structlog.get_logger().warning("failed_notification", notifier=name, reason=reason)
        raise UserError(
            f"{name}: the report is written, but nobody could be told of it: {reason}; mend that and repeat "
            "the report alone, or set NOTIFIER=log"
        ) from None


def _post(request: urllib.request.Request) -> None:
    try:
        with urllib.request.urlopen(request, timeout=_ATTEMPT_SECONDS):  # noqa: S310
            pass
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in _REFUSED_FOR_GOOD and error.code not in _WORTH_ANOTHER_TRY:
            raise _RefusedForGood(f"it answered {error.code} {error.reason}") from None
        raise OSError(f"it answered {error.code} {error.reason}") from None
