"""Command line of the schema workflow."""

import typer
from clickwatch_service import run_cli

app = typer.Typer(help="The schemas of the topics: how a version comes to be.", no_args_is_help=True)


@app.callback()
def main() -> None:
    """The schemas of the topics: how a version comes to be."""


if __name__ == "__main__":
    run_cli(app)
