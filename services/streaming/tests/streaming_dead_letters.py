"""What the dead-letter topic holds, in the shortest form."""

from collections import Counter

from clickwatch_kafka import KafkaConnection
from clickwatch_streaming.dead_letters.stored import stored_letters


def counts_by_reason(bootstrap_servers: str, topic: str) -> dict[str, int]:
    """How many dead letters there are for each reason."""
    return dict(Counter(letter.reason for letter in stored_letters(KafkaConnection.plain(bootstrap_servers), topic)))
