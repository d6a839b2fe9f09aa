"""Spark's Kafka and Avro connectors: which versions, where they lie, how to fetch them.

The coordinates stand in `connectors.txt`, which the image is built from too.
"""

from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

from clickwatch_jars.jars import Artifact, artifacts_in, fetch
from clickwatch_jars.java import find_java
from clickwatch_service import UserError

CONNECTORS = artifacts_in(resources.files(__package__).joinpath("connectors.txt").read_text("utf-8"))


def connector_jars(folder: Path | None) -> list[Path]:
    """The connectors' jars in `folder`, for Spark's `spark.jars`.

    Raises:
        UserError: one is missing; it names the command that fetches it.
    """
    if folder is None:
        raise UserError(
            "SPARK_JARS_DIR is not set: it names the folder of Spark's Kafka and Avro connectors; "
            "fetch them with `python -m clickwatch_streaming connectors --to DIR`"
        )
    jars = [folder / _file_name(connector) for connector in CONNECTORS]
    for jar in jars:
        if not jar.is_file():
            raise UserError(
                f"{jar} is missing: fetch the connectors with `python -m clickwatch_streaming connectors --to {folder}`"
            )
    return jars


def fetch_connectors(folder: Path) -> list[Path]:
    """Fetch those connectors into `folder` that are not there yet; return all of them.

    Raises:
        UserError: there is no Java, or Maven Central does not serve them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = tuple(c for c in CONNECTORS if not (folder / _file_name(c)).is_file())
    if missing:
        with TemporaryDirectory(prefix=".fetching-", dir=folder) as unfinished:
            fetch(missing, Path(unfinished), find_java(17))
            for connector in missing:
                (Path(unfinished) / _file_name(connector)).rename(folder / _file_name(connector))
    return connector_jars(folder)


def _file_name(connector: Artifact) -> str:
    return f"{connector.name}-{connector.version}.jar"
