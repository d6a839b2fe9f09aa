"""Keys: hashes in a file, changed while the collector runs."""

from pathlib import Path

import pytest
from clickwatch_collector.keys import KeyFile, add_key
from clickwatch_collector.web.rates import Rates
from clickwatch_service import UserError


def test_a_key_is_found_by_itself_and_the_file_holds_none(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    shoes, hats = add_key(file, "shoes", ["https://shoes.example"]), add_key(file, "hats", [])

    keys = KeyFile(file)

    found = keys.find(shoes)
    assert found is not None
    assert (found.shop, found.allows("https://shoes.example"), found.allows("https://hats.example")) == (
        "shoes",
        True,
        False,
    )
    other = keys.find(hats)
    assert other is not None
    assert (other.shop, other.allows("https://shoes.example")) == ("hats", False)
    assert keys.find("nobody") is None
    assert keys.count == 2
    assert shoes not in file.read_text("utf-8")


def test_a_changed_file_counts_at_the_next_look_and_a_broken_one_does_not(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    first = add_key(file, "shoes", [])
    keys = KeyFile(file)
    second = add_key(file, "hats", [])

    assert keys.find(second) is None
    keys.refresh()
    assert keys.find(second) is not None
    file.write_text("[[key", "utf-8")
    keys.refresh()
    assert keys.find(first) is not None
    file.write_text("", "utf-8")
    keys.refresh()
    assert keys.find(first) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[key", "is no TOML"),
        ("key = 1", "must be a list"),
        ("key = [1]", "key 1 is no table"),
        ('[[key]]\nsha256 = "00"', "shop=None"),
        ('[[key]]\nshop = "a"\nsha256 = "00"', "64 digits"),
        ('[[key]]\nshop = "a"\nsha256 = "' + "0" * 64 + '"\norigins = ["shop.example"]', "origins="),
    ],
)
def test_a_broken_file_ends_the_start_with_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(text, "utf-8")

    with pytest.raises(UserError, match=said):
        KeyFile(file)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="add-key"):
        KeyFile(tmp_path / "keys.toml")


def test_a_shop_or_origin_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="shop"):
        add_key(tmp_path / "keys.toml", 'a"b', [])
    with pytest.raises(UserError, match="origins"):
        add_key(tmp_path / "keys.toml", "shoes", ["shoes.example"])


def test_a_key_that_sends_too_much_is_told_how_long_to_wait() -> None:
    now = 0.0
    rates = Rates(100, clock=lambda: now)

    assert rates.take("a", 500) == 0
    assert rates.take("b", 500) == 0
    assert rates.take("a", 50) == pytest.approx(0.5)
    now = 0.5
    assert rates.take("a", 50) == 0
    assert rates.take("a", 1) == pytest.approx(0.01)
