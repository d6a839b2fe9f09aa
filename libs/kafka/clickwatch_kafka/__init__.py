"""Kafka as companies run it: one settings model, and the only place that makes Kafka clients."""

from clickwatch_kafka.choices import Mechanism, Protocol
from clickwatch_kafka.clients import admin, consumer, producer
from clickwatch_kafka.connection import KafkaConnection
from clickwatch_kafka.java import java_options, spark_options
from clickwatch_kafka.reaching import Reach, require_kafka
from clickwatch_kafka.refusals import KafkaRefused, KafkaUnreachable, refusal
from clickwatch_kafka.settings import KafkaSettings

__all__ = [
    "KafkaConnection",
    "KafkaRefused",
    "KafkaSettings",
    "KafkaUnreachable",
    "Mechanism",
    "Protocol",
    "Reach",
    "admin",
    "consumer",
    "java_options",
    "producer",
    "refusal",
    "require_kafka",
    "spark_options",
]
