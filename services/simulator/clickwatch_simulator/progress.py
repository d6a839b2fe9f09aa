"""How far a run is: a bar on a terminal, now and then a log line elsewhere."""

import sys
import time
from collections.abc import Callable
from types import TracebackType

from rich import progress as bars
from rich.console import Console
from structlog import get_logger

_REFRESH_SECONDS = 0.5
_LOG_EVERY_SECONDS = 30.0
log = get_logger()


class Progress:
    """Counts what is sent and shows it."""

    def __init__(self, what: str, total: int | None, now: Callable[[], float] = time.monotonic) -> None:
        """Show `what` going to `total` (None: without end)."""
        self._what = what
        self._total = total
        self._now = now
        self._started = self._shown = self._logged = now()
        self._bar: bars.Progress | None = None
        self._task = bars.TaskID(0)
        self.count = 0

    def __enter__(self) -> "Progress":
        if sys.stderr.isatty():
            self._bar = bars.Progress(
                bars.TextColumn("{task.description}"),
                bars.BarColumn(),
                bars.MofNCompleteColumn(),
                bars.TextColumn("{task.fields[rate]}/s"),
                bars.TimeElapsedColumn(),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=self._total, rate="…")
        return self

    def sent(self, count: int) -> bool:
        """Count messages; return True about twice a second, when it is time to show them."""
        self.count += count
        now = self._now()
        if now - self._shown < _REFRESH_SECONDS:
            return False
        self._shown = now
        if self._bar is not None:
            self._bar.update(self._task, completed=self.count, rate=f"{self.rate:,.0f}")
        elif now - self._logged >= _LOG_EVERY_SECONDS:
            self._logged = now
            log.info("messages_sent", count=self.count, of=self._total, per_second=round(self.rate))
        return True

    @property
    def rate(self) -> float:
        """Messages a second since the start."""
        return self.count / max(self._now() - self._started, 1e-9)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=self.count, rate=f"{self.rate:,.0f}")
            self._bar.stop()
