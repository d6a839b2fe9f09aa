import os
import signal
import subprocess
import sys

import pytest
import structlog
import typer
from clickwatch_service import UserError, run_cli, stop_on_signals

# Pants hands the import path to this process alone.
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}

app = typer.Typer()


@app.command()
def fail() -> None:
    raise UserError("PORT=9092 is in use: stop the other program or set PORT")


@app.command()
def name() -> None:
    raise UserError("product \x1b[31mred\u202e: is no product\nThe end of its log:\n  gone")


@app.command()
def log() -> None:
    structlog.get_logger().warning("refused_record", reason="a\x1b[2J\nALERT active  product_1")


@app.command()
def bug() -> None:
    raise RuntimeError("ours")


@app.command()
def work() -> None:
    print("ready", flush=True)
    signal.pause()
    signal.pause()


@app.command()
def wait() -> None:
    stop = stop_on_signals()
    print("ready", flush=True)
    stop.wait()
    print("stopped in order")


def run(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, __file__, command], capture_output=True, text=True, timeout=60, env=ENVIRONMENT
    )


def test_what_a_user_can_fix_is_one_line() -> None:
    done = run("fail")

    assert done.returncode == 1
    assert done.stderr == "error: PORT=9092 is in use: stop the other program or set PORT\n"


def test_a_name_in_an_error_acts_on_no_terminal() -> None:
    done = run("name")

    assert done.stderr == "error: product \\x1b[31mred\\u202e: is no product\nThe end of its log:\n  gone\n"


def test_a_name_in_a_log_makes_no_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENVIRONMENT, "LOG_FORMAT", "console")

    done = run("log")

    (line,) = done.stderr.splitlines()
    assert "refused_record" in line
    assert "\x1b" not in line
    assert "x1b[2J" in line


def test_a_bug_of_ours_keeps_its_trace() -> None:
    done = run("bug")

    assert done.returncode == 1
    assert "RuntimeError" in done.stderr


def test_sigterm_lets_the_program_end_in_order() -> None:
    with subprocess.Popen(
        [sys.executable, __file__, "wait"], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)

        assert process.stdout.read() == "stopped in order\n"
        assert process.wait(timeout=60) == 0


def test_work_that_knows_no_signal_ends_on_sigterm_as_the_first_process_of_a_container_too() -> None:
    process = subprocess.Popen([sys.executable, __file__, "work"], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"

    process.send_signal(signal.SIGTERM)

    # A handler of ours ran: without one, the status would be -SIGTERM, and the first process would go on.
    assert process.wait(60) == 128 + signal.SIGTERM


if __name__ == "__main__":
    run_cli(app)
