"""Yesterday for the batch layer: its log is made, analysed and summed up while the stream runs."""

from collections.abc import Iterator
from datetime import date

from clickwatch_servers import Process

from clickwatch_local.stack import BATCH, READER, Stack

EVENTS = 100_000


def log_exists(stack: Stack, day: date) -> bool:
    """Return whether the day's events are there already, from a run before."""
    return (stack.places.data / "logs" / f"clickstream_{day}.jsonl").exists()


def analyse(stack: Stack, day: date) -> Iterator[Process]:
    """Make the day's log unless it is there, run the batch layer on it, print its text report.

    Yields the process that it waits for, again and again until that has ended, so that the
    caller can watch the rest of the stack meanwhile. (A child must be started by the main thread.)

    Raises:
        ProcessDied: a step failed.
    """
    if not log_exists(stack, day):
        backfill = (*stack.settings.simulator, "backfill", f"--date={day}", f"--events={EVENTS}")
        troubles = ("--duplicates=0.01", "--out-of-order=0.02", "--poison=0.0005")
        yield from until_success(stack.job("backfill", (*backfill, *troubles), READER))
    # The log is whole, though it was written a moment ago: just after midnight it would be taken for one that grows.
    batch = (*stack.settings.batch, "run", f"--date={day}")
    yield from until_success(stack.job("batch", batch, BATCH, DAY_GRACE="0 s"))
    print(f"\nYesterday, as the batch layer sees it ({stack.places.data / 'reports'}):\n", flush=True)
    print((stack.places.data / "reports" / f"summary_{day}.txt").read_text("utf-8"), flush=True)


def until_success(job: Process) -> Iterator[Process]:
    """Yield a job again and again until it has ended well.

    Raises:
        ProcessDied: it failed.
    """
    try:
        while job.exit_status is None:
            yield job
        job.require_success(timeout_seconds=0)
    finally:
        job.stop()
