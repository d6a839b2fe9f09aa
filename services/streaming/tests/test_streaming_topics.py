"""A start on topics that somebody else made."""

import os
import subprocess
import sys
import uuid
from pathlib import Path

from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from streaming_process import RELEASED


def test_a_topic_of_events_that_is_compacted_ends_the_start_with_what_to_do(
    kafka_bootstrap: str, database_url: str, tmp_path: Path
) -> None:
    topic = f"theirs-{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    made = admin.create_topics(
        [
            NewTopic(topic, 1, config={"cleanup.policy": "compact", "message.timestamp.type": "CreateTime"}),
            NewTopic(f"{topic}-dlq", 1),
            NewTopic(f"{topic}-alerts", 1, config={"cleanup.policy": "compact"}),
        ]
    )
    for one in made.values():
        one.result(60)
    variables = {
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "KAFKA_TOPIC": topic,
        "ALERTS_TOPIC": f"{topic}-alerts",
        "DATABASE_URL": database_url,
        "DATA_DIR": str(tmp_path),
        "LOG_FORMAT": "json",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }

    done = subprocess.run(
        [sys.executable, "-c", RELEASED, "run"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )

    assert done.returncode == 1
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert error.startswith(f"error: topic {topic}: cleanup.policy is compact: ")
    assert error.endswith(": set it to delete")
    assert f"topic {topic}: message.timestamp.type is CreateTime" in done.stderr
    assert not (tmp_path / "checkpoints").exists()
