import pytest
from clickwatch_kafka.__main__ import app
from clickwatch_kafka.acls import SERVICES, Topics, commands, simulator, streaming
from clickwatch_kafka.rights import Resource
from typer.testing import CliRunner


def test_the_commands_grant_what_a_service_needs_to_whoever_is_named() -> None:
    (command,) = commands("User:CN=sim", simulator(Topics(events="shop")))

    assert command.endswith("--allow-principal 'User:CN=sim' --operation Write --operation Describe --topic 'shop'")


def test_no_service_may_make_or_delete_a_topic() -> None:
    operations = {
        operation
        for name, rights in SERVICES.items()
        if name != "deployment"
        for right in rights(Topics())
        for operation in right.operations
    }

    assert operations == {"READ", "WRITE", "DESCRIBE"}


def test_the_names_of_topics_are_those_of_the_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_TOPIC", "shop")

    result = CliRunner().invoke(app, ["acls", "--service", "streaming"], catch_exceptions=False)

    assert result.exit_code == 0, result.output
    assert "--topic 'shop-dlq'" in result.output
    assert "--transactional-id 'clickwatch-lake-shop'" in result.output
    assert "'User:streaming'" in result.output


def test_only_streaming_has_transactions() -> None:
    assert {right.name for right in streaming(Topics()) if right.resource is Resource.TRANSACTIONAL_ID} == {
        "clickwatch-lake-clickstream-events",
        "clickwatch-projector-flash-sale-alerts",
    }
