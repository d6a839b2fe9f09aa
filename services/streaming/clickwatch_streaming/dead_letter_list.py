"""What lies in the dead-letter topic."""

from collections import Counter

from clickwatch_service import UserError
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition

_WAIT_SECONDS = 10.0


def counts_by_reason(bootstrap_servers: str, topic: str) -> Counter[str]:
    """Return how many dead letters there are for each reason, those of committed transactions.

    Raises:
        UserError: the broker does not answer, or the topic does not exist.
    """
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "clickwatch-dead-letter-list",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "log_level": 0,
        }
    )
    try:
        found = consumer.list_topics(topic, _WAIT_SECONDS).topics[topic]
        if found.error is not None:
            raise UserError(f"DLQ_TOPIC={topic!r}: {found.error.str()}; create the topic first")
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in found.partitions])
        return _counted(consumer, len(found.partitions))
    except KafkaException as error:
        raise UserError(f"Kafka at {bootstrap_servers} does not answer: {error.args[0].str()}") from None
    finally:
        consumer.close()


def _counted(consumer: Consumer, partitions: int) -> Counter[str]:
    counts: Counter[str] = Counter()
    ended = 0
    while ended < partitions:
        messages = consumer.consume(1000, _WAIT_SECONDS)
        if not messages:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        for message in messages:
            error = message.error()
            if error is None:
                reason = dict(message.headers() or [])["reason"]
                counts[reason.decode() if isinstance(reason, bytes) else str(reason)] += 1
            elif error.code() == KafkaError._PARTITION_EOF:
                ended += 1
            else:
                raise KafkaException(error)
    return counts
