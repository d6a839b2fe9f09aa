"""Kafka as companies run it: one settings model, and the only place that makes Kafka clients."""

from clickwatch_kafka.clients import admin, consumer, producer
from clickwatch_kafka.reaching import Reach, require_kafka
from clickwatch_kafka.refusals import KafkaRefused, KafkaUnreachable, refusal
from clickwatch_kafka.rights import Resource, Right, missing_rights, require_rights
from clickwatch_kafka.settings.choices import Mechanism, Protocol
from clickwatch_kafka.settings.connection import KafkaConnection
from clickwatch_kafka.settings.java import java_options, spark_options
from clickwatch_kafka.settings.variables import KafkaSettings

__all__ = [
    "KafkaConnection",
    "KafkaRefused",
    "KafkaSettings",
    "KafkaUnreachable",
    "Mechanism",
    "Protocol",
    "Reach",
    "Resource",
    "Right",
    "admin",
    "consumer",
    "java_options",
    "missing_rights",
    "producer",
    "refusal",
    "require_kafka",
    "require_rights",
    "spark_options",
]
