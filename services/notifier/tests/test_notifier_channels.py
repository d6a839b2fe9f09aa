"""The file of channels: what it says, and what is said of a wrong one."""

from datetime import time, timedelta
from pathlib import Path

import pytest
from clickwatch_notifier.changes import Status
from clickwatch_notifier.channels import Kind, read_channels
from clickwatch_notifier.messages import Places
from clickwatch_notifier.receivers import receiver_of
from clickwatch_service import UserError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "url").write_text("mailto://user:hidden@example.com\n")
    (tmp_path / "secret").write_text("whsec_c2VjcmV0\n")
    (tmp_path / "empty").write_text("\n")
    return tmp_path


def read(folder: Path, text: str) -> list[object]:
    file = folder / "channels.toml"
    file.write_text(text)
    return list(read_channels(file))


def test_a_file_that_says_all(folder: Path) -> None:
    (buyers, erp) = read(
        folder,
        """
        [[channels]]
        name = "buyers"
        url_file = "url"
        statuses = ["active", "confirmed"]
        categories = ["gaming"]
        products = ["product_7"]
        min_views = 200
        quiet_hours = { from = "22:00", to = "07:00", zone = "Europe/Berlin" }
        most_messages = 5
        within = "10 minutes"
        timeout = "20 s"
        give_up_after = "6 hours"

        [[channels]]
        name = "erp"
        kind = "webhook"
        url = "https://erp.example.com/alerts"
        secret_file = "secret"
        """,
    )

    assert buyers.url == "mailto://user:hidden@example.com"  # type: ignore[attr-defined]
    assert "hidden" not in repr(buyers)
    assert buyers.statuses == {Status.ACTIVE, Status.CONFIRMED}  # type: ignore[attr-defined]
    assert buyers.quiet_hours.begin == time(22)  # type: ignore[attr-defined]
    assert buyers.give_up_after == timedelta(hours=6)  # type: ignore[attr-defined]
    assert (erp.kind, erp.secret, erp.most_messages) == (Kind.WEBHOOK, b"whsec_c2VjcmV0", 20)  # type: ignore[attr-defined]


WEBHOOK = '[[channels]]\nname = "a"\nkind = "webhook"\nurl = "https://a.example.com"\nsecret_file = "secret"\n'
MAIL = '[[channels]]\nname = "a"\nurl_file = "url"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must hold one or more tables [[channels]] and nothing else; it has none"),
        ("color = 1", "must hold one or more tables [[channels]] and nothing else; it has color"),
        ("[[channels", "is no TOML"),
        ('[[channels]]\nurl_file = "url"', "channel 1: name is missing"),
        ('[[channels]]\nname = "A b"\nurl_file = "url"', "name='A b': must be "),
        ('[[channels]]\nname = "a"', "channel 'a': must have either url_file or url"),
        (MAIL + 'url = "mailto://b"', "must have either url_file or url"),
        (MAIL.replace('"url"', '"none"'), "url_file="),
        (MAIL.replace('"url"', '"empty"'), "is empty"),
        (MAIL + "colour = 1", "channel 'a': colour is no setting of a channel"),
        (MAIL + 'secret_file = "secret"', "secret_file must be given for kind = 'webhook', and for no other"),
        (MAIL + "min_views = -1", "min_views=-1: must be greater than or equal to 0"),
        (MAIL + 'statuses = ["open"]', "statuses"),
        (MAIL + 'within = "soon"', "within='soon': must be a duration such as '10 minutes'"),
        (MAIL + 'timeout = "0 s"', "timeout and within must be more than 0"),
        (MAIL + 'quiet_hours = { from = "22:00", to = "22:00" }', "from and to must differ"),
        (MAIL + 'quiet_hours = { from = "22:00", to = "07:00", zone = "Mars" }', "zone 'Mars' is unknown"),
        (MAIL + 'quiet_hours = { from = "22:00", to = "07:00", zone = "../x" }', "zone '../x' is unknown"),
        (WEBHOOK.replace("https", "ftp"), "its url must begin with https:// or http://"),
        (WEBHOOK.replace('secret_file = "secret"', ""), "secret_file must be given for kind = 'webhook'"),
        (WEBHOOK + WEBHOOK, "two channels have the name 'a'"),
    ],
)
def test_a_wrong_file_is_refused_with_what_is_wrong(folder: Path, text: str, said: str) -> None:
    with pytest.raises(UserError) as refused:
        read(folder, text)

    assert said in str(refused.value)
    assert "hidden" not in str(refused.value)


def test_an_address_that_apprise_does_not_know_is_refused_and_not_shown(folder: Path) -> None:
    (folder / "url").write_text("carrier-pigeon://token@example.com")
    file = folder / "channels.toml"
    file.write_text(MAIL)
    (channel,) = read_channels(file)

    with pytest.raises(UserError) as refused:
        receiver_of(channel, Places("http://127.0.0.1:8000"))

    assert "its url is no address that apprise knows" in str(refused.value)
    assert "token" not in str(refused.value)
