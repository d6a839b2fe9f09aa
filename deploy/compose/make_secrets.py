"""Makes what the stack keeps secret, once, into a volume that only those see who need it.

Runs in a container of one of our images. PASSWORDS are a file each; PASSFILES are what libpq reads,
with the passwords of the roles a service has; AIRFLOW are keys that Airflow's parts share.
"""

import base64
import json
import os
import secrets
from pathlib import Path

FOLDER = Path("/data")
PASSWORDS = (
    *("clickwatch", "clickwatch_streaming", "clickwatch_batch", "clickwatch_reader"),
    *("clickwatch_privacy", "clickwatch_notifier"),
    *("airflow", "airflow_admin", "dashboard_admin"),
)
PASSFILES = {
    "migrations": ("clickwatch",),
    "streaming": ("clickwatch_streaming",),
    "batch": ("clickwatch_batch",),
    "dashboard": ("clickwatch_reader",),
    "notifier": ("clickwatch_notifier",),
    "airflow": ("airflow", "clickwatch_batch"),
}
AIRFLOW = ("fernet_key", "jwt_secret", "secret_key")


def made_once(name: str, mode: int, value: str) -> str:
    """Return what the file `name` holds, which is `value` when it was not there."""
    file = FOLDER / name
    file.parent.mkdir(exist_ok=True)
    if not file.exists():
        with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as opened:
            opened.write(value)
        file.chmod(mode)
    return file.read_text()


# PostgreSQL reads those of its first roles as another user; libpq refuses a passfile that others may read.
passwords = {name: made_once(f"passwords/{name}", 0o644, secrets.token_urlsafe(24)) for name in PASSWORDS}
for name, roles in PASSFILES.items():
    made_once(f"{name}.pgpass", 0o600, "".join(f"*:*:*:{role}:{passwords[role]}\n" for role in roles))
for name in AIRFLOW:
    made_once(f"airflow/{name}", 0o600, base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
made_once("airflow/users.json", 0o600, json.dumps({"admin": passwords["airflow_admin"]}))
