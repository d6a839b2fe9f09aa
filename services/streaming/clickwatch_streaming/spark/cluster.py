"""A Spark master that is not local: it is waited for, and so are the slots its workers offer.

Without that Spark goes round in "Initial job has not accepted any resources" for good.
"""

import re
import socket
import threading
from contextlib import suppress

import structlog
from clickwatch_service import UserError
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.sql import SparkSession

from clickwatch_streaming.settings import Settings
from clickwatch_streaming.waiting import waited_for

log = structlog.get_logger()

_CONNECT_SECONDS = 2.0


def is_local(master: str) -> bool:
    """Whether tasks run in the driver's own process."""
    return re.match(r"local(\[|$)", master) is not None


def addresses(master: str) -> list[tuple[str, int]]:
    """Host and port of each master in `spark://host:port,host:port`; none of another kind of master."""
    if not master.startswith("spark://"):
        return []
    found = [re.fullmatch(r"([^:]+|\[[^]]+\]):(\d+)", one) for one in master.removeprefix("spark://").split(",")]
    if None in found:
        raise UserError(f"SPARK_MASTER={master!r}: must be local[*], local[N] or like spark://host:7077")
    return [(match[1].strip("[]"), int(match[2])) for match in found if match]


def wait_for_master(settings: Settings, stop: threading.Event) -> None:
    """Return once a standalone master answers; at once for any other, and once `stop` is set.

    Raises:
        UserError: none answers within WAIT_TIMEOUT.
    """
    masters = addresses(settings.spark_master)

    def say() -> None:
        log.info("waiting for Spark's master", address=settings.spark_master)

    def look() -> bool:
        return not masters or any(_answers(address) for address in masters)

    if not waited_for(look, settings.wait_timeout, stop, say) and not stop.is_set():
        raise UserError(
            f"SPARK_MASTER={settings.spark_master!r}: no master answers after "
            f"{settings.wait_timeout.total_seconds():g} seconds; see that it is up, or raise WAIT_TIMEOUT"
        )


def wait_for_slots(spark: SparkSession, settings: Settings, least: int, stop: threading.Event) -> None:
    """Return once the executors have at least so many slots, or `stop` is set.

    Raises:
        UserError: they have not within WAIT_TIMEOUT, or the master has given the application up.
    """
    context, found = spark.sparkContext._jsc.sc(), 0

    def say() -> None:
        log.info("waiting for Spark's workers", slots=found, needed=least)

    def look() -> bool:
        nonlocal found
        try:
            found = context.maxNumConcurrentTasks(context.resourceProfileManager().defaultResourceProfile())
        except Py4JJavaError as error:
            raise UserError(
                f"SPARK_MASTER={settings.spark_master!r}: the master has given the application up, because no executor "
                f"stays with it; {_remedy(settings)}"
            ) from error
        return bool(found >= least)

    if not waited_for(look, settings.wait_timeout, stop, say) and not stop.is_set():
        raise UserError(
            f"SPARK_MASTER={settings.spark_master!r}: its workers offer {found} slots after "
            f"{settings.wait_timeout.total_seconds():g} seconds, and {least} are needed; give them more cores "
            f"(they may be more than the machine has) and memory; {_remedy(settings)}"
        )


def _remedy(settings: Settings) -> str:
    return (
        f"see that workers reach SPARK_DRIVER_HOST={settings.spark_driver_host!r}, and what executors say on the "
        "master's page"
    )


def _answers(address: tuple[str, int]) -> bool:
    with suppress(OSError), socket.create_connection(address, timeout=_CONNECT_SECONDS):
        return True
    return False
