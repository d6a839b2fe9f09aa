"""The environment, parsed once."""

from datetime import timedelta
from typing import Annotated

from clickwatch_service import Duration, ServiceSettings
from pydantic import Field


class DagSettings(ServiceSettings):
    """How the DAG's tasks are tried again; what they do is configured by `clickwatch_batch.settings`.

    Attributes:
        dag_retries: how often a failed task is tried again.
        dag_retry_delay: the pause before the first of these; each further one is twice as long.
        dag_max_retry_delay: the longest pause.
    """

    dag_retries: Annotated[int, Field(ge=0)] = 4
    dag_retry_delay: Duration = timedelta(minutes=2)
    dag_max_retry_delay: Duration = timedelta(minutes=30)
