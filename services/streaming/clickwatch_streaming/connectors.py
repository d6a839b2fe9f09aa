"""Spark's Kafka and Avro connectors: which versions, where they lie, how to fetch them.

Spark 4.3.0 is served without connectors of its own, so those of 4.2.0 stand here; decision record
0003 says what guards the mix. This module is the one place that names them.
"""

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from clickwatch_service import UserError


@dataclass(frozen=True)
class Connector:
    """One jar by its Maven coordinates."""

    organisation: str
    name: str
    revision: str

    @property
    def file_name(self) -> str:
        """The jar's name in a folder of jars."""
        return f"{self.name}-{self.revision}.jar"


CONNECTORS = (
    Connector("org.apache.spark", "spark-sql-kafka-0-10_2.13", "4.2.0"),
    Connector("org.apache.spark", "spark-token-provider-kafka-0-10_2.13", "4.2.0"),
    Connector("org.apache.spark", "spark-avro_2.13", "4.2.0"),
    Connector("org.apache.kafka", "kafka-clients", "3.9.2"),
    Connector("org.apache.commons", "commons-pool2", "2.12.1"),
)

_SETTINGS = """<ivysettings>
  <settings defaultResolver="central"/>
  <resolvers><ibiblio name="central" m2compatible="true"/></resolvers>
</ivysettings>
"""


def connector_jars(folder: Path | None) -> list[Path]:
    """The connectors' jars in `folder`, for Spark's `spark.jars`.

    Raises UserError naming the first jar that is missing and the command that fetches it.
    """
    if folder is None:
        raise UserError(
            "SPARK_JARS_DIR is not set: it names the folder of Spark's Kafka and Avro connectors; "
            "fetch them with `python -m clickwatch_streaming connectors --to DIR`"
        )
    jars = [folder / connector.file_name for connector in CONNECTORS]
    for jar in jars:
        if not jar.is_file():
            raise UserError(
                f"{jar} is missing: fetch the connectors with `python -m clickwatch_streaming connectors --to {folder}`"
            )
    return jars


def fetch_connectors(folder: Path, java: Path, ivy_jar: Path) -> list[Path]:
    """Fetch the connectors into `folder` with the Ivy that pyspark brings; what is there stays.

    Raises UserError when Ivy cannot get one, with the end of what Ivy said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [c for c in CONNECTORS if not (folder / c.file_name).is_file()]
    if missing:
        _retrieve(missing, folder, java, ivy_jar)
    return connector_jars(folder)


def _retrieve(connectors: Sequence[Connector], folder: Path, java: Path, ivy_jar: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="clickwatch-ivy-") as scratch:
        settings, module = Path(scratch, "ivysettings.xml"), Path(scratch, "ivy.xml")
        settings.write_text(_SETTINGS)
        module.write_text(_ivy_module(connectors))
        # fmt: off
        command = [
            str(java), "-jar", str(ivy_jar),
            "-settings", str(settings), "-cache", str(Path(scratch, "cache")),
            "-ivy", str(module), "-confs", "default",
            "-retrieve", f"{folder}/[artifact]-[revision].[ext]", "-types", "jar", "bundle",
        ]
        # fmt: on
        ivy = subprocess.run(command, capture_output=True, text=True, check=False)
    if ivy.returncode != 0:
        tail = "\n".join((ivy.stdout + ivy.stderr).splitlines()[-15:])
        raise UserError(f"Spark's connectors could not be fetched from Maven Central:\n{tail}")


def _ivy_module(connectors: Sequence[Connector]) -> str:
    dependencies = "\n".join(
        f'    <dependency org="{c.organisation}" name="{c.name}" rev="{c.revision}" '
        'transitive="false" conf="default->master"/>'
        for c in connectors
    )
    return f"""<ivy-module version="2.0">
  <info organisation="clickwatch" module="connectors"/>
  <configurations><conf name="default"/></configurations>
  <dependencies>
{dependencies}
  </dependencies>
</ivy-module>
"""
