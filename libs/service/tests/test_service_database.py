"""What a real PostgreSQL refuses, with TLS and without, and what the doctor says of it."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import typer
from clickwatch_servers.certificates import Authority
from clickwatch_servers.ports import free_port
from clickwatch_servers.postgres_front import postgres_front
from clickwatch_service.database import DatabaseRefused, refusal_of, require_tls_as_asked
from clickwatch_service.doctor import Finding, check_database, check_disk, clock, tell

pytest_plugins = ["clickwatch_servers.fixtures"]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"), "clickwatch")


@pytest.fixture(scope="module")
def tls_url(authority: Authority, postgres_url: str) -> Iterator[str]:
    """The address, with password, of a PostgreSQL with TLS before it."""
    parts = psycopg.conninfo.conninfo_to_dict(postgres_url)
    port = str(parts["port"])
    with postgres_front(int(port), authority.issue("postgres")) as front:
        yield postgres_url.replace(f":{port}/", f":{front}/")


def test_verify_full_is_refused_by_a_server_without_tls(
    postgres_url: str, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", str(authority.file))

    with pytest.raises(DatabaseRefused, match="this server has no TLS and sslmode asks for it") as refused:
        require_tls_as_asked(f"{postgres_url}?sslmode=verify-full")

    assert "\n" not in str(refused.value)
    assert str(psycopg.conninfo.conninfo_to_dict(postgres_url)["password"]) not in str(refused.value)


def test_verify_full_is_let_in_by_a_server_of_our_authority_and_logs_in_by_a_file(
    tls_url: str, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(tls_url)
    passwords = tmp_path / "pgpass"
    passwords.touch(0o600)
    passwords.write_text(f"*:*:*:{parts.pop('user')}:{parts.pop('password')}\n")
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    monkeypatch.setenv("PGSSLROOTCERT", str(authority.file))
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    url = psycopg.conninfo.make_conninfo("", **parts, user="clickwatch")

    require_tls_as_asked(url)
    finding = check_database(url)

    assert finding.is_good, finding
    assert "reached, TLS, logged in" in str(finding)
    assert "logged in as clickwatch" in str(finding)


def test_a_foreign_authority_is_refused(tls_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", str(Authority(tmp_path, "foreign").file))

    with pytest.raises(DatabaseRefused, match="see PGSSLROOTCERT"):
        require_tls_as_asked(f"{tls_url}?sslmode=verify-full")


def test_another_host_name_is_refused(authority: Authority, tls_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGSSLROOTCERT", str(authority.file))
    monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")

    with pytest.raises(DatabaseRefused, match="the name in the server's certificate"):
        require_tls_as_asked(tls_url.replace("@127.0.0.1:", "@db.example.com:") + "?sslmode=verify-full")


def test_a_server_that_is_away_is_waited_for_elsewhere() -> None:
    require_tls_as_asked(f"postgresql://nobody@127.0.0.1:{free_port()}/none?sslmode=verify-full&sslrootcert=system")


def test_a_wrong_password_is_named_without_it(postgres_url: str) -> None:
    parts = psycopg.conninfo.conninfo_to_dict(postgres_url)
    wrong = psycopg.conninfo.make_conninfo("", **{**parts, "password": "not-the-password"})

    with pytest.raises(psycopg.OperationalError) as failed:
        psycopg.connect(wrong)

    said = str(refusal_of(failed.value))
    assert "the file that PGPASSFILE names" in said
    assert "not-the-password" not in said


def test_the_doctor_names_what_is_lacking(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS seen (name text)")

    good = check_database(postgres_url, ["seen"], ["seen"])
    lacking = check_database(postgres_url, ["seen", "not_there"])

    assert good.is_good, good
    assert "may do what it must" in str(good)
    assert not lacking.is_good
    assert "lacks table not_there (run the migrations)" in str(lacking)


def test_the_doctor_says_a_line_for_each_and_fails_with_the_worst(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with pytest.raises(typer.Exit) as ended:
        tell(lambda: Finding("Kafka", False, "does not\nanswer"), lambda: Finding("disk", True, "is there"))

    assert ended.value.exit_code == 1
    assert capsys.readouterr().out.splitlines() == [r"FAIL Kafka: does not\nanswer", "ok   disk: is there"]
    assert "GB free" in str(check_disk(tmp_path / "not" / "made" / "yet"))
    assert clock(-90.0) == (False, "clock -90.0 s from ours")
