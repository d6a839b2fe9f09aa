from pathlib import Path

import pytest
from clickwatch_kafka import KafkaConnection, KafkaSettings, Mechanism, Protocol
from clickwatch_service import UserError, load_settings

CA = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n"
KEY = "-----BEGIN PRIVATE KEY-----\nMAo=\n-----END PRIVATE KEY-----\n"
PASSWORD = "planted-pass-word"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "ca.pem").write_text(CA)
    (tmp_path / "client.pem").write_text(CA)
    (tmp_path / "client.key").write_text(KEY)
    (tmp_path / "rsa.key").write_text(KEY.replace("PRIVATE", "RSA PRIVATE"))
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "password-line").write_text(PASSWORD + "\n")
    (tmp_path / "empty").write_text("\n")
    return tmp_path


def set_variables(monkeypatch: pytest.MonkeyPatch, files: Path, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("@", f"{files}/"))


LOGIN = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
    "KAFKA_SASL_USERNAME": "shop",
    "KAFKA_SASL_PASSWORD_FILE": "@password",
}
OAUTH = {
    "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
    "KAFKA_OAUTH_TOKEN_URL": "https://login.example.com/token",
    "KAFKA_OAUTH_CLIENT_ID": "shop",
    "KAFKA_OAUTH_CLIENT_SECRET_FILE": "@password",
}


def test_without_variables_nothing_but_the_address_is_said() -> None:
    settings = load_settings(KafkaSettings)

    assert settings.kafka == KafkaConnection(bootstrap_servers="localhost:9092")
    assert dict(settings.kafka.librdkafka()) == {"bootstrap.servers": "localhost:9092"}
    assert settings.kafka.java() == {"bootstrap.servers": "localhost:9092"}


def test_a_login_is_said_in_both_dialects(monkeypatch: pytest.MonkeyPatch, files: Path) -> None:
    set_variables(monkeypatch, files, {**LOGIN, "KAFKA_SSL_CA_FILE": "@ca.pem"})

    kafka = load_settings(KafkaSettings).kafka

    assert (kafka.security_protocol, kafka.sasl_mechanism) == (Protocol.SASL_SSL, Mechanism.SCRAM_SHA_512)
    assert kafka.librdkafka() == {
        "bootstrap.servers": "localhost:9092",
        "security.protocol": "SASL_SSL",
        "enable.ssl.certificate.verification": True,
        "ssl.endpoint.identification.algorithm": "https",
        "ssl.ca.location": f"{files}/ca.pem",
        "sasl.mechanisms": "SCRAM-SHA-512",
        "sasl.username": "shop",
        "sasl.password": PASSWORD,
    }
    java = kafka.java()
    assert java["sasl.jaas.config"] == (
        "org.apache.kafka.common.security.scram.ScramLoginModule required "
        f'username="shop" password="${{directory:{files}:password}}";'
    )
    assert java["ssl.truststore.type"] == "PEM"
    assert java["ssl.truststore.location"] == f"{files}/ca.pem"
    assert java["config.providers"] == "directory"


def test_a_client_certificate_is_said_in_both_dialects(monkeypatch: pytest.MonkeyPatch, files: Path) -> None:
    variables = {
        "KAFKA_SECURITY_PROTOCOL": "ssl",
        "KAFKA_SSL_CERTIFICATE_FILE": "@client.pem",
        "KAFKA_SSL_KEY_FILE": "@client.key",
        "KAFKA_SSL_KEY_PASSWORD_FILE": "@password",
    }
    set_variables(monkeypatch, files, variables)

    kafka = load_settings(KafkaSettings).kafka

    assert kafka.librdkafka()["ssl.key.password"] == PASSWORD
    assert kafka.librdkafka()["ssl.key.location"] == f"{files}/client.key"
    assert kafka.java()["ssl.keystore.key"] == f"${{directory:{files}:client.key}}"
    assert kafka.java()["ssl.key.password"] == f"${{directory:{files}:password}}"


def test_a_token_is_asked_for_in_both_dialects(monkeypatch: pytest.MonkeyPatch, files: Path) -> None:
    set_variables(monkeypatch, files, {**OAUTH, "KAFKA_OAUTH_SCOPE": "kafka"})

    kafka = load_settings(KafkaSettings).kafka

    assert kafka.librdkafka()["sasl.oauthbearer.client.secret"] == PASSWORD
    assert kafka.librdkafka()["sasl.oauthbearer.scope"] == "kafka"
    assert 'clientSecret="${directory:' in kafka.java()["sasl.jaas.config"]
    assert kafka.java()["sasl.oauthbearer.token.endpoint.url"] == "https://login.example.com/token"


