"""Secrets, read from files at the moment they are needed."""

from pathlib import Path

from clickwatch_service import UserError


def secret(variable: str, file: Path) -> str:
    """Return what a file holds, without the line break at its end.

    Raises:
        UserError: it cannot be read, or is empty; the message never shows what is in it.
    """
    text = readable_text(variable, file).rstrip("\r\n")
    if not text:
        raise UserError(f"{variable}={str(file)!r}: the file is empty: write the secret into it")
    if any(ord(char) < 0x20 for char in text):
        raise UserError(f"{variable}={str(file)!r}: the file holds more than one line: it must hold the secret alone")
    return text


def readable_text(variable: str, file: Path) -> str:
    """Return the text of a file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return file.read_text("utf-8")
    except OSError as error:
        raise UserError(
            f"{variable}={str(file)!r}: cannot be read ({error.strerror}): name a file that this service may read"
        ) from None
    except UnicodeDecodeError:
        raise UserError(f"{variable}={str(file)!r}: is no text: name a file of UTF-8, or of PEM") from None


class Hidden(dict[str, object]):
    """Properties of a client, which may hold secrets: shown as a text, it names the keys alone."""

    def __repr__(self) -> str:
        return f"Hidden({', '.join(self)})"
