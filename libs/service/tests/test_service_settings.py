from datetime import timedelta
from pathlib import Path
from typing import Annotated

import pytest
from clickwatch_service import Duration, ServiceSettings, UserError, load_settings
from pydantic import Field


class Example(ServiceSettings):
    kafka_topic: str = "clickstream-events"
    num_users: int = Field(1000, ge=1)
    window_duration: Duration = timedelta(minutes=10)
    data_dir: Path = Path("var/data")


class Demanding(ServiceSettings):
    database_password_file: Path


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("10 minutes", timedelta(minutes=10)),
        ("1 minute", timedelta(minutes=1)),
        ("90 s", timedelta(seconds=90)),
        ("0.1", timedelta(milliseconds=100)),
        ("500ms", timedelta(milliseconds=500)),
        ("2 Hours", timedelta(hours=2)),
    ],
)
def test_a_duration_is_read_with_its_unit(monkeypatch: pytest.MonkeyPatch, text: str, duration: timedelta) -> None:
    monkeypatch.setenv("WINDOW_DURATION", text)

    assert load_settings(Example).window_duration == duration


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUM_USERS", "")

    assert load_settings(Example).num_users == 1000


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("NUM_USERS", "many", "NUM_USERS='many': must be a valid integer"),
        ("NUM_USERS", "0", "NUM_USERS='0': must be greater than or equal to 1"),
        ("WINDOW_DURATION", "soon", "WINDOW_DURATION='soon': must be a duration such as '10 minutes'"),
        ("WINDOW_DURATION", "10 parsecs", "WINDOW_DURATION='10 parsecs': must be a duration"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(UserError, match=said):
        load_settings(Example)


def test_every_bad_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUM_USERS", "x")
    monkeypatch.setenv("WINDOW_DURATION", "y")

    with pytest.raises(UserError, match=r"NUM_USERS.*WINDOW_DURATION"):
        load_settings(Example)


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(UserError, match="DATABASE_PASSWORD_FILE is not set"):
        load_settings(Demanding)


class Secretive(ServiceSettings):
    database_url: Annotated[str, Field(pattern=r"^postgresql://")] = "postgresql://localhost"


def test_a_password_in_an_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "mysql://me:open-sesame@localhost/shop")

    with pytest.raises(UserError, match=r"DATABASE_URL='mysql://me:\*\*\*@localhost/shop'"):
        load_settings(Secretive)
