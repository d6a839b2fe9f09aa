"""What came from outside is shown so that it acts on nothing around it."""

import csv
import io
import json
import re
import unicodedata

import pytest
from clickwatch_service.shown import cell, neutral_cell, one_line, shown, visible_json
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

AWKWARD = st.text(
    st.one_of(
        st.characters(),
        st.characters(categories=["Cc", "Cf", "Zl", "Zp", "Zs", "Mn", "Me"]),
        st.characters(categories=["Cs"]),
        st.sampled_from(" \\'=+-@ab\u202e\u05d0\u0661\u200b\ufe0f\u3164商"),
    ),
    max_size=80,
)
ISOLATES = "\u2068\u2069"


def unseen(text: str) -> list[str]:
    """What of a text cannot be seen; the isolates that `shown` puts around a name are counted apart."""
    return [char for char in text if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


@given(AWKWARD)
@example("\x1b[31mred\x1b[0m\nTotal revenue   999")
@example("toys\u202egnp.exe")
def test_a_name_shows_all_it_holds_and_acts_on_nothing(name: str) -> None:
    text = shown(name)

    inner = text.removeprefix(ISOLATES[0]).removesuffix(ISOLATES[1])
    assert unseen(inner) == []
    assert len(text.splitlines()) <= 1
    assert inner == inner.strip(" ")
    assert "  " not in inner


@given(AWKWARD, AWKWARD)
def test_different_names_are_shown_differently(one: str, other: str) -> None:
    assert (shown(one) == shown(other)) == (one == other)


@given(st.text(st.characters(categories=["L", "N"], exclude_characters="\u115f\u1160\u3164\uffa0"), max_size=40))
def test_a_plain_name_is_shown_as_it_is(name: str) -> None:
    assert shown(name).strip(ISOLATES) == name


@given(AWKWARD, st.integers(min_value=0, max_value=60))
def test_a_name_never_takes_more_columns_than_it_has(name: str, width: int) -> None:
    assert cell_len(shown(name, width)) <= width
    assert cell_len(cell(name, width)) == width


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    assert shown("product_" + "0" * 60 + "_red", 20) == "product_00000…00_red"


def test_wide_letters_take_two_columns() -> None:
    assert cell("商品カテゴリ", 10) == "商品カ…リ "


@given(AWKWARD, st.integers(min_value=2, max_value=30))
def test_a_shortened_name_cuts_no_escape(name: str, width: int) -> None:
    text = shown(name, width).replace("\\\\", "")

    assert re.findall(r"\\(?!n|r|t|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})", text) == []


def test_a_name_from_right_to_left_leaves_the_line_its_order() -> None:
    assert shown("שלום") == "\u2068שלום\u2069"
    assert shown("שלום" * 20, 9).startswith("\u2068")
    assert shown("שלום" * 20, 9).endswith("\u2069")


def test_more_accents_than_a_script_has_are_told_apart() -> None:
    assert shown("e" + "\u0301" * 6) == "e" + "\u0301" * 4 + r"\u0301\u0301"
    assert shown("\u0301e") == r"\u0301e"


@given(AWKWARD)
def test_a_message_stays_on_one_line_and_keeps_its_backslashes(message: str) -> None:
    assert unseen(one_line(message)) == []
    assert one_line(message).count("\\") >= message.count("\\")
    assert one_line("a\\b: gone") == "a\\b: gone"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝", "'=", "''@"])
def test_a_cell_that_a_spreadsheet_would_run_is_text(start: str) -> None:
    assert neutral_cell(f"{start}1+1") == f"'{start}1+1"


@given(AWKWARD)
def test_a_cell_can_be_told_back(text: str) -> None:
    neutral = neutral_cell(text)
    out = io.StringIO()
    csv.writer(out).writerow([neutral, "next"])

    assert neutral[:1] not in tuple("=+-@\t\r＝＋－＠")
    assert neutral in (text, "'" + text)
    assert (neutral != text) == bool(re.match("'*[=+\\-@\t\r\n＝＋－＠]", text))


@given(st.recursive(AWKWARD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(AWKWARD, inner, max_size=3)))
def test_visible_json_says_the_same(document: object) -> None:
    text = visible_json(json.dumps(document, indent=2, ensure_ascii=False))

    assert json.loads(text) == document
    assert [char for char in unseen(text) if char != "\n"] == []
