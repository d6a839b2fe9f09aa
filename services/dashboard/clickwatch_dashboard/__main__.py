"""Command line: `python -m clickwatch_dashboard run | add-user | openapi`."""

import json
import logging
import signal
import socket
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvicorn
from clickwatch_service import UserError, load_settings, run_cli
from clickwatch_service.database import require_tls_as_asked
from clickwatch_service.doctor import check_database, tell
from clickwatch_service.metrics import served_metrics

from clickwatch_dashboard.application import application
from clickwatch_dashboard.settings import Settings
from clickwatch_dashboard.users import Role, add_user

app = typer.Typer(help="What happens in the shop, on pages and as JSON.", no_args_is_help=True)

_CLOSE_SECONDS = 5


@app.command()
def run() -> None:
    """Serve pages and API until stopped."""
    settings = load_settings(Settings)
    require_tls_as_asked(settings.database_url)
    web = application(settings)
    family = socket.AF_INET6 if ":" in settings.dashboard_host else socket.AF_INET
    # Only of a socket that says it is TCP does asyncio send small answers at once (TCP_NODELAY).
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.dashboard_host, settings.dashboard_port))
        except OSError as error:
            raise UserError(
                f"DASHBOARD_HOST={settings.dashboard_host!r} DASHBOARD_PORT={settings.dashboard_port}: cannot listen "
                f"there ({error.strerror}): choose another port or address"
            ) from None
        logging.getLogger("uvicorn").addHandler(logging.StreamHandler())
        structlog.get_logger().info(
            "dashboard listening",
            address=f"http://{settings.dashboard_host}:{settings.dashboard_port}",
            login=web.state.sessions is not None,
        )
        config = uvicorn.Config(
            web,
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_CLOSE_SECONDS,
            ws_ping_interval=20,
            ws_max_size=1024,
        )
        # uvicorn raises the signal again that it has ended on, when all is done that was asked for.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit())
        with served_metrics(settings, web.state.metrics):
            uvicorn.Server(config).run([listener])


@app.command("add-user")
def add(
    file: Annotated[Path, typer.Argument(help="The file that DASHBOARD_USERS_FILE names.")],
    name: Annotated[str, typer.Argument(help="Who may look.")],
    password: Annotated[
        str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, envvar="DASHBOARD_NEW_PASSWORD")
    ],
    role: Annotated[Role, typer.Option(help="act: may also change what people are told.")] = Role.LOOK,
) -> None:
    """Let someone in, or give someone a new password and role; takes effect at the next start."""
    add_user(file, name, password, role)
    print(f"{name} may log in after the next start, and {role}")


@app.command()
def openapi() -> None:
    """Print the API's description (OpenAPI)."""
    print(json.dumps(application(Settings()).openapi(), indent=2))


@app.command()
def doctor() -> None:
    """Try the connection with the settings of the dashboard, and say a line for it; status 1 where it fails."""
    settings = load_settings(Settings)
    tell(lambda: check_database(settings.database_url, ("daily_summary", "flash_sale_alerts", "stream_status")))


if __name__ == "__main__":
    run_cli(app)
