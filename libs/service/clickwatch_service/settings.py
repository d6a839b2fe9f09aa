"""The environment, parsed once into a frozen object."""

import re
from datetime import timedelta
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from clickwatch_service.errors import UserError

_SECONDS = {
    "ms": 0.001,
    "s": 1,
    "second": 1,
    "m": 60,
    "min": 60,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
}
_PASSWORD_IN_URL = re.compile(r"(?<=:)[^:@/]+(?=@)")
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*?)\s*", re.IGNORECASE)


def parse_duration(value: object) -> object:
    """Return a timedelta for text such as `10 minutes`, `90 s` or `0.5` (seconds).

    Anything but text is passed on as it is.

    Raises:
        ValueError: the text is no duration.
    """
    if not isinstance(value, str):
        return value
    match = _DURATION.fullmatch(value)
    unit = match[2].lower() if match else ""
    singular = unit if unit in _SECONDS else unit.removesuffix("s")
    if match is None or (unit and singular not in _SECONDS):
        raise ValueError("must be a duration such as '10 minutes', '90 s' or a number of seconds")
    return timedelta(seconds=float(match[1]) * _SECONDS[singular or "s"])


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
"""A settings field that reads `10 minutes`, `90 s`, `500 ms` or plain seconds."""


class ServiceSettings(BaseSettings):
    """Base of each service's settings: field `kafka_topic` reads variable `KAFKA_TOPIC`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)


S = TypeVar("S", bound=ServiceSettings)


def load_settings(settings: type[S]) -> S:
    """Return the settings read from the environment.

    Raises:
        UserError: a variable is missing or not allowed; all such variables are named.
    """
    try:
        return settings()
    except ValidationError as error:
        raise UserError("; ".join(_explained(detail) for detail in error.errors())) from None


def _explained(detail: object) -> str:
    assert isinstance(detail, dict)
    variable = "_".join(str(part) for part in detail["loc"]).upper()
    if detail["type"] == "missing":
        return f"{variable} is not set: set it in the environment"
    rule = str(detail["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    allowed = rule if rule.startswith("must") else f"must be {rule}"
    return f"{variable}={_PASSWORD_IN_URL.sub('***', str(detail['input']))!r}: {allowed}"
