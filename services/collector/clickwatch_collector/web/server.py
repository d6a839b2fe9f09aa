"""The server: granian in this process, begun and ended in order."""

import asyncio
import contextlib
import signal
import socket
from pathlib import Path

import structlog
import uvloop
from clickwatch_events.registry import NotRegistered, Registry, RegistryUnavailable
from clickwatch_events.schemas import EVENTS
from clickwatch_events.shop_event import SHOP_EVENT_VERSION, ShopEventEncoder
from clickwatch_service import UserError
from clickwatch_service.metrics import served_metrics
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from clickwatch_collector.delivery.delivery import Delivery
from clickwatch_collector.delivery.kafka import Sender
from clickwatch_collector.delivery.spool import Spool
from clickwatch_collector.keys import KeyFile
from clickwatch_collector.metrics import CollectorMetrics
from clickwatch_collector.settings import Settings
from clickwatch_collector.web.application import Application
from clickwatch_collector.web.files import Files

log = structlog.get_logger()

_CONNECTIONS = 1024
_HEADER_MS = 10_000


def serve(settings: Settings) -> None:
    """Take events until SIGTERM or SIGINT.

    Raises:
        UserError: something of the settings cannot be used.
    """
    keys = KeyFile(settings.keys_file)
    files = Files(_shop_key(settings))
    _require_free(settings)
    spool = Spool(settings.spool_dir, settings.collector_spool_bytes)
    try:
        encoder = ShopEventEncoder(_schema_id(settings))
        sender = Sender(settings.kafka, settings.collector_delivery_timeout)
        delivery = Delivery(sender, spool)
        metrics = CollectorMetrics(delivery)
        with served_metrics(settings, metrics), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, Application(settings, keys, delivery, encoder, metrics, files)))
        # First the producer, so that the fate of all it has is known; what Kafka does not take is in the spool then.
        sender.flush(settings.collector_delivery_timeout.total_seconds() * 2)
        delivery.close()
        sender.close()
        log.info("collector_ended", spool_bytes=spool.size_bytes)
    finally:
        spool.close()


async def _serve(settings: Settings, application: Application) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = Server(
        application,
        address=settings.collector_host,
        port=settings.collector_port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        backlog=_CONNECTIONS,
        backpressure=_CONNECTIONS,
        http1_settings=HTTP1Settings(header_read_timeout=_HEADER_MS),
        log_level=LogLevels.error,
    )
    serving = asyncio.create_task(server.serve())
    refreshing = asyncio.create_task(application.refresh_keys())
    waiting = asyncio.create_task(stop.wait())
    log.info("collector_listening", address=f"http://{settings.collector_host}:{settings.collector_port}")
    await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        waiting.cancel()
        refreshing.cancel()
        serving.result()
        raise RuntimeError("the HTTP server has ended by itself")
    log.info("collector_ending")
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(settings.collector_drain_timeout.total_seconds()):
            await application.drained()
    refreshing.cancel()
    server.stop()  # type: ignore[no-untyped-call]
    await serving


def _shop_key(settings: Settings) -> str | None:
    if not settings.collector_shop:
        return None
    if settings.collector_shop_key is None:
        raise UserError("COLLECTOR_SHOP_KEY is not set: COLLECTOR_SHOP needs it: make one by add-key")
    return settings.collector_shop_key


def _require_free(settings: Settings) -> None:
    family = socket.AF_INET6 if ":" in settings.collector_host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((settings.collector_host, settings.collector_port))
        except OSError as error:
            raise UserError(
                f"COLLECTOR_HOST={settings.collector_host!r} COLLECTOR_PORT={settings.collector_port}: cannot listen "
                f"there ({error.strerror}): choose another port or address"
            ) from None


def _schema_id(settings: Settings) -> int:
    """Return the id of the schema; the one of the last start where the registry does not answer."""
    remembered = settings.spool_dir / "schema_id"
    registry = Registry(settings.registry)
    try:
        registry.wait(
            1 if remembered.exists() else settings.wait_timeout.total_seconds(), say=lambda line: log.info(line)
        )
        schema_id = registry.id_of(EVENTS, SHOP_EVENT_VERSION)
    except NotRegistered as error:
        raise UserError(str(error)) from None
    except RegistryUnavailable as error:
        found = _remembered_id(remembered, settings.schema_registry_url)
        if found is None:
            raise UserError(str(error)) from None
        log.warning("schema_id_remembered", schema_id=found, reason=str(error))
        return found
    remembered.write_text(f"{schema_id} {settings.schema_registry_url}\n", "utf-8")
    return schema_id


def _remembered_id(file: Path, registry_url: str) -> int | None:
    try:
        number, _, url = file.read_text("utf-8").strip().partition(" ")
    except FileNotFoundError:
        return None
    return int(number) if url == registry_url and number.isdecimal() else None
