"""Where downloads and built things are kept between runs, each made once."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def cache_dir() -> Path:
    """Return CLICKWATCH_CACHE, else `clickwatch` in the user's cache folder."""
    named = os.environ.get("CLICKWATCH_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "clickwatch"


def cached_folder(name: str, fill: Callable[[Path], None], cache: Path | None = None) -> Path:
    """Return the folder `name` of the cache, made by `fill` the first time.

    The folder appears whole or not at all; of several processes that want it at once, one
    fills it and the others wait.

    Args:
        name: names the content completely, so a change of content has another name.
        fill: is given an empty folder to put the content into.
        cache: another cache than `cache_dir()`.
    """
    folder = (cache or cache_dir()) / name
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f".{folder.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
            try:
                fill(unfinished)
                unfinished.chmod(0o755)
                unfinished.rename(folder)
            finally:
                shutil.rmtree(unfinished, ignore_errors=True)
    return folder
