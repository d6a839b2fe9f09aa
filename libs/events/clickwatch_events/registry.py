"""The Schema Registry, through any Confluent-compatible API."""

import contextlib
from collections.abc import Callable

from clickwatch_service import UserError
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_exponential

from clickwatch_events.registry_connection import RegistryConnection
from clickwatch_events.registry_refusals import (
    UNREACHABLE,
    NotRegistered,
    RegistryRefused,
    RegistryUnavailable,
    refusal,
)
from clickwatch_events.schemas import released_versions, schema_text, subject

__all__ = ["NotRegistered", "Registry", "RegistryRefused", "RegistryUnavailable"]


class Registry:
    """Reads writer schemas by id and the ids of released schemas; registers on deploy."""

    def __init__(self, where: str | RegistryConnection) -> None:
        """Talk to a Confluent-compatible API, without a login where `where` is only its address.

        Raises:
            UserError: a secret's file cannot be read, or no client can be made of what the files hold.
        """
        self._connection = RegistryConnection(url=where) if isinstance(where, str) else where
        self.url = ",".join(self._connection.addresses)
        try:
            self._client = SchemaRegistryClient({**self._connection.properties(), "max.retries": 0, "timeout": 10})
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise UserError(
                f"no client for the schema registry at {self.url} can be made ({error}): see the files that "
                "SCHEMA_REGISTRY_CA_FILE, SCHEMA_REGISTRY_CERTIFICATE_FILE and SCHEMA_REGISTRY_KEY_FILE name"
            ) from None

    def wait(self, timeout_seconds: float, say: Callable[[str], None] | None = None) -> None:
        """Return once the registry answers.

        Args:
            timeout_seconds: how long to wait for it.
            say: called with one line each time it did not answer.

        Raises:
            RegistryUnavailable: it did not answer in that time.
            RegistryRefused: it refuses us, which waiting does not mend.
        """

        def tell(state: RetryCallState) -> None:
            if say is not None:
                say(f"waiting for the schema registry at {self.url} ({state.seconds_since_start or 0:.0f} s)")

        try:
            for attempt in Retrying(
                retry=retry_if_exception(self._may_pass),
                stop=stop_after_delay(timeout_seconds),
                wait=wait_exponential(multiplier=0.2, max=2),
                before_sleep=tell,
                reraise=True,
            ):
                with attempt:
                    self._client.get_subjects()
        except (*UNREACHABLE, SchemaRegistryError) as error:
            refused = refusal(self._connection, error)
            if refused is not None:
                raise refused from None
            raise RegistryUnavailable(
                f"the schema registry at {self.url} did not answer within {timeout_seconds:.0f} s ({error}): "
                "start it or set SCHEMA_REGISTRY_URL"
            ) from None

    def _may_pass(self, error: BaseException) -> bool:
        return isinstance(error, (*UNREACHABLE, SchemaRegistryError)) and refusal(self._connection, error) is None

    def _failed(self, error: Exception) -> RegistryUnavailable:
        return refusal(self._connection, error) or RegistryUnavailable(
            f"the schema registry at {self.url} failed: {error}"
            if isinstance(error, SchemaRegistryError)
            else f"the schema registry at {self.url} does not answer: {error}"
        )

    def register(self, name: str) -> dict[int, int]:
        """Register every released version in order, set FULL_TRANSITIVE, return version → id.

        For deployment only: producers look ids up. Registering again changes nothing.

        Raises:
            SchemaRegistryError: the registry refuses a version.
            RegistryUnavailable: it does not answer.
        """
        # Before the first version too, so that no version is ever judged by a laxer level;
        # some registries know a subject's level only once it has a version.
        with contextlib.suppress(SchemaRegistryError):
            self._client.set_compatibility(subject_name=subject(name), level="FULL_TRANSITIVE")
        ids = {
            version: self._client.register_schema(subject(name), Schema(schema_text(name, version), "AVRO"))
            for version in released_versions(name)
        }
        self._client.set_compatibility(subject_name=subject(name), level="FULL_TRANSITIVE")
        return ids

    def ids(self, name: str) -> dict[int, int]:
        """Return version → schema id of every version registered for a schema, ours or newer.

        Raises:
            RegistryUnavailable: the registry does not answer.
        """
        try:
            versions = self._client.get_versions(subject(name))
            return {version: self._client.get_version(subject(name), version).schema_id or 0 for version in versions}
        except SchemaRegistryError as error:
            if error.http_status_code == 404:
                return {}
            raise self._failed(error) from error
        except UNREACHABLE as error:
            raise self._failed(error) from error

    def schema(self, schema_id: int) -> str:
        """Return the text of the schema with this id; the client keeps it.

        Raises:
            NotRegistered: there is no such id.
            RegistryUnavailable: the registry does not answer.
        """
        try:
            text = self._client.get_schema(schema_id).schema_str
        except SchemaRegistryError as error:
            if error.http_status_code == 404:
                raise NotRegistered(f"the schema registry at {self.url} has no schema with id {schema_id}") from None
            raise self._failed(error) from error
        except UNREACHABLE as error:
            raise self._failed(error) from error
        assert text is not None
        return text

    def id_of(self, name: str, version: int) -> int:
        """Return the id under which our released version stands in the registry.

        Raises:
            NotRegistered: it is not there yet.
            RegistryUnavailable: the registry does not answer.
        """
        try:
            found = self._client.lookup_schema(subject(name), Schema(schema_text(name, version), "AVRO"))
        except SchemaRegistryError as error:
            if error.http_status_code == 404:
                raise NotRegistered(
                    f"{subject(name)} v{version} is not in the schema registry at {self.url}: "
                    "register it first (python -m clickwatch_events register)"
                ) from None
            raise self._failed(error) from error
        except UNREACHABLE as error:
            raise self._failed(error) from error
        assert found.schema_id is not None
        return found.schema_id
