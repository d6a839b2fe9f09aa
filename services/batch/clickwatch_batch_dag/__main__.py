"""Airflow's own command line, with the DAG in it: `airflow.pex scheduler`, `airflow.pex dags list`."""

import os
from collections.abc import MutableMapping
from pathlib import Path

DAGS_FOLDER = Path(__file__).parent / "dags"


def set_defaults(environment: MutableMapping[str, str]) -> None:
    """Set what Airflow is told unless the environment says otherwise."""
    environment.setdefault("AIRFLOW__CORE__DAGS_FOLDER", str(DAGS_FOLDER))
    environment.setdefault("AIRFLOW__CORE__LOAD_EXAMPLES", "False")
    # Of a wrong setting one line tells more than the trace that led to it.
    environment.setdefault("AIRFLOW__CORE__DAGBAG_IMPORT_ERROR_TRACEBACKS", "False")


def main() -> None:
    """Run Airflow's command line."""
    set_defaults(os.environ)
    # Airflow reads its settings when it is imported.
    from airflow.__main__ import main as airflow

    airflow()  # type: ignore[no-untyped-call]  # Airflow gives it no types


if __name__ == "__main__":
    main()
