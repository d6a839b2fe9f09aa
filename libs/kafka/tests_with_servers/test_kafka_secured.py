"""What a real broker with TLS, logins and ACLs says to us, and what we make of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic

import pytest
from clickwatch_kafka import (
    KafkaConnection,
    KafkaRefused,
    KafkaSettings,
    KafkaUnreachable,
    Mechanism,
    Protocol,
    Resource,
    Right,
    admin,
    consumer,
    missing_rights,
    producer,
    refusal,
    require_kafka,
    require_rights,
)
from clickwatch_kafka.acls import Topics, apply, streaming
from clickwatch_kafka.doctor import check_kafka
from clickwatch_servers.certificates import Authority
from clickwatch_servers.secured import SecuredKafka
from clickwatch_service import load_settings
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._acl import AclBinding, AclOperation, AclPermissionType
from confluent_kafka.admin._resource import ResourcePatternType, ResourceType
from confluent_kafka.cimpl import NewTopic
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

PATIENCE_SECONDS = 1.0
"""A refusal that lasts this long is one. Services wait longer, for brokers that are just starting."""


@pytest.fixture(scope="session")
def topic(secured_kafka: SecuredKafka) -> str:
    """Return a topic that nobody but the tests may touch, unless he is given a right."""
    name = "guarded"
    master = admin(secured_kafka.master())
    master.create_topics([NewTopic(name, 1)])[name].result(30)
    return name


@pytest.fixture
def foreign(tmp_path: Path) -> Authority:
    """Return an authority that the broker has nothing to do with."""
    return Authority(tmp_path, "foreign")


def grant(kafka: SecuredKafka, kind: ResourceType, name: str, *operations: AclOperation, user: str = "shop") -> None:
    """Let a user do something, and return once the broker knows."""
    made = [
        AclBinding(kind, name, ResourcePatternType.LITERAL, f"User:{user}", "*", operation, AclPermissionType.ALLOW)
        for operation in operations
    ]
    master = admin(kafka.master())
    for result in master.create_acls(made).values():
        result.result(30)
    right = Right(Resource(kind.name.lower()), name, tuple(one.name for one in operations), "tries")
    assert eventually(lambda: missing_rights(kafka.connection(user), [right]) == [])


@pytest.mark.parametrize("mechanism", list(Mechanism))
@pytest.mark.parametrize("door", ["SASL", "PLAINSASL"])
def test_the_right_credentials_are_let_in(
    secured_kafka: SecuredKafka, monkeypatch: pytest.MonkeyPatch, mechanism: Mechanism, door: str
) -> None:
    for name, value in secured_kafka.variables(mechanism, door=door).items():
        monkeypatch.setenv(name, value)
    if door == "PLAINSASL":
        monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_PLAINTEXT")
        monkeypatch.delenv("KAFKA_SSL_CA_FILE")

    assert require_kafka(load_settings(KafkaSettings).kafka).brokers


def test_a_client_certificate_is_let_in(secured_kafka: SecuredKafka) -> None:
    assert require_kafka(with_certificate(secured_kafka)).brokers


def with_certificate(kafka: SecuredKafka) -> KafkaConnection:
    return KafkaConnection(
        bootstrap_servers=kafka.address("MTLS"),
        security_protocol=Protocol.SSL,
        ssl_ca_file=kafka.authority.file,
        ssl_certificate_file=kafka.client.certificate,
        ssl_key_file=kafka.client.key,
    )


def refused_with(connection: KafkaConnection) -> str:
    """Return the one line with which a start ends; it must not wait for the whole time that a server may be away."""
    began = monotonic()
    with pytest.raises(KafkaRefused) as refused:
        require_kafka(connection, timeout_seconds=600, patience_seconds=PATIENCE_SECONDS)
    assert monotonic() - began < 300
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("mechanism", [Mechanism.PLAIN, Mechanism.SCRAM_SHA_256, Mechanism.SCRAM_SHA_512])
def test_a_wrong_password_is_refused(secured_kafka: SecuredKafka, mechanism: Mechanism) -> None:
    wrong = replace(
        secured_kafka.connection(), sasl_mechanism=mechanism, sasl_password_file=secured_kafka.files / "wrong"
    )

    said = refused_with(wrong)

    assert "refuses the login of 'shop'" in said
    assert "see KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD_FILE" in said
    assert "not-the-password" not in said


def test_an_unknown_user_is_refused(secured_kafka: SecuredKafka) -> None:
    assert "refuses the login of 'nobody'" in refused_with(replace(secured_kafka.connection(), sasl_username="nobody"))


def test_a_wrong_client_secret_is_refused(secured_kafka: SecuredKafka) -> None:
    said = refused_with(by_token(secured_kafka, secret="wrong"))

    assert "refuses the login of 'shop'" in said
    assert "KAFKA_OAUTH_CLIENT_SECRET_FILE" in said


def test_a_token_address_where_nobody_answers_is_refused(secured_kafka: SecuredKafka) -> None:
    said = refused_with(replace(by_token(secured_kafka), oauth_token_url="http://127.0.0.1:1/token"))

    assert "KAFKA_OAUTH_TOKEN_URL" in said


def by_token(kafka: SecuredKafka, secret: str = "shop") -> KafkaConnection:
    return replace(
        kafka.connection(),
        sasl_mechanism=Mechanism.OAUTHBEARER,
        sasl_username=None,
        sasl_password_file=None,
        oauth_token_url=kafka.token_url,
        oauth_client_id="shop",
        oauth_client_secret_file=kafka.files / secret,
    )


def test_a_foreign_authority_is_refused(secured_kafka: SecuredKafka, foreign: Authority) -> None:
    said = refused_with(replace(secured_kafka.connection(), ssl_ca_file=foreign.file))

    assert f"shows a certificate by CN=clickwatch, not by KAFKA_SSL_CA_FILE={str(foreign.file)!r}" in said


def test_the_system_s_authorities_do_not_vouch_for_ours(secured_kafka: SecuredKafka) -> None:
    assert "not by the system's authorities" in refused_with(replace(secured_kafka.connection(), ssl_ca_file=None))


def test_an_expired_certificate_is_refused(secured_kafka: SecuredKafka) -> None:
    expired = replace(secured_kafka.connection(), bootstrap_servers=secured_kafka.address("EXPIRED"))

    assert "certificate has expired" in refused_with(expired)


def test_a_certificate_for_another_host_is_refused(secured_kafka: SecuredKafka) -> None:
    elsewhere = replace(secured_kafka.connection(), bootstrap_servers=secured_kafka.address("ELSEWHERE"))

    assert "shows a certificate for another name" in refused_with(elsewhere)


def test_tls_asked_of_a_plain_listener_is_refused_and_nothing_less_is_proposed(secured_kafka: SecuredKafka) -> None:
    said = refused_with(replace(secured_kafka.connection(), bootstrap_servers=secured_kafka.plain))

    assert "speaks PLAINTEXT, not SASL_SSL: name a listener that speaks SASL_SSL" in said


@pytest.mark.parametrize(
    ("door", "speaks"),
    [("SASL", "speaks SASL_SSL"), ("PLAINSASL", "speaks SASL_PLAINTEXT"), ("MTLS", "speaks TLS")],
)
def test_plain_text_asked_of_a_secured_listener_is_refused(secured_kafka: SecuredKafka, door: str, speaks: str) -> None:
    assert speaks in refused_with(KafkaConnection.plain(secured_kafka.address(door)))


def test_a_login_asked_of_a_listener_without_is_refused(secured_kafka: SecuredKafka) -> None:
    plain = replace(
        secured_kafka.connection(),
        bootstrap_servers=secured_kafka.plain,
        security_protocol=Protocol.SASL_PLAINTEXT,
        ssl_ca_file=None,
    )

    assert "speaks PLAINTEXT, not SASL_PLAINTEXT" in refused_with(plain)


def test_a_listener_that_asks_for_a_certificate_says_so(secured_kafka: SecuredKafka, foreign: Authority) -> None:
    without = replace(with_certificate(secured_kafka), ssl_certificate_file=None, ssl_key_file=None)
    other = foreign.issue("shop")
    by_foreign = replace(
        with_certificate(secured_kafka), ssl_certificate_file=other.certificate, ssl_key_file=other.key
    )

    assert "asks for a client's certificate: set KAFKA_SSL_CERTIFICATE_FILE" in refused_with(without)
    assert "does not take KAFKA_SSL_CERTIFICATE_FILE=" in refused_with(by_foreign)


def test_a_broker_that_is_away_is_no_refusal() -> None:
    with pytest.raises(KafkaUnreachable, match="does not answer"):
        require_kafka(KafkaConnection.plain("127.0.0.1:1"), timeout_seconds=1)


def test_a_topic_that_is_hidden_is_refused_and_one_that_is_missing_is_said(
    secured_kafka: SecuredKafka, topic: str
) -> None:
    with pytest.raises(KafkaRefused, match=f"does not let user 'stranger' describe topic {topic}"):
        require_kafka(secured_kafka.connection("stranger"), [topic], timeout_seconds=600)
    with pytest.raises(KafkaUnreachable, match="has no topic missing"):
        require_kafka(secured_kafka.master(), ["missing"], timeout_seconds=1)


def test_a_write_without_the_right_fails_and_is_known_for_a_refusal(secured_kafka: SecuredKafka, topic: str) -> None:
    stranger = secured_kafka.connection("stranger")
    failed: list[KafkaError] = []
    sender = producer(stranger)

    sender.produce(topic, b"x", on_delivery=lambda error, _: failed.append(error) if error else None)
    sender.flush(60)

    refused = refusal(stranger, failed[0], f"write to topic {topic}")
    assert "does not let user 'stranger' write to topic guarded" in str(refused)


def test_a_read_without_the_right_fails_and_is_known_for_a_refusal(secured_kafka: SecuredKafka, topic: str) -> None:
    stranger = secured_kafka.connection("stranger")
    reader = consumer(stranger, {"group.id": "strangers"})
    try:
        reader.assign([TopicPartition(topic, 0, 0)])
        message = reader.poll(60)
        assert message is not None
        error = message.error()
    finally:
        reader.close()

    assert error is not None
    assert refusal(stranger, error) is not None


def test_every_right_that_is_missing_is_named_at_a_start(secured_kafka: SecuredKafka, topic: str) -> None:
    stranger = secured_kafka.connection("stranger")
    needed = [Right(Resource.TOPIC, topic, ("READ", "WRITE"), "tries"), Right(Resource.GROUP, "g", ("READ",), "tries")]

    with pytest.raises(KafkaRefused) as refused:
        require_rights(stranger, needed)

    assert f"user 'stranger' do what is needed: READ+WRITE on topic {topic}, READ on group g" in str(refused.value)


def test_the_acls_of_a_service_are_what_it_asks_for_and_no_more(secured_kafka: SecuredKafka) -> None:
    topics = Topics("acl-events", "acl-letters", "acl-alerts")
    master = admin(secured_kafka.master())
    for made in master.create_topics(
        [NewTopic(one, 1) for one in ("acl-events", "acl-letters", "acl-alerts")]
    ).values():
        made.result(30)
    shop = secured_kafka.connection()

    apply(secured_kafka.master(), "User:shop", streaming(topics))

    assert eventually(lambda: missing_rights(shop, streaming(topics)) == [])
    client = producer(shop, {"transactional.id": "clickwatch-lake-acl-events"})
    client.init_transactions(60)
    more = Right(Resource.TOPIC, "acl-alerts", ("DELETE", "ALTER"), "must not")
    assert missing_rights(shop, [more]) == [(more, ("DELETE", "ALTER"))]


def test_the_doctor_says_who_we_are_there_and_what_is_lacking(secured_kafka: SecuredKafka, topic: str) -> None:
    needed = [Right(Resource.TOPIC, topic, ("DESCRIBE",), "tries")]
    grant(secured_kafka, ResourceType.TOPIC, topic, AclOperation.DESCRIBE)

    good = check_kafka(secured_kafka.connection(), needed)
    hidden = check_kafka(secured_kafka.connection("stranger"), needed)
    plain = check_kafka(secured_kafka.master(), needed)

    assert good.is_good, good
    assert "TLS by CN=clickwatch until 20" in str(good)
    assert "logged in as 'shop' by SCRAM-SHA-512, may do what it must" in str(good)
    assert not hidden.is_good
    assert "does not let user 'stranger' describe topic" in str(hidden)
    assert "no TLS, no login" in str(plain)


def test_only_who_may_alter_acls_grants_rights(secured_kafka: SecuredKafka) -> None:
    with pytest.raises(KafkaRefused, match="does not let user 'stranger' alter ACLs"):
        apply(secured_kafka.connection("stranger"), "User:stranger", streaming(Topics()))


def test_a_transactional_id_without_the_right_is_known_for_a_refusal(secured_kafka: SecuredKafka) -> None:
    stranger = secured_kafka.connection("stranger")
    client = producer(stranger, {"transactional.id": "not-granted"})

    with pytest.raises(KafkaException) as failed:
        client.init_transactions(60)

    assert refusal(stranger, failed.value.args[0]) is not None


def test_a_topic_cannot_be_made_without_the_right(secured_kafka: SecuredKafka) -> None:
    stranger = secured_kafka.connection("stranger")
    client = admin(stranger)

    with pytest.raises(KafkaException) as failed:
        client.create_topics([NewTopic("mine", 1)])["mine"].result(60)

    assert refusal(stranger, failed.value.args[0]) is not None


def test_with_the_rights_a_record_goes_there_and_back(secured_kafka: SecuredKafka, topic: str) -> None:
    grant(secured_kafka, ResourceType.TOPIC, topic, AclOperation.READ, AclOperation.WRITE, AclOperation.DESCRIBE)
    grant(secured_kafka, ResourceType.GROUP, "readers", AclOperation.READ)
    shop = secured_kafka.connection()
    require_kafka(shop, [topic])
    sender = producer(shop, {"enable.idempotence": True})
    sender.produce(topic, b"there and back")
    assert sender.flush(60) == 0

    reader = consumer(shop, {"group.id": "readers", "auto.offset.reset": "earliest"})
    try:
        reader.subscribe([topic])
        message = reader.poll(60)
    finally:
        reader.close()

    assert message is not None
    assert message.value() == b"there and back"


def test_a_password_changed_in_its_file_is_read_by_a_running_client(
    secured_kafka: SecuredKafka, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("not-the-password")
    heard: list[KafkaError] = []
    client = admin(
        replace(secured_kafka.connection(), sasl_password_file=file), on_error=lambda error: heard.append(error)
    )
    assert eventually(
        lambda: not answers(client) and any(error.code() == KafkaError._AUTHENTICATION for error in heard)
    )

    file.write_text(secured_kafka.password("shop"))

    assert eventually(lambda: answers(client))


def answers(client: AdminClient) -> bool:
    try:
        client.list_topics(timeout=2)
    except KafkaException:
        client.poll(0)
        return False
    return True


def eventually(is_so: Callable[[], bool]) -> bool:
    return Retrying(
        retry=retry_if_result(lambda so: not so),
        stop=stop_after_delay(120),
        wait=wait_fixed(0.2),
        retry_error_callback=lambda _: False,
    )(is_so)


def test_no_secret_stands_in_what_the_broker_and_we_have_said(
    secured_kafka: SecuredKafka, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong = replace(secured_kafka.connection(), sasl_password_file=secured_kafka.files / "stranger")
    loud = replace(wrong, client_properties="debug=security,log_level=7".replace(",", "\n"))

    said = refused_with(loud)

    out, err = capfd.readouterr()
    for user in ("shop", "stranger"):
        assert secured_kafka.password(user) not in said + out + err
        assert secured_kafka.password(user) not in secured_kafka.log_file.read_text()
