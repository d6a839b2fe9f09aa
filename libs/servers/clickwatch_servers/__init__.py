"""Real servers on this machine: Kafka, Schema Registry and PostgreSQL without Docker, root or Maven."""

from clickwatch_servers.java import Java, find_java
from clickwatch_servers.kafka import start_kafka
from clickwatch_servers.postgres import Postgres, start_postgres
from clickwatch_servers.process import Command, Process, ProcessDied
from clickwatch_servers.registry import start_registry

__all__ = [
    "Command",
    "Java",
    "Postgres",
    "Process",
    "ProcessDied",
    "find_java",
    "start_kafka",
    "start_postgres",
    "start_registry",
]
