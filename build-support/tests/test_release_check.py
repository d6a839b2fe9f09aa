"""What may be released."""

import subprocess
from pathlib import Path

import pytest
from release_check import complaints, version_in


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One commit, with service `shop` at 0.9.0."""
    _write(tmp_path, "0.9.0", "## 0.9.0\n")
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    for command in (["init", "-q"], ["add", "."], [*identity, "commit", "-q", "-m", "Begin"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def _write(root: Path, version: str, changelog: str) -> None:
    folder = root / "services" / "shop"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "BUILD").write_text(f'service(\n    "shop",\n    "shop",\n    version="{version}",\n)\n')
    (folder / "CHANGELOG.md").write_text(f"# Changelog\n\n{changelog}")


def test_a_change_without_a_new_version_is_refused(repository: Path) -> None:
    (line,) = complaints(repository, "HEAD", ["shop"])

    assert line == "services/shop/BUILD: the change touches shop, whose version is still 0.9.0: raise it"


def test_a_new_version_without_a_changelog_entry_is_refused(repository: Path) -> None:
    _write(repository, "0.10.0", "## 0.9.0\n")

    (line,) = complaints(repository, "HEAD", ["shop"])

    assert line.startswith("services/shop/CHANGELOG.md has no entry for 0.10.0: ")


def test_a_new_version_with_its_changelog_entry_may_go(repository: Path) -> None:
    _write(repository, "0.10.0", "## 0.10.0\n\n## 0.9.0\n")

    assert not list(complaints(repository, "HEAD", ["shop"]))


def test_an_older_version_is_not_a_new_one(repository: Path) -> None:
    _write(repository, "0.8.0", "## 0.8.0\n")

    assert len(list(complaints(repository, "HEAD", ["shop"]))) == 1


def test_a_service_that_was_not_there_needs_an_entry_alone(repository: Path) -> None:
    new = repository / "services" / "new"
    new.mkdir()
    (new / "BUILD").write_text('service("new", "new", version="0.1.0")\n')

    (line,) = complaints(repository, "HEAD", ["new"])

    assert line.startswith("services/new/CHANGELOG.md has no entry for 0.1.0")


@pytest.mark.parametrize(
    ("build", "version"),
    [('    version="1.2.3",\n', (1, 2, 3)), ('service("a", "b", version="0.1.0")', (0, 1, 0)), ("service()", None)],
)
def test_the_version_is_the_one_the_build_file_states(build: str, version: tuple[int, ...] | None) -> None:
    assert version_in(build) == version
