"""What is served as it is: the tracker, and the demo shop."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files

from clickwatch_collector.web.answers import Answer

TRACKER = "/clickwatch.js"
SHOP = "/shop"
_TYPES = {
    "js": "text/javascript; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
}
_STRICT = (
    "content-security-policy",
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'",
)


@dataclass(frozen=True)
class _File:
    content: bytes
    headers: tuple[tuple[str, str], ...]
    tag: str


class Files:
    """The files of the package by their paths."""

    def __init__(self, shop_key: str | None = None) -> None:
        """Offer the tracker; with a key, the demo shop that sends with it too."""
        self._files: dict[str, _File] = {}
        static = files("clickwatch_collector") / "static"
        self._add(TRACKER, (static / "clickwatch.js").read_bytes(), "js", ("cache-control", "public, max-age=3600"))
        if shop_key is not None:
            for name in ("index.html", "shop.js", "shop.css"):
                content = (static / "shop" / name).read_bytes().replace(b"SHOP_KEY", shop_key.encode())
                path = SHOP if name == "index.html" else f"{SHOP}/{name}"
                self._add(path, content, name.rpartition(".")[2], ("cache-control", "no-cache"), _STRICT)

    def _add(self, path: str, content: bytes, kind: str, *headers: tuple[str, str]) -> None:
        tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        self._files[path] = _File(content, (("content-type", _TYPES[kind]), ("etag", tag), *headers), tag)

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        return path in self._files

    def answer(self, path: str, known_tag: str | None) -> Answer | None:
        """Return a file, 304 where the client has it; None where there is none."""
        file = self._files.get(path)
        if file is None:
            return None
        if known_tag == file.tag:
            return Answer(304, b"", (("etag", file.tag),))
        return Answer(200, file.content, file.headers)
