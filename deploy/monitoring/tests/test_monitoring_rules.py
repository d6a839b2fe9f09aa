"""Prometheus' own tool reads the files as it will, and runs each rule on series that fire and that do not."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def promtool() -> str:
    """Promtool's path. A machine without it skips; CI may not."""
    found = shutil.which("promtool")
    if found is None:
        reason = "promtool is missing: it comes with Prometheus (Debian's package prometheus)"
        if "CI" in os.environ:
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.mark.parametrize("command", ["check config prometheus.yaml", "test rules alerts_test.yaml"])
def test_prometheus_takes_the_files_and_the_rules_do_what_their_tests_say(promtool: str, command: str) -> None:
    done = subprocess.run([promtool, *command.split()], cwd=FOLDER, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_has_a_case() -> None:
    rules = set(re.findall(r"- alert: (\w+)", (FOLDER / "alerts.yaml").read_text()))
    cases = set(re.findall(r'alertname(?:: |=")(\w+)', (FOLDER / "alerts_test.yaml").read_text()))

    assert rules
    assert cases == rules
