"""Apache Airflow as a service, its page and API on 127.0.0.1 and its metadata in PostgreSQL."""

import base64
import http.client
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from clickwatch_servers.ports import HOST
from clickwatch_servers.postgres import password
from clickwatch_servers.process import Command, Process

ROLE = DATABASE = "airflow"
"""Of the metadata: `Postgres.ensure_database(DATABASE, ROLE)` makes them."""

_ADMIN = "admin"
PARTS: Mapping[str, tuple[str, ...]] = {
    "api-server": (),
    # Logs are read from the folder they are written to; the log servers would listen on every address.
    "scheduler": ("--skip-serve-logs",),
    "dag-processor": (),
    "triggerer": ("--skip-serve-logs",),
}


@dataclass(frozen=True)
class Airflow:
    """An Airflow that can be started.

    Attributes:
        program: its command line, such as airflow.pex.
        folder: AIRFLOW_HOME: keeps its secrets and what tasks say.
        port: of the page and the API.
        database_url: where its metadata is, for a client that finds the password by PGPASSFILE or in it.
        environment: variables for it and for the tasks; `AIRFLOW__…` ones win over those set here.
    """

    program: tuple[str, ...]
    folder: Path
    port: int
    database_url: str
    environment: Mapping[str, str]

    @property
    def url(self) -> str:
        """The page's address."""
        return f"http://{HOST}:{self.port}"

    @property
    def user(self) -> str:
        """Who may log in."""
        return _ADMIN

    @property
    def passwords_file(self) -> Path:
        """JSON with the user's password."""
        return self.folder / "simple_auth_manager_passwords.json"

    def migrate(self, log_file: Path) -> Process:
        """Start to bring the metadata's tables up to date; the parts need that done."""
        return self._start("Airflow db migrate", ("db", "migrate"), log_file)

    def start_part(self, part: str, log_dir: Path) -> Process:
        """Start one of api-server, scheduler, dag-processor and triggerer."""
        return self._start(f"Airflow {part}", (part, *PARTS[part]), log_dir / f"airflow-{part}.log")

    def is_healthy(self) -> bool:
        """Return whether all parts work."""
        health = self._answer("GET", "/api/v2/monitor/health", timeout_seconds=5)
        return bool(health) and all(isinstance(one, dict) and one.get("status") == "healthy" for one in health.values())

    def token(self) -> str | None:
        """Return what a client of the API shows; None while it does not answer."""
        secret = json.loads(self.passwords_file.read_text())[_ADMIN]
        answer = self._answer("POST", "/auth/token", {"username": _ADMIN, "password": secret})
        token = answer.get("access_token")
        return token if isinstance(token, str) else None

    def has_dag(self, dag: str) -> bool:
        """Return whether a DAG can be triggered."""
        token = self.token()
        return token is not None and self._answer("GET", f"/api/v2/dags/{dag}", token=token).get("dag_id") == dag

    def ask(self, method: str, path: str, body: object = None) -> dict[str, object]:
        """Return what the API answers, `{}` where it does not answer well."""
        return self._answer(method, path, body, self.token())

    def variables(self) -> dict[str, str]:
        """Return the whole environment of a part."""
        self.folder.mkdir(parents=True, exist_ok=True)
        secrets = self.folder / "secrets"
        with open(self.passwords_file, "w", opener=_for_us_alone) as file:
            json.dump({_ADMIN: password(secrets, _ADMIN)}, file)
        settings = {
            "DATABASE__SQL_ALCHEMY_CONN": self.database_url.replace("postgresql://", "postgresql+psycopg2://", 1),
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": "4",
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            # A Fernet key is 32 bytes in base64, and a password here has 32 letters.
            "CORE__FERNET_KEY": base64.urlsafe_b64encode(password(secrets, "fernet").encode()).decode(),
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{_ADMIN}:admin",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(self.passwords_file.resolve()),
            "API__HOST": HOST,
            "API__PORT": str(self.port),
            "API__BASE_URL": self.url,
            "API__SECRET_KEY": password(secrets, "api"),
            "API_AUTH__JWT_SECRET": password(secrets, "jwt"),
            "DAG_PROCESSOR__PARSING_PROCESSES": "1",
            # On a machine that others use too, an answer of the api-server may take longer than the usual 5 s.
            "WORKERS__EXECUTION_API_TIMEOUT": "60",
            "LOGGING__COLORED_CONSOLE_LOG": "False",
        }
        ours = {f"AIRFLOW__{name}": value for name, value in settings.items()}
        return {"AIRFLOW_HOME": str(self.folder.resolve()), **ours, **self.environment}

    def _start(self, name: str, arguments: tuple[str, ...], log_file: Path) -> Process:
        return Process(Command(name, (*self.program, *arguments), log_file, self.variables()))

    def _answer(
        self, method: str, path: str, body: object = None, token: str | None = None, timeout_seconds: float = 60
    ) -> dict[str, object]:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=timeout_seconds)
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            parsed = json.loads(answer.read() or b"{}")
        except (OSError, http.client.HTTPException, ValueError):
            return {}
        finally:
            connection.close()
        return parsed if answer.status < 300 and isinstance(parsed, dict) else {}


def _for_us_alone(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
