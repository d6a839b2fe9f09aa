"""Places of files: what a setting may name, and replacing a file as a whole."""

from pathlib import Path

import pytest
from clickwatch_batch.input.storage import Location, location
from clickwatch_service import UserError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("./var/data/logs/", "./var/data/logs"),
        ("/", "/"),
        ("file:///srv/shop%20logs", "/srv/shop logs"),
        ("s3://shop/logs/", "s3://shop/logs"),
        ("s3a://shop/logs", "s3://shop/logs"),
    ],
)
def test_a_place_is_a_path_or_an_s3_address(text: str, address: str) -> None:
    assert str(location(text)) == address


@pytest.mark.parametrize("text", ["ftp://host/logs", "s3://", "s3:///"])
def test_any_other_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"such as|as in"):
        location(text)


def test_only_an_address_elsewhere_has_no_path() -> None:
    assert (Location("/srv/logs") / "a.jsonl").path == Path("/srv/logs/a.jsonl")
    assert (Location("s3://shop/logs") / "a.jsonl").path is None


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    place = Location(str(tmp_path)) / "reports" / "summary.txt"

    with place.replacing() as out:
        out.write("first\n")
    with pytest.raises(UnicodeEncodeError), place.replacing() as out:
        out.write("half" + "\ud800")

    assert place.read_text() == "first\n"
    assert [str(file) for file in (Location(str(tmp_path)) / "reports").files()] == [str(place)]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("a file")

    with (
        pytest.raises(UserError, match=r"reports/summary\.txt: cannot be written"),
        (Location(str(tmp_path)) / "reports" / "summary.txt").replacing(),
    ):
        pass


def test_what_is_not_there_has_no_stamp_and_no_files(tmp_path: Path) -> None:
    nowhere = Location(str(tmp_path)) / "nowhere"

    assert (nowhere.stamp(), nowhere.exists(), nowhere.files()) == (None, False, [])
    nowhere.remove()
