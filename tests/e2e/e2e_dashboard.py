"""The dashboard's image, and someone who has logged in."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
from clickwatch_servers.ports import HOST, free_port
from docker.models.containers import Container
from e2e_servers import PATIENCE_SECONDS, health, wait_until
from e2e_services import Services

_SECOND = 1_000_000_000  # in Docker's unit
_USERS = "/data/dashboard_users"


@contextmanager
def opened_dashboard(services: Services) -> Iterator[tuple[Container, httpx2.Client]]:
    """The dashboard once it is healthy, and a client that is logged in."""
    password, port = secrets.token_hex(16), free_port()
    services.run("dashboard", "add-user", _USERS, "admin", variables={"DASHBOARD_NEW_PASSWORD": password})
    dashboard = services.start(
        "dashboard",
        "run",
        variables={"DASHBOARD_HOST": "0.0.0.0", "DASHBOARD_USERS_FILE": _USERS},
        ports={8000: port},
        # The image's check, only oftener.
        healthcheck={"interval": _SECOND},
    )
    wait_until(lambda: health(dashboard) == "healthy", dashboard)
    with httpx2.Client(base_url=f"http://{HOST}:{port}", timeout=PATIENCE_SECONDS) as client:
        client.post("/login", data={"name": "admin", "password": password})
        yield dashboard, client
