"""Commits that are killed by SIGKILL at a step of theirs, each in a process of its own.

`Executioner` starts one process that imports everything once, and forks for each kill.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any

import clickwatch_lake.batches as batches
import clickwatch_lake.catalog as catalog
import psycopg
import sqlalchemy
from clickwatch_lake.batches import Batch
from clickwatch_lake.lake import Lake
from clickwatch_lake.storage import lake_storage
from clickwatch_lake.tables import LakeTable

STAGING = [f"{when} staging {table}" for table in LakeTable for when in ("before", "after")]
SHOWING = [f"after showing {table}" for table in sorted(LakeTable)]
STEPS = [*STAGING, "before insert", "after insert", *SHOWING, "before commit", "after commit"]
STEPS_ON_S3 = ["after staging events", "before insert", "after showing events", "before commit", "after commit"]
VISIBLE_AFTER = {"after commit"}


class Executioner:
    """Commits batches in processes that are killed at a step."""

    def __enter__(self) -> "Executioner":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "lake_killed"],
            env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()

    def commit_and_kill(self, database_url: str, lake_url: str, batch: Batch, step: str) -> int:
        """Return the signal that ended the process which committed the batch; 0 where it came through."""
        order = {"database_url": database_url, "lake_url": lake_url, "step": step, "batch": _as_json(batch)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps(order), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


def _as_json(batch: Batch) -> dict[str, Any]:
    return {
        "query_id": batch.query_id,
        "batch_id": batch.batch_id,
        "record": batch.record,
        "files": {table: list(paths) for table, paths in batch.files.items()},
    }


def _obey(order: dict[str, Any]) -> None:
    _kill_at(order["step"])
    files = {LakeTable(table): paths for table, paths in order["batch"].pop("files").items()}
    lake = Lake(order["database_url"], lake_storage(order["lake_url"]))
    batches.commit(lake, Batch(**order["batch"], files=files))


def _kill_at(step: str) -> None:
    passed: set[str] = set()

    def reached(name: str) -> None:
        # Looks at the database end with a COMMIT too: the one that counts comes after the insert.
        if name == step and (name.endswith("commit") <= ("after insert" in passed)):
            os.kill(os.getpid(), signal.SIGKILL)
        passed.add(name)

    _surround(catalog.LakeCatalog, "commit_table", lambda _, table, *__: f"staging {table.name()[-1]}", reached)
    _surround(sqlalchemy.Connection, "execute", _statement, reached)
    _surround(psycopg.Connection, "commit", lambda *_: "commit", reached)


def _statement(_: object, statement: object, parameters: Any = None) -> str:
    text = str(statement)
    if "INSERT INTO lake.batches" in text:
        return "insert"
    return f"showing {parameters['name']}" if "UPDATE lake.iceberg_tables" in text else "something else"


def _surround(owner: Any, name: str, step: Callable[..., str], reached: Callable[[str], None]) -> None:
    original = getattr(owner, name)

    def surrounded(*arguments: Any, **options: Any) -> Any:
        what = step(*arguments)
        reached(f"before {what}")
        result = original(*arguments, **options)
        reached(f"after {what}")
        return result

    setattr(owner, name, surrounded)


if __name__ == "__main__":
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _obey(json.loads(line))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), flush=True)
