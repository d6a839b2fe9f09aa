"""The schemas messages were written with, learnt from the registry as their ids turn up."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import NamedTuple, Protocol

import structlog
from clickwatch_events.registry import NotRegistered, RegistryUnavailable
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.sql import SparkSession
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_exponential,
)

log = structlog.get_logger()

_LOOKS_FOR_AN_UNKNOWN_ID = 3
HIGHEST_ID = 2**31 - 1
"""No registry hands out a higher id."""


class SchemaSource(Protocol):
    """Where schemas are asked for: `clickwatch_events.registry.Registry`."""

    def schema(self, schema_id: int) -> str:
        """Return the schema's text; NotRegistered or RegistryUnavailable where that fails."""
        ...


class Answers(NamedTuple):
    """What the registry said of some schema ids.

    Attributes:
        learnt: it has them, and they are known now.
        missing: it does not have them, or not as Avro.
        complete: it answered for every one.
    """

    learnt: set[int]
    missing: set[int]
    complete: bool


class WriterSchemas:
    """Writer schemas by id, kept once known: an id never changes its schema."""

    def __init__(self, source: SchemaSource, spark: SparkSession, patience: timedelta) -> None:
        """Ask `source`, for `patience` where it does not answer; `spark` tells Avro from what is none."""
        self._source = source
        self._spark = spark
        self._patience = patience
        self._known: dict[int, str] = {}

    @property
    def known(self) -> Mapping[int, str]:
        """Schema texts by id: what messages are decoded with."""
        return self._known

    def remember(self, texts: Mapping[int, str]) -> None:
        """Know schemas that somebody else has looked up."""
        self._known.update({found: text for found, text in texts.items() if self._is_usable(found, text)})

    def learn(self, ids: Iterable[int]) -> Answers:
        """Look up ids that are not known yet.

        An id the registry does not have is asked for three times within about a second, because a
        registry of several nodes may know a new schema on one before another. What is registered but
        no Avro schema stays unknown. Once the registry has not answered for as long as there was
        patience, it is asked for nothing more.
        """
        wanted = set(ids) - self._known.keys()
        learnt: set[int] = set()

        def look() -> bool:
            learnt.update(found for found in wanted - learnt if self._look_up(found))
            return learnt == wanted

        try:
            Retrying(
                retry=retry_if_result(lambda found_all: not found_all),
                stop=stop_after_attempt(_LOOKS_FOR_AN_UNKNOWN_ID),
                wait=wait_exponential(multiplier=0.2),
                retry_error_callback=lambda _: False,
            )(look)
        except RegistryUnavailable as error:
            learnt = wanted & self._known.keys()
            log.warning("schemas not looked up", schema_ids=len(wanted - learnt), reason=str(error))
            return Answers(learnt, set(), complete=False)
        return Answers(learnt, wanted - learnt, complete=True)

    def _look_up(self, schema_id: int) -> bool:
        try:
            text = self._ask(schema_id)
        except NotRegistered:
            return False
        if not self._is_usable(schema_id, text):
            return False
        self._known[schema_id] = text
        return True

    def _ask(self, schema_id: int) -> str:
        def say(state: RetryCallState) -> None:
            log.warning("registry not answering", waited_seconds=round(state.seconds_since_start or 0))

        return Retrying(
            retry=retry_if_exception_type(RegistryUnavailable),
            stop=stop_after_delay(self._patience),
            wait=wait_exponential(multiplier=0.5, max=10),
            before_sleep=say,
            reraise=True,
        )(self._source.schema, schema_id)

    def _is_usable(self, schema_id: int, text: str) -> bool:
        if self._is_avro(text):
            return True
        log.warning("schema not usable", schema_id=schema_id, reason="no Avro schema")
        return False

    def _is_avro(self, text: str) -> bool:
        # The parser `from_avro` is going to use; py4j's view of the JVM has no types.
        jvm = self._spark._jvm
        assert jvm is not None
        try:
            jvm.org.apache.avro.Schema.Parser().parse(text)
        except Py4JJavaError:
            return False
        return True
