"""Hours of the day in which a channel is not told."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

_ZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*")


@dataclass(frozen=True)
class QuietHours:
    """From a time of the day to another, which may be on the day after.

    Attributes:
        begin: the first quiet moment of a day.
        end: the first moment that is not quiet any more.
        zone: whose days and times these are.
    """

    begin: time
    end: time
    zone: tzinfo

    def hold(self, at: datetime) -> bool:
        """Whether a moment is quiet."""
        local = at.astimezone(self.zone).time()
        if self.begin <= self.end:
            return self.begin <= local < self.end
        return local >= self.begin or local < self.end

    def over_after(self, at: datetime) -> datetime:
        """Return the end of the quiet hours that `at` lies in."""
        local = at.astimezone(self.zone)
        day = local.date() if local.time() < self.end else local.date() + timedelta(days=1)
        return datetime.combine(day, self.end, self.zone).astimezone(UTC)


@cache
def zone_named(name: str) -> tzinfo:
    """Return a time zone by its name, such as `Europe/Berlin`.

    Raises:
        ValueError: there is none of that name.
    """
    if name == "UTC":
        return UTC
    # pytz ships the zones; an image need not have any of its own.
    file = files("pytz") / "zoneinfo" / name
    if _ZONE.fullmatch(name) is None or not file.is_file():
        raise ValueError(f"zone {name!r} is unknown: use a name such as 'Europe/Berlin'")
    with file.open("rb") as opened:
        return ZoneInfo.from_file(opened, key=name)
