"""A message is stored when Kafka has it, or the spool; from the spool it goes to Kafka in order once that is back."""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue

import msgspec
import structlog

from clickwatch_collector.delivery.kafka import Sender
from clickwatch_collector.delivery.message import Message, from_bytes, to_bytes
from clickwatch_collector.delivery.spool import Spool, SpoolFull

log = structlog.get_logger()

_CHUNK = 500
_PAUSE_SECONDS = 0.5


@dataclass
class Counts:
    """What became of messages since the start."""

    sent: int = 0
    spooled: int = 0
    replayed: int = 0
    refused: int = 0


class Delivery:
    """Stores messages. As long as something waits in the spool, what comes goes behind it, so the order holds."""

    def __init__(self, sender: Sender, spool: Spool) -> None:
        """Begin to send what an earlier run left in the spool."""
        self._sender = sender
        self._spool = spool
        self._stop = threading.Event()
        self._to_write: SimpleQueue[tuple[list[bytes], Future[None]] | None] = SimpleQueue()
        self._writer = threading.Thread(target=self._write, name="spool-writer", daemon=True)
        self._replayer = threading.Thread(target=self._replay, name="spool-replayer", daemon=True)
        self.counts = Counts()
        self._writer.start()
        self._replayer.start()

    @property
    def is_direct(self) -> bool:
        """Whether messages go to Kafka without a stop on the disk."""
        return self._spool.is_empty

    @property
    def spool_bytes(self) -> int:
        """How many bytes wait in the spool."""
        return self._spool.size_bytes

    @property
    def has_room(self) -> bool:
        """Whether a large request would find room."""
        return self._spool.is_empty or self._spool.room_for(min(2_000_000, self._spool.max_bytes // 2))

    async def store(self, messages: Sequence[Message]) -> None:
        """Return once each message is in Kafka or on the disk.

        Raises:
            SpoolFull: Kafka is away and the spool has no room; some of the messages may be stored.
        """
        if not messages:
            return
        rest = messages
        if self._spool.is_empty:
            failed = await self._sent(messages)
            self.counts.sent += len(messages) - len(failed)
            if not failed:
                return
            rest = [messages[place] for place in failed]
        written: Future[None] = Future()
        self._to_write.put(([to_bytes(one) for one in rest], written))
        try:
            await asyncio.wrap_future(written)
        except SpoolFull:
            self.counts.refused += len(rest)
            raise
        self.counts.spooled += len(rest)

    async def _sent(self, messages: Sequence[Message]) -> list[int]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[list[int]] = loop.create_future()

        def settle(failed: list[int]) -> None:
            if not done.done():
                done.set_result(failed)

        self._sender.send(messages, lambda failed: _call_soon(loop, settle, failed))
        # The caller may go away; what becomes of the messages does not depend on it.
        return await asyncio.shield(done)

    def close(self) -> None:
        """Stop sending; what is in the spool waits for the next start."""
        self._to_write.put(None)
        self._writer.join()
        self._stop.set()
        self._replayer.join()

    def _write(self) -> None:
        """Append what waits, all of it by one fsync."""
        while (first := self._to_write.get()) is not None:
            group = [first]
            ends = False
            while not self._to_write.empty():
                following = self._to_write.get()
                if following is None:
                    ends = True
                    break
                group.append(following)
            self._append(group)
            if ends:
                return

    def _append(self, group: list[tuple[list[bytes], Future[None]]]) -> None:
        try:
            self._spool.append([one for messages, _ in group for one in messages])
        except SpoolFull as error:
            if len(group) == 1:
                group[0][1].set_exception(error)
                return
            # Some of them may fit.
            for one in group:
                self._append([one])
            return
        for _, written in group:
            written.set_result(None)

    def _replay(self) -> None:
        while not self._stop.is_set():
            if not self._spool.wait(_PAUSE_SECONDS):
                continue
            frames, position = self._spool.unread(_CHUNK)
            if self._sent_in_order([one for one in map(_message, frames) if one is not None]):
                self._spool.mark(position)
                self.counts.replayed += len(frames)
                if self._spool.is_empty:
                    log.info("spool_emptied", replayed=self.counts.replayed)

    def _sent_in_order(self, messages: list[Message]) -> bool:
        """Whether Kafka has all of them; tried until it has, or the service stops."""
        while messages:
            done: Future[list[int]] = Future()
            self._sender.send(messages, done.set_result)
            failed = done.result()
            messages = [messages[place] for place in failed]
            if messages and self._stop.wait(_PAUSE_SECONDS):
                return False
        return True


def _message(frame: bytes) -> Message | None:
    try:
        return from_bytes(frame)
    except msgspec.DecodeError:
        log.error("spool_frame_not_a_message", bytes=len(frame))
        return None


def _call_soon(loop: asyncio.AbstractEventLoop, settle: object, failed: list[int]) -> None:
    try:
        loop.call_soon_threadsafe(settle, failed)  # type: ignore[arg-type]
    except RuntimeError:
        # The loop has ended: nobody waits for the answer any more.
        return
