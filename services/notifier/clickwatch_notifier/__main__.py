"""Command line: `python -m clickwatch_notifier run | test | status | retry | snooze`."""

import getpass
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import uuid4

import psycopg
import typer
from clickwatch_service import UserError, load_settings, run_cli, stop_on_signals
from clickwatch_service.settings import parse_duration

from clickwatch_notifier.channels import channel_named, read_channels
from clickwatch_notifier.messages import Message
from clickwatch_notifier.receivers import NotDelivered, receiver_of
from clickwatch_notifier.service import run as run_service
from clickwatch_notifier.settings import DatabaseSettings, Settings
from clickwatch_notifier.status import status_lines
from clickwatch_notifier.store import Store, explained

app = typer.Typer(help="Tells people and programs of alerts.", no_args_is_help=True)

ChannelName = Annotated[str, typer.Argument(help="A channel's name in NOTIFIER_CHANNELS_FILE.")]


@app.command()
def run() -> None:
    """Tell the channels of each change of an alert, until stopped."""
    settings, stop = load_settings(Settings), stop_on_signals()
    run_service(settings, stop)


@app.command()
def test(channel: ChannelName) -> None:
    """Send a test message to a channel and say what came of it."""
    settings = load_settings(Settings)
    found = channel_named(read_channels(settings.notifier_channels_file), channel)
    message = Message(uuid4(), found.name, None, datetime.now(UTC), ())
    try:
        receiver_of(found, settings.places).send(message)
    except NotDelivered as error:
        raise UserError(f"channel {found.name!r} did not take the test message: {error}") from None
    print(f"channel {found.name} took the test message {message.key}")


@app.command()
def status() -> None:
    """Say what waits and what was given up."""
    with _explaining(), psycopg.connect(load_settings(DatabaseSettings).database_url, connect_timeout=5) as connection:
        connection.execute("SET timezone TO 'UTC'")
        for line in status_lines(connection):
            print(line)


@app.command()
def retry(channel: ChannelName) -> None:
    """Try once more what was given up for a channel."""
    with _store() as store:
        print(f"{store.try_again(channel)} changes wait for channel {channel} again")


@app.command()
def snooze(
    product: Annotated[str, typer.Argument(help="The product's id.")],
    length: Annotated[str, typer.Option("--for", help="How long, such as '2 hours'.")] = "1 hour",
    who: Annotated[str, typer.Option(help="Who wants it; by default the user of this machine.")] = "",
) -> None:
    """Tell nobody of a product for some time."""
    with _store() as store:
        until = store.snooze(product, _duration(length), who or getpass.getuser())
    print(f"nobody is told of {product} until {until:%Y-%m-%d %H:%M:%S} UTC")


@contextmanager
def _store() -> Iterator[Store]:
    with _explaining(), closing(Store(load_settings(DatabaseSettings).database_url)) as store:
        yield store


@contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise explained(error) from None


def _duration(text: str) -> timedelta:
    try:
        parsed = parse_duration(text)
    except ValueError as error:
        raise UserError(f"--for={text!r}: {error}") from None
    assert isinstance(parsed, timedelta)
    return parsed


if __name__ == "__main__":
    run_cli(app)
