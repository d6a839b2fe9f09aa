"""What the next message of a channel holds, and when. Pure: the clock comes in as an argument.

Messages of a channel are made one after the other, so that they arrive in order. While one is tried, what comes
waits, and is told together once the channel answers again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from clickwatch_notifier.changes import Change
from clickwatch_notifier.channels import Channel

MOST_IN_A_DIGEST = 2_000


class MessageKind(StrEnum):
    """What a message is."""

    CHANGES = "changes"
    DIGEST = "digest"


@dataclass(frozen=True)
class Waiting:
    """A change that a channel is to be told of.

    Attributes:
        change: the change.
        since: when that was decided.
    """

    change: Change
    since: datetime


@dataclass(frozen=True)
class Compose:
    """Make a message now, of these rows of the outbox."""

    kind: MessageKind
    outbox_ids: tuple[int, ...]


@dataclass(frozen=True)
class Rest:
    """Make none before `until`, or before something new comes (None)."""

    until: datetime | None


def next_message(
    channel: Channel, waiting: Sequence[Waiting], recent: Sequence[datetime], now: datetime
) -> Compose | Rest:
    """Return what to tell a channel next.

    A product's changes go into one message. Where there are more products than the channel takes messages, all is
    collected until `within` has passed since the first and goes into one digest. So does what quiet hours held back.

    Args:
        channel: the channel; none of its messages is being tried.
        waiting: changes in their order, at most `MOST_IN_A_DIGEST`.
        recent: when messages of the channel were made, those of the last `within`.
        now: the time.
    """
    if not waiting:
        return Rest(None)
    first = waiting[0]
    if channel.quiet_hours is not None and channel.quiet_hours.hold(now):
        return Rest(channel.quiet_hours.over_after(now))
    products = {one.change.product_id for one in waiting}
    if len(products) > 1 and channel.quiet_hours is not None and channel.quiet_hours.hold(first.since):
        return _digest(waiting)
    if len(products) <= channel.most_messages - len(recent):
        story = [one.change.outbox_id for one in waiting if one.change.product_id == first.change.product_id]
        return Compose(MessageKind.CHANGES, tuple(story))
    collected = first.since + channel.within
    if now >= collected:
        return _digest(waiting)
    return Rest(min([collected, *(made + channel.within for made in recent)]))


def _digest(waiting: Sequence[Waiting]) -> Compose:
    return Compose(MessageKind.DIGEST, tuple(one.change.outbox_id for one in waiting))
