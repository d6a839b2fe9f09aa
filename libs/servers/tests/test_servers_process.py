"""Child processes: their log, their readiness, their end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from clickwatch_servers.process import Command, Process, ProcessDied, log_end
from clickwatch_service import UserError
from tenacity import retry, retry_if_result, stop_after_delay, wait_fixed


def _shell(folder: Path, script: str, stop_seconds: float = 5) -> Process:
    return Process(Command("Something", ("sh", "-c", script), folder / "some.log", stop_seconds=stop_seconds))


@retry(retry=retry_if_result(bool), stop=stop_after_delay(10), wait=wait_fixed(0.05))
def _until_gone(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_process_that_dies_before_it_is_ready_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    process = _shell(tmp_path, "echo no space left >&2; exit 3")

    with pytest.raises(
        ProcessDied, match=r"(?s)Something ended with status 3\. The end of .*some\.log:\n  no space left"
    ):
        process.wait_until(lambda: False, timeout_seconds=60)


def test_a_process_that_is_not_ready_in_time_is_an_error(tmp_path: Path) -> None:
    process = _shell(tmp_path, "exec sleep 60")

    with pytest.raises(UserError, match="Something was not ready after 0 s"):
        process.wait_until(lambda: False, timeout_seconds=0.3)
    process.kill()


def test_a_program_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    command = Command("Something", (str(tmp_path / "missing"),), tmp_path / "some.log")

    with pytest.raises(UserError):
        Process(command).wait_until(lambda: False, timeout_seconds=60)


def test_a_process_that_was_killed_is_named_with_the_signal(tmp_path: Path) -> None:
    process = _shell(tmp_path, "exec sleep 60")
    os.kill(process.pid, signal.SIGKILL)
    process.wait(60)

    with pytest.raises(ProcessDied, match="Something was ended by SIGKILL"):
        process.require_running()


def test_stopping_asks_first(tmp_path: Path) -> None:
    process = _shell(tmp_path, "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    process.wait_until(lambda: "ready" in (tmp_path / "some.log").read_text(), timeout_seconds=60)

    process.stop()

    assert "bye" in (tmp_path / "some.log").read_text()
    assert process.exit_status == 0


def test_stopping_kills_what_does_not_listen_and_its_children(tmp_path: Path) -> None:
    process = _shell(tmp_path, "trap '' TERM; sleep 60 & echo $!; wait; wait", stop_seconds=0.2)
    log = tmp_path / "some.log"
    process.wait_until(lambda: log.read_text().endswith("\n"), timeout_seconds=60)

    process.stop()

    assert process.exit_status == -signal.SIGKILL
    _until_gone(int(log.read_text()))


def test_stopping_kills_a_child_that_leads_a_group_of_its_own(tmp_path: Path) -> None:
    process = _shell(tmp_path, "setsid sh -c 'echo $$; exec sleep 60' & wait", stop_seconds=0.2)
    log = tmp_path / "some.log"
    process.wait_until(lambda: log.read_text().endswith("\n"), timeout_seconds=60)

    process.stop()

    _until_gone(int(log.read_text()))


def test_a_process_dies_with_the_one_that_started_it(tmp_path: Path) -> None:
    log = tmp_path / "some.log"
    # The child counts from when it runs what was asked for: before that it may not know yet whom to die with.
    script = (
        "import os, pathlib, signal\n"
        "from clickwatch_servers.process import Command, Process\n"
        f"log = pathlib.Path({str(log)!r})\n"
        "process = Process(Command('Something', ('sh', '-c', 'echo ready; exec sleep 60'), log))\n"
        "process.wait_until(log.read_text, timeout_seconds=60)\n"
        "print(process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

    parent = subprocess.run([sys.executable, "-c", script], env=environment, stdout=subprocess.PIPE, check=False)

    assert parent.returncode == -signal.SIGKILL
    _until_gone(int(parent.stdout))


def test_the_log_of_the_run_before_is_kept(tmp_path: Path) -> None:
    _shell(tmp_path, "echo first").wait()
    _shell(tmp_path, "echo second").wait()

    assert (tmp_path / "some.log").read_text() == "second\n"
    assert (tmp_path / "some.log.1").read_text() == "first\n"


def test_a_program_that_fails_is_an_error_and_one_that_succeeds_is_not(tmp_path: Path) -> None:
    _shell(tmp_path, "exit 0").require_success(10)

    with pytest.raises(ProcessDied, match="ended with status 1"):
        _shell(tmp_path, "exit 1").require_success(10)


def test_the_end_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "some.log"
    log.write_text("".join(f"line {number}\n" for number in range(1000)))

    assert log_end(log, lines=2) == "  line 998\n  line 999"
    assert log_end(tmp_path / "missing.log") == "  (nothing)"
