"""The released schemas, shipped with the code that reads them."""

from importlib.resources import files

EVENTS = "clickstream-events"
ALERTS = "flash-sale-alerts"
NAMES = (EVENTS, ALERTS)


def subject(name: str) -> str:
    """Return the registry subject of a schema (TopicNameStrategy: one value schema a topic)."""
    return f"{name}-value"


def released_versions(name: str) -> list[int]:
    """Return the released version numbers, oldest first."""
    folder = files("schemas") / name
    return sorted(int(file.name[1:-5]) for file in folder.iterdir() if file.name.endswith(".avsc"))


def schema_text(name: str, version: int) -> str:
    """Return a released schema as it was written.

    Raises:
        FileNotFoundError: there is no such version.
    """
    return (files("schemas") / name / f"v{version}.avsc").read_text("utf-8")