def test_no_secret_is_shown_or_handed_to_java(monkeypatch: pytest.MonkeyPatch, files: Path) -> None:
    set_variables(monkeypatch, files, LOGIN)

    settings = load_settings(KafkaSettings)

    shown = f"{settings!r} {settings} {settings.kafka!r} {settings.kafka.librdkafka()!r} {settings.kafka.java()!r}"
    assert PASSWORD not in shown


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"KAFKA_SASL_MECHANISM": "PLAIN"}, "KAFKA_SASL_MECHANISM='PLAIN': KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
        ({"KAFKA_SASL_USERNAME": "shop"}, "KAFKA_SASL_USERNAME='shop': KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
        ({"KAFKA_SSL_CA_FILE": "@ca.pem"}, "KAFKA_SSL_CA_FILE=.*which has no TLS"),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "KAFKA_SECURITY_PROTOCOL='TLS': must be 'PLAINTEXT'"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "KAFKA_SASL_MECHANISM is not set"),
        ({**LOGIN, "KAFKA_SASL_MECHANISM": "GSSAPI"}, "KAFKA_SASL_MECHANISM='GSSAPI': must be"),
        ({**LOGIN, "KAFKA_SASL_PASSWORD_FILE": ""}, "KAFKA_SASL_PASSWORD_FILE is not set"),
        ({**LOGIN, "KAFKA_SASL_USERNAME": ""}, "KAFKA_SASL_USERNAME is not set"),
        ({**LOGIN, "KAFKA_SASL_PASSWORD_FILE": "@none"}, "KAFKA_SASL_PASSWORD_FILE=.*No such file"),
        ({**LOGIN, "KAFKA_SASL_PASSWORD_FILE": "@empty"}, "the file is empty"),
        ({**LOGIN, "KAFKA_SASL_PASSWORD_FILE": "@ca.pem"}, "more than one line"),
        ({**LOGIN, "KAFKA_OAUTH_CLIENT_ID": "shop"}, "KAFKA_OAUTH_CLIENT_ID='shop': KAFKA_SASL_MECHANISM is SCRAM"),
        ({**LOGIN, "KAFKA_SSL_CA_FILE": "@password"}, "KAFKA_SSL_CA_FILE=.*holds no CERTIFICATE in PEM"),
        ({**LOGIN, "KAFKA_SSL_CERTIFICATE_FILE": "@client.pem"}, "has no key: set KAFKA_SSL_KEY_FILE"),
        ({**LOGIN, "KAFKA_SSL_KEY_FILE": "@client.key"}, "has no certificate: set KAFKA_SSL_CERTIFICATE_FILE"),
        ({**LOGIN, "KAFKA_SSL_KEY_PASSWORD_FILE": "@password"}, "there is no key to open"),
        ({**OAUTH, "KAFKA_SASL_USERNAME": "shop"}, "KAFKA_SASL_USERNAME='shop': KAFKA_SASL_MECHANISM is OAUTHBEARER"),
        ({**OAUTH, "KAFKA_OAUTH_CLIENT_ID": ""}, "KAFKA_OAUTH_CLIENT_ID is not set"),
        ({**OAUTH, "KAFKA_OAUTH_TOKEN_URL": "http://login.example.com/"}, "must begin with https://"),
        ({"KAFKA_CLIENT_PROPERTIES": "sasl.password=" + PASSWORD}, "sasl.password may not be set here, as secrets"),
        ({"KAFKA_CLIENT_PROPERTIES": "enable.ssl.certificate.verification=false"}, "could weaken"),
        ({"KAFKA_CLIENT_PROPERTIES": "ssl.endpoint.identification.algorithm=none"}, "could weaken"),
        ({"KAFKA_CLIENT_PROPERTIES": "java:config.providers=env"}, "could weaken"),
        ({"KAFKA_CLIENT_PROPERTIES": "acks=0"}, "each service sets it for itself"),
        ({"KAFKA_CLIENT_PROPERTIES": "client.rack=a," + PASSWORD}, "entry 2 is no property"),
        ({"KAFKA_SASL_PASSWORD": PASSWORD}, "KAFKA_SASL_PASSWORD is set: secrets are read from files alone"),
        ({"KAFKA_BOOTSTRAP_SERVERS": " "}, "KAFKA_BOOTSTRAP_SERVERS=' '"),
    ],
)
def test_a_contradiction_ends_the_start_with_one_line(
    monkeypatch: pytest.MonkeyPatch, files: Path, variables: dict[str, str], said: str
) -> None:
    set_variables(monkeypatch, files, variables)

    with pytest.raises(UserError, match=said) as refused:
        load_settings(KafkaSettings)

    assert "\n" not in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_a_property_goes_to_the_dialect_it_names(monkeypatch: pytest.MonkeyPatch, files: Path) -> None:
    text = "client.rack=a,b\nlibrdkafka:socket.keepalive.enable=true\njava:request.timeout.ms=20000\n"
    set_variables(monkeypatch, files, {"KAFKA_CLIENT_PROPERTIES": text})

    kafka = load_settings(KafkaSettings).kafka

    assert kafka.librdkafka()["client.rack"] == kafka.java()["client.rack"] == "a,b"
    assert kafka.librdkafka()["socket.keepalive.enable"] == "true"
    assert "socket.keepalive.enable" not in kafka.java()
    assert kafka.java()["request.timeout.ms"] == "20000"
    assert "request.timeout.ms" not in kafka.librdkafka()


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({**LOGIN, "KAFKA_SASL_PASSWORD_FILE": "@password-line"}, r"no line break, quote or backslash.*printf %s"),
        (
            {
                "KAFKA_SECURITY_PROTOCOL": "SSL",
                "KAFKA_SSL_CERTIFICATE_FILE": "@client.pem",
                "KAFKA_SSL_KEY_FILE": "@rsa.key",
            },
            "reads keys in PKCS#8 alone",
        ),
    ],
)
def test_what_java_cannot_take_from_a_file_is_refused(
    monkeypatch: pytest.MonkeyPatch, files: Path, variables: dict[str, str], said: str
) -> None:
    set_variables(monkeypatch, files, variables)
    kafka = load_settings(KafkaSettings).kafka

    with pytest.raises(UserError, match=said) as refused:
        kafka.java()

    assert PASSWORD not in str(refused.value)
