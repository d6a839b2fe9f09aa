"""A message, in words for people and as JSON for programs.

Names come from outside. In words they are shown so that they act on nothing: no line of their own, no markup, no
mention of everybody in a room. In JSON they are data.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

from clickwatch_service.shown import shown, visible_json

from clickwatch_notifier.changes import Change, Status
from clickwatch_notifier.composing import MessageKind
from clickwatch_notifier.links import Links, Snooze

_NAME_COLUMNS = 40
_MOST_LINES = 10
"""Chats take some 2,000 letters."""
_ACTS_ON_A_CHAT = str.maketrans({char: f"\\x{ord(char):02x}" for char in "@<>[]`*|"})
_SAYS = {
    Status.ACTIVE: "many look and few buy",
    Status.RETRACTED: "no alert any more, it is bought after all",
    Status.CONFIRMED: "the window is over, and few have bought",
}


@dataclass(frozen=True)
class Places:
    """Where links in messages lead.

    Attributes:
        dashboard_url: the dashboard.
        links: makes links by which a product is snoozed; None makes none.
    """

    dashboard_url: str
    links: Links | None = None


@dataclass(frozen=True)
class Message:
    """What is sent to a channel.

    Attributes:
        key: the same at each attempt, so that a receiver can tell a repetition.
        channel: the channel's name.
        kind: what it is; None for a test.
        made_at: when it was made.
        changes: what it tells of, in order.
    """

    key: UUID
    channel: str
    kind: MessageKind | None
    made_at: datetime
    changes: tuple[Change, ...]

    @property
    def title(self) -> str:
        """One line."""
        if self.kind is None:
            return f"clickwatch: a test of channel {self.channel}"
        if self.kind is MessageKind.DIGEST:
            return f"clickwatch: {len(self.changes):,} changes of alerts"
        last = self.changes[-1]
        return f"clickwatch: {last.status} {named(last.product_id)}"

    def text(self, places: Places) -> str:
        """Return the message in words."""
        if self.kind is None:
            return "This channel is told of flash-sale alerts. Nothing has happened."
        if self.kind is MessageKind.DIGEST:
            return _digest_text(self.changes, places.dashboard_url)
        lines = [_line(change) for change in self.changes[-_MOST_LINES:]]
        if len(self.changes) > _MOST_LINES:
            lines.insert(0, f"{len(self.changes):,} changes, of which the last are:")
        lines += ["", _link(places.dashboard_url, self.changes[-1])]
        snooze = self._snooze(self.changes[-1], places)
        return "\n".join(lines if snooze is None else [*lines, f"Snooze this product: {snooze}"])

    def document(self, places: Places) -> bytes:
        """Return the message as JSON; the same bytes at each attempt."""
        document = {
            "type": "test" if self.kind is None else f"alerts.{self.kind}",
            "timestamp": self.made_at.isoformat(),
            "data": {
                "key": str(self.key),
                "channel": self.channel,
                "changes": [self._as_json(change, places) for change in self.changes],
            },
        }
        return visible_json(json.dumps(document, ensure_ascii=False)).encode()

    def _snooze(self, change: Change, places: Places) -> str | None:
        if places.links is None:
            return None
        return places.links.snooze(Snooze(change.product_id, self.channel), self.made_at)

    def _as_json(self, change: Change, places: Places) -> dict[str, object]:
        return {
            "id": change.outbox_id,
            "product_id": change.product_id,
            "product_category": change.product_category,
            "window_start": change.window_start.isoformat(),
            "window_end": change.window_end.isoformat(),
            "views": change.views,
            "purchases": change.purchases,
            "status_before": change.status_before,
            "status": change.status,
            "changed_at": change.changed_at.isoformat(),
            "link": _link(places.dashboard_url, change),
            "snooze": self._snooze(change, places),
        }

    @property
    def story(self) -> str | None:
        """What mail programs put messages together by: a product on a day; None where there are several."""
        if self.kind is not MessageKind.CHANGES:
            return None
        first = self.changes[0]
        name = hashlib.sha256(first.product_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return f"<{name}.{first.window_start:%Y-%m-%d}@clickwatch.invalid>"

    @property
    def is_good_news(self) -> bool:
        """Whether all that it tells of is over."""
        return bool(self.changes) and all(change.status is Status.RETRACTED for change in self.changes)


def named(name: str) -> str:
    """Return a name for a line that chats and mail programs show."""
    return shown(name, _NAME_COLUMNS).translate(_ACTS_ON_A_CHAT).replace("://", "\\x3a//")


def _line(change: Change) -> str:
    return (
        f"{change.status}: {named(change.product_id)} ({named(change.product_category)}), "
        f"{change.views:,} views and {change.purchases:,} purchases, "
        f"{change.window_start:%Y-%m-%d %H:%M}–{change.window_end:%H:%M} UTC: {_SAYS[change.status]}"
    )


def _digest_text(changes: Sequence[Change], dashboard_url: str) -> str:
    latest = {(change.product_id, change.window_start): change for change in changes}
    counts = Counter(change.status for change in latest.values())
    told = ", ".join(f"{counts[status]:,} {status}" for status in Status if counts[status])
    most_viewed = sorted(latest.values(), key=lambda change: change.views, reverse=True)[:_MOST_LINES]
    lines = [f"{len(changes):,} changes of {len(latest):,} alerts, as they stand now: {told}.", ""]
    lines += [_line(change) for change in most_viewed]
    if len(latest) > len(most_viewed):
        lines.append(f"and {len(latest) - len(most_viewed):,} more with fewer views")
    return "\n".join([*lines, "", f"{dashboard_url}/"])


def _link(dashboard_url: str, change: Change) -> str:
    return f"{dashboard_url}/?product={quote(change.product_id, safe='', errors='replace')}"
