"""Requests to answers: keys, limits, doors, storing (RSGI)."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from time import perf_counter, time

import structlog
from clickwatch_events.shop_event import ShopEventEncoder, Source

from clickwatch_collector.bots import is_bot
from clickwatch_collector.delivery.delivery import Delivery
from clickwatch_collector.delivery.message import Message
from clickwatch_collector.delivery.spool import SpoolFull
from clickwatch_collector.doors import ga4, native, segment
from clickwatch_collector.doors.judging import Circumstances, Draft, judged
from clickwatch_collector.keys import Key, KeyFile
from clickwatch_collector.metrics import CollectorMetrics
from clickwatch_collector.settings import Settings
from clickwatch_collector.verdicts import Accepted, BadBody, Ignored, Refused, Verdict
from clickwatch_collector.web.answers import Answer, as_json, later, of_verdicts, told
from clickwatch_collector.web.dead_letters import dead_letter
from clickwatch_collector.web.description import description
from clickwatch_collector.web.files import Files
from clickwatch_collector.web.rates import MOST_EVENTS, Rates
from clickwatch_collector.web.requests import (
    MAX_BODY_BYTES,
    BadEncoding,
    Headers,
    Scope,
    TooLarge,
    TooSlow,
    Wire,
    body_of,
    key_of,
    query_of,
)

log = structlog.get_logger()

Door = Callable[[bytes, Circumstances], list[Draft | Ignored | Refused]]
_RETRY_SECONDS = 5.0
_PREFLIGHT_SECONDS = 86_400


def _segment(kind: str) -> Door:
    return lambda body, circumstances: segment.drafts(kind, body, circumstances)


DOORS: dict[str, tuple[str, Door]] = {
    "/v1/events": ("native", native.drafts),
    "/v1/track": ("segment", _segment("track")),
    "/v1/page": ("segment", _segment("page")),
    "/v1/identify": ("segment", _segment("identify")),
    "/v1/batch": ("segment", _segment("batch")),
    "/mp/collect": ("ga4", ga4.drafts),
}
"""Path, name and reader of each door."""


class Application:
    """Answers requests, as granian asks (RSGI)."""

    def __init__(
        self,
        settings: Settings,
        keys: KeyFile,
        delivery: Delivery,
        encoder: ShopEventEncoder,
        metrics: CollectorMetrics,
        files: Files,
    ) -> None:
        """Answer with these."""
        self._settings = settings
        self._keys = keys
        self._delivery = delivery
        self._encoder = encoder
        self._metrics = metrics
        self._files = files
        self._rates = Rates(settings.collector_rate)
        self._open = 0
        self._is_closed = asyncio.Event()
        self._is_draining = False

    async def drained(self) -> None:
        """Say that we are not ready any more, and return once the open requests are answered."""
        self._is_draining = True
        if self._open:
            await self._is_closed.wait()

    async def __rsgi__(self, scope: Scope, wire: Wire) -> None:
        """Answer one request."""
        began = perf_counter()
        self._open += 1
        origin = scope.headers.get("origin")
        name, door = DOORS.get(scope.path, ("other", None))
        try:
            answer = await (self._of_door(scope, wire, origin, name, door) if door else self._of_page(scope))
        except Exception:
            log.exception("request_failed", path=scope.path[:200])
            answer = told(500, "this is our fault, and stands in the collector's log")
        try:
            headers = [*answer.headers, *_allowing(origin, answer, scope.method), *_ALWAYS]
            wire.response_bytes(answer.status, headers, answer.body)
        finally:
            self._metrics.requests.labels(name, str(answer.status)).observe(perf_counter() - began)
            self._open -= 1
            if self._is_draining and not self._open:
                self._is_closed.set()

    async def _of_page(self, scope: Scope) -> Answer:
        if scope.method not in ("GET", "HEAD"):
            known = scope.path in ("/health", "/openapi.json") or self._files.has(scope.path)
            return told(405, "ask by GET", ("allow", "GET, HEAD")) if known else _nothing_here(scope)
        match scope.path:
            case "/health":
                return self._health()
            case "/openapi.json":
                return as_json(200, description())
        return self._files.answer(scope.path, scope.headers.get("if-none-match")) or _nothing_here(scope)

    def _health(self) -> Answer:
        delivery = self._delivery
        is_ready = not self._is_draining and delivery.has_room
        return as_json(
            200 if is_ready else 503,
            {
                "ready": is_ready,
                "draining": self._is_draining,
                "kafka": "up" if delivery.is_direct else "away, events wait on the disk",
                "spool_bytes": delivery.spool_bytes,
                "open_requests": self._open - 1,
                "keys": self._keys.count,
            },
        )

    async def _of_door(self, scope: Scope, wire: Wire, origin: str | None, name: str, door: Door | None) -> Answer:
        if scope.method == "OPTIONS":
            return self._preflight(origin)
        if scope.method != "POST":
            return told(405, "send events by POST", ("allow", "POST, OPTIONS"))
        if self._is_draining:
            return later(503, "this collector ends: send it again", 1)
        text = key_of(scope, query_of(scope))
        key = None if text is None else self._keys.find(text)
        if key is None:
            return told(401, "the key is missing or unknown: see the connection guide", ("www-authenticate", "Basic"))
        if origin is not None and not key.allows(origin):
            return told(403, f"pages of {origin[:200]} may not send with this key: add the origin to the key's entry")
        try:
            body = await body_of(scope, wire, self._settings.collector_body_timeout)
        except TooLarge:
            return told(413, f"a body has at most {MAX_BODY_BYTES} bytes, unpacked too: send smaller lists")
        except TooSlow:
            return told(408, "the body took too long to come", ("connection", "close"))
        except BadEncoding as error:
            return told(415, str(error))
        assert door is not None
        return await self._of_body(body, key, _circumstances(key, origin, scope.headers), name, door)

    def _preflight(self, origin: str | None) -> Answer:
        if origin is None or not self._keys.allow(origin):
            return told(403, "no key lets pages of this origin send")
        return Answer(
            204,
            b"",
            (
                ("access-control-allow-methods", "POST"),
                ("access-control-allow-headers", "authorization, content-type, content-encoding"),
                ("access-control-max-age", str(_PREFLIGHT_SECONDS)),
            ),
        )

    async def _of_body(self, body: bytes, key: Key, circumstances: Circumstances, name: str, door: Door) -> Answer:
        try:
            drafts = door(body, circumstances)
        except BadBody as error:
            return told(400, str(error))
        if len(drafts) > MOST_EVENTS:
            return told(413, f"the body makes {len(drafts)} events, at most {MOST_EVENTS} may come at once")
        wait = self._rates.take(key.sha256, max(1, len(drafts)))
        if wait:
            return later(429, f"more than {self._settings.collector_rate:g} events a second of one key", wait)
        verdicts = [one if isinstance(one, Refused) else judged(one, circumstances) for one in drafts]
        try:
            await self._delivery.store(self._messages(verdicts, circumstances))
        except SpoolFull:
            return later(503, "Kafka is away and the spool is full: send it again", _RETRY_SECONDS)
        for kind, count in Counter(map(type, verdicts)).items():
            self._metrics.events.labels(name, key.shop, kind.__name__.lower()).inc(count)
        return of_verdicts(verdicts, refused_status=400 if name == "segment" else 422)

    def _messages(self, verdicts: Sequence[Verdict], circumstances: Circumstances) -> list[Message]:
        messages = []
        # What makes several events is one dead letter, or a body could make hundreds of its own size.
        is_kept: set[int] = set()
        for verdict in verdicts:
            match verdict:
                case Accepted(_, event):
                    value = self._encoder.encode(event)
                    messages.append(Message(self._settings.kafka_topic, event.user_id.encode(), value))
                case Refused() if verdict.index not in is_kept:
                    is_kept.add(verdict.index)
                    topics = (self._settings.dead_letter_topic, self._settings.kafka_topic)
                    messages.append(dead_letter(verdict, circumstances, *topics))
        return messages

    async def refresh_keys(self) -> None:
        """Look every second whether the keys have changed, until cancelled."""
        while True:
            await asyncio.sleep(1)
            self._keys.refresh()


_ALWAYS = (("x-content-type-options", "nosniff"),)


def _circumstances(key: Key, origin: str | None, headers: Headers) -> Circumstances:
    received_ms = int(time() * 1000)
    if origin is None:
        # A server's own user agent says nothing of who clicked.
        return Circumstances(key.shop, received_ms, Source.SERVER)
    return Circumstances(key.shop, received_ms, Source.TRACKER, is_bot(headers.get("user-agent")))


def _allowing(origin: str | None, answer: Answer, method: str) -> list[tuple[str, str]]:
    if origin is None:
        return []
    if answer.status == 403:
        return [("vary", "origin")]
    # The tracker waits as long as an answer asks for, where the page may read that.
    return [
        ("access-control-allow-origin", origin),
        ("access-control-expose-headers", "retry-after"),
        ("vary", "origin"),
    ]


def _nothing_here(scope: Scope) -> Answer:
    return told(404, "there is nothing here: events go to /v1/events, /openapi.json describes the rest")
