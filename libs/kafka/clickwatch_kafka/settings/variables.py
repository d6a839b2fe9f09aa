"""The variables of a connection to Kafka, to be mixed into a service's settings."""

from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from clickwatch_service import ServiceSettings, UserError
from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from clickwatch_kafka.settings.choices import Mechanism, Protocol
from clickwatch_kafka.settings.connection import KafkaConnection


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


class KafkaSettings(ServiceSettings):
    """Each field is the environment variable of its name in upper case; `kafka` is what they say together.

    Use it as a base: `class Settings(MetricsSettings, KafkaSettings)`. What contradicts itself ends the start
    with a UserError of one line.
    """

    kafka_bootstrap_servers: str = "localhost:9092"
    kafka_security_protocol: Annotated[Protocol, BeforeValidator(_upper)] = Protocol.PLAINTEXT
    kafka_sasl_mechanism: Annotated[Mechanism | None, BeforeValidator(_upper)] = None
    kafka_sasl_username: str | None = None
    kafka_sasl_password_file: Path | None = None
    kafka_ssl_ca_file: Path | None = None
    kafka_ssl_certificate_file: Path | None = None
    kafka_ssl_key_file: Path | None = None
    kafka_ssl_key_password_file: Path | None = None
    kafka_oauth_token_url: str | None = None
    kafka_oauth_client_id: str | None = None
    kafka_oauth_client_secret_file: Path | None = None
    kafka_oauth_scope: str | None = None
    kafka_oauth_ca_file: Path | None = None
    kafka_client_properties: Annotated[str, Field(repr=False)] = ""

    # Refused where they are set, since whoever sets them believes that they are used.
    kafka_sasl_password: None = None
    kafka_oauth_client_secret: None = None
    kafka_ssl_key_password: None = None

    @cached_property
    def kafka(self) -> KafkaConnection:
        """How to reach Kafka."""
        return KafkaConnection(
            **{field.name: getattr(self, f"kafka_{field.name}") for field in fields(KafkaConnection)}
        )

    @field_validator("kafka_sasl_password", "kafka_oauth_client_secret", "kafka_ssl_key_password", mode="before")
    @classmethod
    def _secrets_are_in_files(cls, value: object, info: ValidationInfo) -> None:
        if value is None:
            return
        # An error of pydantic's would show the value.
        name = (info.field_name or "").upper()
        raise UserError(f"{name} is set: secrets are read from files alone: unset it, and set {name}_FILE to a file")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        # Made once here, so that a contradiction ends the start.
        _ = self.kafka
        return self
