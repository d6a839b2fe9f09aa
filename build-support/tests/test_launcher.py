"""The launcher on a machine that lacks what it brings, and cannot bring it: it says what to install."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that the launcher reads, and a folder of programs without any Python."""
    (tmp_path / "3rdparty" / "python").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    shutil.copy(ROOT / "pants", tmp_path / "pants")
    shutil.copy(ROOT / "3rdparty" / "python" / "tools.lock", tmp_path / "3rdparty" / "python")
    for program in ("bash", "cat", "cksum", "cut", "dirname", "flock", "mkdir", "rm", "sed"):
        found = shutil.which(program)
        assert found is not None
        (tmp_path / "bin" / program).symlink_to(found)
    return tmp_path


def _launch(checkout: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        "HOME": str(checkout),
        "PATH": str(checkout / "bin"),
        # A proxy that nobody runs: a machine without a network.
        **dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:1"),
    }
    return subprocess.run(
        [str(checkout / "bin" / "bash"), str(checkout / "pants"), "--version"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_a_machine_without_any_python_is_told_to_install_one(checkout: Path) -> None:
    done = _launch(checkout)

    assert done.returncode == 1
    assert "CPython 3.9, on which Pants 2.17.1 runs, is not on this machine: uv brings it" in done.stderr
    assert "install one of any version, for example 'apt-get install python3 ca-certificates'" in done.stderr
    assert "CPython 3.9 could not be brought: install it" in done.stderr


def test_a_python_without_pip_that_does_not_reach_pypi_is_told_so(checkout: Path) -> None:
    python = checkout / "bin" / "python3"
    # As Debian's, which comes without pip and ensurepip.
    python.write_text(f'#!/bin/sh\n[ "$1" != -m ] || exit 1\nexec {shutil.which("python3.11")} "$@"\n')
    python.chmod(0o755)

    done = _launch(checkout)

    assert done.returncode == 1
    assert "fetching uv from PyPI" in done.stderr
    assert "pip could not be fetched by" in done.stderr
    assert not (checkout / ".cache" / "clickwatch" / "pants").exists()


def test_uv_brings_what_is_missing_into_the_launchers_own_cache(checkout: Path) -> None:
    uv = checkout / "bin" / "uv"
    uv.write_text('#!/bin/sh\n[ "$2" = install ] || exit 1\necho "$UV_PYTHON_INSTALL_DIR: $*" >>"$HOME/asked"\n')
    uv.chmod(0o755)

    done = _launch(checkout)

    assert done.returncode == 1
    asked = (checkout / "asked").read_text()
    assert asked == f"{checkout}/.cache/clickwatch/python: python install --no-bin 3.9\n"
    assert "CPython 3.9 could not be brought: install it" in done.stderr
