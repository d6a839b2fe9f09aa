"""Who may send: keys by their hashes, each of one shop, in a file that is re-read when it changes."""

import hashlib
import secrets
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from clickwatch_events.limits import text_rule
from clickwatch_service import UserError

log = structlog.get_logger()

ANY_ORIGIN = "*"


@dataclass(frozen=True)
class Key:
    """One key.

    Attributes:
        shop: whose it is. A message id is unique within a shop.
        sha256: the hash of the key, in hexadecimal. The key is random, so a plain hash is enough.
        origins: the pages that may send with it, such as `https://shop.example`; `*` is any. Without one it is a
            key for servers, which a browser must not show.
    """

    shop: str
    sha256: str
    origins: frozenset[str] = field(default_factory=frozenset)

    def allows(self, origin: str) -> bool:
        """Whether a page of this origin may send."""
        return origin in self.origins or ANY_ORIGIN in self.origins


class KeyFile:
    """The keys of a file."""

    def __init__(self, file: Path) -> None:
        """Read the file.

        Raises:
            UserError: it cannot be read, or an entry is no key.
        """
        self._file = file
        self._stamp = _stamp(file)
        self._keys = _read(file)

    @property
    def count(self) -> int:
        """How many keys there are."""
        return len(self._keys)

    def find(self, key: str) -> Key | None:
        """Return what a key stands for, None where it is unknown."""
        return self._keys.get(hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest())

    def allow(self, origin: str) -> bool:
        """Whether any key lets a page of this origin send."""
        return any(key.allows(origin) for key in self._keys.values())

    def refresh(self) -> None:
        """Read the file again if it has changed. A file that is broken leaves the keys as they were."""
        stamp = _stamp(self._file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._keys = _read(self._file)
        except UserError as error:
            log.error("keys_not_read", reason=str(error))
            return
        log.info("keys_read", keys=self.count)


def add_key(file: Path, shop: str, origins: list[str]) -> str:
    """Add a key to the file, and return it. Nothing but its hash is kept.

    Raises:
        UserError: the shop's name or an origin is none, or the file cannot be written.
    """
    for what, text in [("shop", shop), *(("origin", origin) for origin in origins)]:
        if text_rule(text) is not None or '"' in text or "\\" in text:
            raise UserError(f"{what} {text!r}: must be text without quotes, backslashes and control characters")
    key = f"cw_{secrets.token_urlsafe(24)}"
    listed = ", ".join(f'"{origin}"' for origin in origins)
    digest = hashlib.sha256(key.encode()).hexdigest()
    entry = f'[[key]]\nshop = "{shop}"\nsha256 = "{digest}"\norigins = [{listed}]\n'
    _checked(tomllib.loads(entry), file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.read_text("utf-8") if file.exists() else ""
        draft = file.with_name(f"{file.name}.unfinished")
        draft.write_text(f"{before}\n{entry}" if before else entry, "utf-8")
        draft.replace(file)
    except OSError as error:
        raise UserError(f"COLLECTOR_KEYS_FILE={str(file)!r}: cannot be written ({error.strerror})") from None
    return key


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(file: Path) -> dict[str, Key]:
    try:
        content = tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise UserError(
            f"COLLECTOR_KEYS_FILE={str(file)!r}: cannot be read ({error.strerror}): make one by "
            "`python -m clickwatch_collector add-key SHOP`"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"COLLECTOR_KEYS_FILE={str(file)!r}: is no TOML ({error})") from None
    return _checked(content, file)


def _checked(content: dict[str, object], file: Path) -> dict[str, Key]:
    entries = content.get("key", [])
    if not isinstance(entries, list):
        raise UserError(f"COLLECTOR_KEYS_FILE={str(file)!r}: `key` must be a list: begin each key with [[key]]")
    keys: dict[str, Key] = {}
    for number, entry in enumerate(entries, 1):
        at = f"COLLECTOR_KEYS_FILE={str(file)!r}: key {number}"
        if not isinstance(entry, dict):
            raise UserError(f"{at} is no table: begin it with [[key]]")
        shop, digest, origins = entry.get("shop"), entry.get("sha256"), entry.get("origins", [])
        if not isinstance(shop, str) or text_rule(shop) is not None:
            raise UserError(f"{at}: shop={shop!r}: must be the shop's name")
        if not isinstance(digest, str) or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
            raise UserError(f"{at}: sha256={digest!r}: must be 64 digits of lower-case hexadecimal")
        if not isinstance(origins, list) or not all(isinstance(one, str) and _is_origin(one) for one in origins):
            raise UserError(f"{at}: origins={origins!r}: must be a list such as ['https://shop.example']")
        keys[digest] = Key(shop, digest, frozenset(origins))
    return keys


def _is_origin(text: str) -> bool:
    scheme, _, host = text.partition("://")
    return text == ANY_ORIGIN or (scheme in ("http", "https") and bool(host) and "/" not in host)
