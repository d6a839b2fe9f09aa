"""What tells whether a file is still the one it was."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stamp:
    """What tells a file from the one it was before it was written to again."""

    size_bytes: int
    modified_ns: int
