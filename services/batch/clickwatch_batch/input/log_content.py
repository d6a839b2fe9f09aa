"""What a log holds, by its first bytes: a name may say plain lines where the content is packed or no UTF-8."""

import re
from dataclasses import dataclass

HEAD_BYTES = 512
"""How much of a file tells what it holds."""


@dataclass(frozen=True)
class _Kind:
    """A kind of content: how it begins, what it is called, and what to do with it."""

    start: re.Pattern[bytes]
    name: str
    remedy: str


_UNPACK = "unpack it, or pack it as gzip under a name that ends in .gz"
_CONVERT = "save it as UTF-8"
_EXPORT = "export it as lines of JSON"
GZIP = _Kind(re.compile(rb"\x1f\x8b"), "gzip", "let its name end in .gz, or unpack it")
_KINDS = (
    GZIP,
    _Kind(re.compile(rb"[\x28\x50-\x5f](?:\xb5\x2f\xfd|\x2a\x4d\x18)"), "zstd", _UNPACK),
    _Kind(re.compile(rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"), "bzip2", _UNPACK),
    _Kind(re.compile(rb"\xfd7zXZ\x00"), "xz", _UNPACK),
    _Kind(re.compile(rb"\x04\x22\x4d\x18"), "lz4", _UNPACK),
    _Kind(re.compile(rb"\xff\x06\x00\x00sNaPpY"), "snappy", _UNPACK),
    _Kind(re.compile(rb"PK(?:\x03\x04|\x05\x06)"), "zip", _UNPACK),
    _Kind(re.compile(rb"7z\xbc\xaf\x27\x1c"), "7z", _UNPACK),
    _Kind(re.compile(rb"(?s).{257}ustar"), "tar", _UNPACK),
    _Kind(re.compile(rb"PAR1"), "Parquet", _EXPORT),
    _Kind(re.compile(rb"Obj\x01"), "Avro", _EXPORT),
    _Kind(re.compile(rb"ORC"), "ORC", _EXPORT),
    _Kind(re.compile(rb"SQLite format 3\x00"), "SQLite", _EXPORT),
    _Kind(
        re.compile(rb"\xff\xfe\x00\x00|\x00\x00\xfe\xff|(?:[^\x00]\x00\x00\x00){8}|(?:\x00\x00\x00[^\x00]){8}"),
        "UTF-32",
        _CONVERT,
    ),
    # With a byte order mark, or without one: text of our letters has a zero in each pair.
    _Kind(re.compile(rb"\xff\xfe|\xfe\xff|(?:[^\x00]\x00){8}|(?:\x00[^\x00]){8}"), "UTF-16", _CONVERT),
)


def why_no_lines(head: bytes) -> str | None:
    """Return what a file holds instead of lines of UTF-8, and what to do; None for what may be lines.

    Args:
        head: its first HEAD_BYTES, as they are, or unpacked where its name says that it is packed.
    """
    kind = next((kind for kind in _KINDS if kind.start.match(head)), None)
    return None if kind is None else f"holds {kind.name} and no lines of JSON; {kind.remedy}"


def why_not_gzip(head: bytes) -> str | None:
    """Return what a file holds that is named .gz and is none, and what to do; None for gzip."""
    if not head or GZIP.start.match(head):
        return None
    kind = next((kind for kind in _KINDS if kind.start.match(head)), None)
    if kind is None:
        return "its name ends in .gz and its content is no gzip; take .gz off its name, or pack it"
    return f"its name ends in .gz and it holds {kind.name}; {kind.remedy}"
