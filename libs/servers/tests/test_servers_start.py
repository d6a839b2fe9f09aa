"""The servers, really started."""

import urllib.request

import psycopg
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

pytest_plugins = ["clickwatch_servers.fixtures"]


def test_kafka_takes_a_topic(kafka_bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})

    admin.create_topics([NewTopic("some-topic", 3)])["some-topic"].result(20)

    assert len(admin.list_topics(timeout=60).topics["some-topic"].partitions) == 3


def test_the_registry_answers_the_confluent_api(schema_registry_url: str) -> None:
    with urllib.request.urlopen(f"{schema_registry_url}/subjects", timeout=60) as response:
        assert response.read() == b"[]"


def test_the_database_belongs_to_an_owner_who_is_no_superuser(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute("SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = current_user").fetchone()

    assert row == (False, True)
