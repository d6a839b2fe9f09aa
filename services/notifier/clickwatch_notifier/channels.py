"""The file of channels: who is told, of what, how and when. Parsed once, at the door."""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from clickwatch_service import Duration, UserError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from clickwatch_notifier.changes import Change, Status
from clickwatch_notifier.quiet_hours import QuietHours, zone_named


class Kind(StrEnum):
    """How a channel is reached."""

    APPRISE = "apprise"
    WEBHOOK = "webhook"


class _QuietHours(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    begin: Annotated[time, Field(alias="from")]
    end: Annotated[time, Field(alias="to")]
    zone: str = "UTC"


class _Channel(BaseModel):
    """A table `[[channels]]` of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
    kind: Kind = Kind.APPRISE
    url: str | None = None
    url_file: Path | None = None
    secret_file: Path | None = None
    statuses: Annotated[frozenset[Status], Field(min_length=1)] = frozenset(Status)
    categories: frozenset[str] | None = None
    products: frozenset[str] | None = None
    min_views: Annotated[int, Field(ge=0)] = 0
    quiet_hours: _QuietHours | None = None
    most_messages: Annotated[int, Field(ge=1, le=1000)] = 20
    within: Duration = timedelta(minutes=1)
    timeout: Duration = timedelta(seconds=10)
    give_up_after: Duration = timedelta(days=1)


@dataclass(frozen=True)
class Channel:
    """One channel.

    Attributes:
        name: what people call it.
        kind: how it is reached.
        url: where; it may hold a secret and is never shown.
        secret: signs webhooks; empty for other kinds.
        statuses: the states it wants to hear of.
        categories: categories that it wants to hear of; None is all.
        products: products that it wants to hear of; None is all.
        min_views: views that a change needs at least.
        quiet_hours: when it is not told; None is never.
        most_messages: as many messages within `within`; what is more comes as a digest.
        within: see there; also how long a digest collects.
        timeout: how long one attempt may take.
        give_up_after: how long a message is tried.
    """

    name: str
    kind: Kind
    url: str
    secret: bytes
    statuses: frozenset[Status]
    categories: frozenset[str] | None
    products: frozenset[str] | None
    min_views: int
    quiet_hours: QuietHours | None
    most_messages: int
    within: timedelta
    timeout: timedelta
    give_up_after: timedelta

    def __repr__(self) -> str:
        """Return the name alone, so that no log can show a secret."""
        return f"Channel({self.name!r})"

    def wants(self, change: Change) -> bool:
        """Whether it asked for a change."""
        return (
            change.status in self.statuses
            and (self.categories is None or change.product_category in self.categories)
            and (self.products is None or change.product_id in self.products)
            and change.views >= self.min_views
        )


def read_channels(file: Path) -> list[Channel]:
    """Return the channels of a file, in its order.

    Raises:
        UserError: the file, or one that it names, cannot be read or says what is not allowed.
    """
    try:
        document = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"NOTIFIER_CHANNELS_FILE={file}: cannot be read ({error}): name a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"NOTIFIER_CHANNELS_FILE={file}: is no TOML: {error}") from None
    tables = document.pop("channels", None)
    if document or not isinstance(tables, list) or not tables:
        found = f"it has {', '.join(sorted(document))}" if document else "it has none"
        raise UserError(f"{file}: must hold one or more tables [[channels]] and nothing else; {found}")
    channels = [_channel(file, number, table) for number, table in enumerate(tables, 1)]
    names = [one.name for one in channels]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"{file}: two channels have the name {name!r}: give each a name of its own")
    return channels


def channel_named(channels: Sequence[Channel], name: str) -> Channel:
    """Return a channel by its name.

    Raises:
        UserError: there is none.
    """
    for channel in channels:
        if channel.name == name:
            return channel
    raise UserError(f"channel {name!r} is not in the file: it has {', '.join(one.name for one in channels)}")


def _channel(file: Path, number: int, table: Any) -> Channel:  # what TOML holds
    name = table.get("name") if isinstance(table, dict) else None
    where = f"{file}: channel {name!r}" if name else f"{file}: channel {number}"
    try:
        given = _Channel.model_validate(table)
    except ValidationError as error:
        raise UserError("; ".join(f"{where}: {_explained(detail)}" for detail in error.errors())) from None
    if (given.url is None) == (given.url_file is None):
        raise UserError(f"{where}: must have either url_file or url")
    if (given.secret_file is None) == (given.kind is Kind.WEBHOOK):
        raise UserError(f"{where}: secret_file must be given for kind = 'webhook', and for no other")
    url = given.url if given.url_file is None else _secret(where, "url_file", file.parent / given.url_file)
    assert url is not None
    secret = "" if given.secret_file is None else _secret(where, "secret_file", file.parent / given.secret_file)
    if given.kind is Kind.WEBHOOK and urlsplit(url).scheme not in ("http", "https"):
        raise UserError(f"{where}: its url must begin with https:// or http://")
    if given.timeout <= timedelta(0) or given.within <= timedelta(0):
        raise UserError(f"{where}: timeout and within must be more than 0")
    return Channel(
        name=given.name,
        kind=given.kind,
        url=url,
        secret=secret.encode(),
        statuses=given.statuses,
        categories=given.categories,
        products=given.products,
        min_views=given.min_views,
        quiet_hours=_quiet_hours(where, given.quiet_hours),
        most_messages=given.most_messages,
        within=given.within,
        timeout=given.timeout,
        give_up_after=given.give_up_after,
    )


def _quiet_hours(where: str, given: _QuietHours | None) -> QuietHours | None:
    if given is None:
        return None
    if given.begin == given.end:
        raise UserError(f"{where}: quiet_hours: from and to must differ")
    try:
        return QuietHours(given.begin, given.end, zone_named(given.zone))
    except ValueError as error:
        raise UserError(f"{where}: quiet_hours: {error}") from None


def _secret(where: str, field: str, file: Path) -> str:
    try:
        text = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{where}: {field}={file}: cannot be read ({error})") from None
    if not text:
        raise UserError(f"{where}: {field}={file}: is empty")
    return text


def _explained(detail: object) -> str:
    assert isinstance(detail, dict)
    field = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "missing":
        return f"{field} is missing"
    if detail["type"] == "extra_forbidden":
        return f"{field} is no setting of a channel"
    rule = str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    shown = "" if field == "url" else f"={detail['input']!r}"
    return f"{field}{shown}: must be {rule}" if not rule.startswith("must") else f"{field}{shown}: {rule}"
