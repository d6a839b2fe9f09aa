"""How to reach the Schema Registry: addresses, TLS and login. Holds the places of secrets, never secrets."""

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from clickwatch_kafka.settings.secret_files import readable_text, secret
from clickwatch_service import ServiceSettings, UserError
from pydantic import ValidationInfo, field_validator, model_validator

_TLS = ("ca_file", "certificate_file", "key_file", "key_password_file")


@dataclass(frozen=True, kw_only=True)
class RegistryConnection:
    """How to reach one registry. Each attribute is the variable of its name, after `SCHEMA_REGISTRY_`.

    Attributes:
        url: its Confluent-compatible API; several addresses of one registry, separated by commas.
        ca_file: PEM of the authorities to trust; the usual ones where it is None.
        username: who logs in.
        password_file: his password.
        token_file: a bearer token instead, read anew for each request.
        certificate_file: PEM of the client's certificate.
        key_file: PEM of its key.
        key_password_file: what the key is encrypted with.
    """

    url: str
    ca_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    token_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    key_password_file: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what contradicts itself.

        Raises:
            UserError: it does; the line names the variable, its value and the remedy.
        """
        self._require_addresses()
        if (self.username is None) is not (self.password_file is None):
            missing = "PASSWORD_FILE" if self.password_file is None else "USERNAME"
            raise UserError(f"SCHEMA_REGISTRY_{missing} is not set: a login has both a name and a password's file")
        if self.username is not None and self.token_file is not None:
            raise UserError(
                f"SCHEMA_REGISTRY_TOKEN_FILE={str(self.token_file)!r}: SCHEMA_REGISTRY_USERNAME is set too: unset one"
            )
        if (self.certificate_file is None) is not (self.key_file is None):
            missing = "KEY_FILE" if self.key_file is None else "CERTIFICATE_FILE"
            raise UserError(f"SCHEMA_REGISTRY_{missing} is not set: a client's certificate needs its key")
        if self.key_password_file is not None and self.key_file is None:
            raise UserError("SCHEMA_REGISTRY_KEY_FILE is not set: SCHEMA_REGISTRY_KEY_PASSWORD_FILE has no key to open")
        for name in ("password_file", "token_file", "key_password_file"):
            file = getattr(self, name)
            if file is not None:
                secret(f"SCHEMA_REGISTRY_{name.upper()}", file)
        for name in ("ca_file", "certificate_file", "key_file"):
            file = getattr(self, name)
            if file is not None and "-----BEGIN " not in readable_text(f"SCHEMA_REGISTRY_{name.upper()}", file):
                raise UserError(f"SCHEMA_REGISTRY_{name.upper()}={str(file)!r}: holds nothing in PEM")

    @property
    def addresses(self) -> list[str]:
        """The addresses one by one."""
        return [one.strip() for one in self.url.split(",") if one.strip()]

    def properties(self) -> dict[str, object]:
        """Return the properties of Confluent's client, with the secrets in them.

        Raises:
            UserError: a secret's file cannot be read.
        """
        properties: dict[str, object] = {"url": ",".join(self.addresses)}
        if self.ca_file is not None:
            properties["ssl.ca.location"] = str(self.ca_file)
        if self.certificate_file is not None:
            properties["ssl.certificate.location"] = str(self.certificate_file)
            properties["ssl.key.location"] = str(self.key_file)
        if self.key_password_file is not None:
            properties["ssl.key.password"] = secret("SCHEMA_REGISTRY_KEY_PASSWORD_FILE", self.key_password_file)
        if self.username is not None and self.password_file is not None:
            password = secret("SCHEMA_REGISTRY_PASSWORD_FILE", self.password_file)
            properties["basic.auth.user.info"] = f"{self.username}:{password}"
        if self.token_file is not None:
            properties["bearer.auth.credentials.source"] = "CUSTOM"
            properties["bearer.auth.custom.provider.function"] = self._bearer
            properties["bearer.auth.custom.provider.config"] = {}
        return properties

    def _bearer(self, config: object) -> dict[str, str]:
        assert self.token_file is not None
        token = secret("SCHEMA_REGISTRY_TOKEN_FILE", self.token_file)
        return {"bearer.auth.token": token, "bearer.auth.logical.cluster": ""}

    def _require_addresses(self) -> None:
        schemes = set()
        for one in self.addresses:
            parts = urlsplit(one)
            if parts.password or parts.username:
                # It holds a secret, so it is not shown.
                raise UserError(
                    "SCHEMA_REGISTRY_URL: holds a name or a password: leave them out, and set "
                    "SCHEMA_REGISTRY_USERNAME and SCHEMA_REGISTRY_PASSWORD_FILE"
                )
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise UserError(f"SCHEMA_REGISTRY_URL={one!r}: must begin with http:// or https:// and a host")
            schemes.add(parts.scheme)
        if not schemes:
            raise UserError("SCHEMA_REGISTRY_URL='': must be the registry's address")
        if len(schemes) > 1:
            raise UserError(f"SCHEMA_REGISTRY_URL={self.url!r}: must be all https:// or all http://, not some of each")
        for name in _TLS:
            if "http" in schemes and getattr(self, name) is not None:
                raise UserError(
                    f"SCHEMA_REGISTRY_{name.upper()}={str(getattr(self, name))!r}: SCHEMA_REGISTRY_URL has no TLS: "
                    "let it begin with https://, or unset this"
                )


class RegistrySettings(ServiceSettings):
    """The variables of the registry, to be mixed into a service's settings; `registry` is what they say together."""

    schema_registry_url: str = "http://localhost:8085/apis/ccompat/v7"
    schema_registry_ca_file: Path | None = None
    schema_registry_username: str | None = None
    schema_registry_password_file: Path | None = None
    schema_registry_token_file: Path | None = None
    schema_registry_certificate_file: Path | None = None
    schema_registry_key_file: Path | None = None
    schema_registry_key_password_file: Path | None = None

    # Refused where they are set, since whoever sets them believes that they are used.
    schema_registry_password: None = None
    schema_registry_token: None = None

    @cached_property
    def registry(self) -> RegistryConnection:
        """How to reach the registry."""
        names = (field.name for field in fields(RegistryConnection))
        return RegistryConnection(**{name: getattr(self, f"schema_registry_{name}") for name in names})

    @field_validator("schema_registry_password", "schema_registry_token", mode="before")
    @classmethod
    def _are_in_files(cls, value: object, info: ValidationInfo) -> None:
        if value is None:
            return
        # An error of pydantic's would show the value.
        name = (info.field_name or "").upper()
        raise UserError(f"{name} is set: secrets are read from files alone: unset it, and set {name}_FILE to a file")

    @model_validator(mode="after")
    def _registry_fits(self) -> Self:
        # Made once here, so that a contradiction ends the start.
        _ = self.registry
        return self
