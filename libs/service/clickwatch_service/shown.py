r"""Names that came from outside, made safe to show: on a console, in a report, a mail, a CSV, JSON that people read.

A name is data and may hold anything. Shown as it is, it could begin a line of its own, colour a terminal, turn
the text after it around, look like another name, or be run by a spreadsheet. Data itself is never changed: these
functions stand at the last step before something is shown. The page has the same rules in `static/shown.js`.
"""

import re
import unicodedata
from collections.abc import Iterable

from rich.cells import cell_len

_UNSEEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Control, format (zero-width and bidi controls among them), half a surrogate pair, ends of lines and paragraphs."""

_UNSEEN_LETTERS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Fillers, joiners and variation selectors: no control by category, and nothing to be seen all the same."""

_UNUSUAL = re.compile(r"[^ -~]")
"""What has to be looked at closer, so that the rest passes at the speed of a search."""

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff]")
"""Hebrew, Arabic and the other scripts whose letters and numbers turn the text beside them around."""

_MOST_MARKS = 4
"""More accents than any script puts on one letter are there to smear over the lines around it."""

_ISOLATE, _END_OF_ISOLATE = "\u2068", "\u2069"
_SHORT_ESCAPES = {"\n": r"\n", "\r": r"\r", "\t": r"\t", "\\": r"\\"}
_ELLIPSIS = "…"

FORMULA = "^(?='*[=+\\-@\t\r\n＝＋－＠])"  # a spreadsheet takes the wide ones too
"""What a cell begins with that a spreadsheet would run, as a regular expression of Python and of PostgreSQL alike."""
NEUTRAL = "'"
"""Put before such a cell: a spreadsheet takes it for text then."""


def shown(name: object, width: int | None = None) -> str:
    r"""Return a name for one place in a line of text.

    What cannot be seen, or acts on the text around it, is shown by its escape (`\x1b`, `\n`, `\u202e`), and so
    is a space that is not alone, so that a name cannot imitate columns. A backslash is doubled: different names
    are shown differently. A name with letters from right to left is isolated, so that the line keeps its order.

    Args:
        name: the name; what is no text is shown as `str` has it.
        width: at most so many columns of a terminal; a longer name keeps its beginning and its end.
    """
    pieces = _pieces(str(name))
    text = "".join(pieces)
    if width is not None and cell_len(text) > width:
        text = _shortened(pieces, width)
    if _RIGHT_TO_LEFT.search(text):
        return f"{_ISOLATE}{text}{_END_OF_ISOLATE}"
    return text


def cell(name: object, width: int) -> str:
    """Return a name for a column of a table: as `shown`, exactly `width` columns of a terminal wide."""
    text = shown(name, width)
    return text + " " * (width - cell_len(text))


def one_line(message: str) -> str:
    """Return a message of ours, which may quote names, as one line that acts on nothing around it."""
    return _UNUSUAL.sub(lambda found: _escape(found[0]) if _is_unseen(found[0]) else found[0], message)


def neutral_cell(text: str) -> str:
    """Return a text as a cell of a CSV that no spreadsheet runs: `'` stands before what begins like a formula."""
    return re.sub(FORMULA, NEUTRAL, text, count=1)


def visible_json(document: str) -> str:
    r"""Return a JSON document that says the same, with what cannot be seen in its texts as `\u` escapes."""

    def visible(found: re.Match[str]) -> str:
        # The ends of its own lines stand between its texts.
        return _json_escape(found[0]) if found[0] not in "\n\r\t" and _is_unseen(found[0]) else found[0]

    return _UNUSUAL.sub(visible, document)


def _is_unseen(char: str) -> bool:
    return unicodedata.category(char) in _UNSEEN_CATEGORIES or _UNSEEN_LETTERS.match(char) is not None


def _escape(char: str) -> str:
    short = _SHORT_ESCAPES.get(char)
    if short is not None:
        return short
    point = ord(char)
    return f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}" if point < 0x10000 else f"\\U{point:08x}"


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def _pieces(text: str) -> list[str]:
    """Return a text in pieces that must not be cut: an escape, or a letter with its accents."""
    pieces: list[str] = []
    marks = 0
    for place, char in enumerate(text):
        is_mark = unicodedata.category(char) in ("Mn", "Me")
        if char == "\\" or _is_unseen(char) or (char == " " and _is_padding(text, place)):
            pieces.append(_escape(char))
            marks = _MOST_MARKS  # an accent may not sit on an escape
        elif is_mark and (marks >= _MOST_MARKS or not pieces):
            pieces.append(_escape(char))
        elif is_mark:
            pieces[-1] += char
            marks += 1
        else:
            pieces.append(char)
            marks = 0
    return pieces


def _is_padding(text: str, place: int) -> bool:
    """Whether a space is at either end, or beside another."""
    return place in (0, len(text) - 1) or " " in (text[place - 1], text[place + 1])


def _shortened(pieces: list[str], width: int) -> str:
    if width < 2:
        return _ELLIPSIS[:width]
    room = width - 1
    end = _fitting(reversed(pieces), room // 3)
    start = _fitting(pieces, room - sum(map(cell_len, end)))
    return "".join([*start, _ELLIPSIS, *reversed(end)])


def _fitting(pieces: Iterable[str], width: int) -> list[str]:
    """Return as many of the first pieces as fit."""
    taken: list[str] = []
    for piece in pieces:
        width -= cell_len(piece)
        if width < 0:
            break
        taken.append(piece)
    return taken
