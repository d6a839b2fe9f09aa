"""Makes what the stack keeps secret, once: a password for each database role, as a file and as PGPASSFILE wants it.

Runs in a container of one of our images, into a volume that only those see who need it.
"""

import os
import secrets
from pathlib import Path

FOLDER = Path("/data")
ROLES = (
    "clickwatch",
    "clickwatch_streaming",
    "clickwatch_batch",
    "clickwatch_reader",
    "clickwatch_privacy",
    "airflow",
)

(FOLDER / "passwords").mkdir(exist_ok=True)
for role in ROLES:
    file = FOLDER / "passwords" / role
    if not file.exists():
        file.write_text(secrets.token_urlsafe(24) + "\n")
        # PostgreSQL reads its own as another user.
        file.chmod(0o644)
    passfile = FOLDER / f"{role}.pgpass"
    # libpq refuses one that others may read.
    with open(os.open(passfile, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as opened:
        opened.write(f"*:*:*:{role}:{file.read_text()}")
