"""Command line: `python -m clickwatch_jars FILE --to DIR`."""

from pathlib import Path
from typing import Annotated

import typer
from clickwatch_service import run_cli

from clickwatch_jars.jars import artifacts_in, fetch
from clickwatch_jars.java import find_java

app = typer.Typer(add_completion=False)


@app.command()
def main(
    coordinates: Annotated[Path, typer.Argument(help="A file with one group:name:version a line.", exists=True)],
    to: Annotated[Path, typer.Option(help="An empty folder, made when missing.")],
) -> None:
    """Fetch jars, each without what it depends on, from Maven Central."""
    to.mkdir(parents=True, exist_ok=True)
    fetch(artifacts_in(coordinates.read_text("utf-8")), to.absolute(), find_java(17))


if __name__ == "__main__":
    run_cli(app)
