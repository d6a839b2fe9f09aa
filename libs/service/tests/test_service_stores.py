"""What an error of a real PostgreSQL means, and how a refused record is found among others."""

import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
from clickwatch_servers.ports import free_port
from clickwatch_servers.postgres import start_postgres
from clickwatch_service.stores import (
    TooManyRefused,
    Trouble,
    is_outage,
    is_refused_record,
    split_refused,
    trouble_of,
)
from hypothesis import given
from hypothesis import strategies as st

pytest_plugins = ["clickwatch_servers.fixtures"]

NUL = "a\0b"
HALF_A_PAIR = "\ud800"
# Noise, so that it cannot be compressed to fit into an index.
TOO_LONG = "".join(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % (1 << 128)).hex for number in range(300))


@pytest.fixture
def connection(postgres_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(postgres_url) as connection:
        connection.execute(
            "CREATE TEMPORARY TABLE kept (name text PRIMARY KEY CHECK (name <> 'planted'), count smallint)"
        )
        connection.commit()
        yield connection


def insert(connection: psycopg.Connection, rows: Sequence[tuple[str, int]]) -> None:
    with connection.transaction(), connection.cursor() as cursor:
        cursor.executemany("INSERT INTO kept VALUES (%s, %s)", rows)


def copy(connection: psycopg.Connection, rows: Sequence[tuple[str, int]]) -> None:
    with connection.transaction(), connection.cursor() as cursor, cursor.copy("COPY kept FROM STDIN") as into:
        for row in rows:
            into.write_row(row)


def names(connection: psycopg.Connection) -> list[object]:
    return [name for (name,) in connection.execute("SELECT name FROM kept ORDER BY name")]


@pytest.mark.parametrize("store", [insert, copy])
@pytest.mark.parametrize(
    "row",
    [("planted", 1), (NUL, 1), (HALF_A_PAIR, 1), (TOO_LONG, 1), ("wide", 40_000), ("twice", 1)],
    ids=["check", "nul", "surrogate", "too large for its index", "out of range", "unique"],
)
def test_a_record_the_database_refuses_costs_only_itself(
    connection: psycopg.Connection, row: tuple[str, int], store: object
) -> None:
    assert callable(store)
    insert(connection, [("twice", 0)])
    others = [(f"row {number:03}", number) for number in range(100)]

    refused = split_refused([*others[:37], row, *others[37:]], lambda rows: store(connection, rows))

    assert [each.row for each in refused] == [row]
    assert names(connection) == [name for name, _ in others] + ["twice"]


def test_the_words_of_the_store_stand_on_one_line_with_their_sqlstate(connection: psycopg.Connection) -> None:
    (refused,) = split_refused([("planted", 1)], lambda rows: insert(connection, rows))

    assert 'violates check constraint "kept_name_check" DETAIL' in refused.reason
    assert refused.reason.endswith("(SQLSTATE 23514)")
    assert "\n" not in refused.reason


def test_of_two_rows_with_one_key_the_first_is_kept(connection: psycopg.Connection) -> None:
    rows = [("a", 1), ("b", 1), ("a", 2)]

    refused = split_refused(rows, lambda some: insert(connection, some))

    assert [each.row for each in refused] == [("a", 2)]


def test_what_is_no_fault_of_a_record_is_raised(connection: psycopg.Connection) -> None:
    def store(rows: Sequence[int]) -> None:
        with connection.transaction():
            connection.execute("SELECT * FROM no_such_table")

    with pytest.raises(psycopg.errors.UndefinedTable) as caught:
        split_refused([1, 2], store)

    assert trouble_of(caught.value) is Trouble.FAULT


def test_looking_for_refused_rows_ends_at_the_limit(connection: psycopg.Connection) -> None:
    with pytest.raises(TooManyRefused, match="kept_name_check"):
        split_refused([("planted", number) for number in range(5)], lambda rows: insert(connection, rows), most=3)


def test_a_session_that_is_ended_is_an_outage(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as victim, psycopg.connect(postgres_url) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (victim.info.backend_pid,))
        with pytest.raises(psycopg.Error) as ended:
            victim.execute("SELECT 1")
        with pytest.raises(psycopg.Error) as closed:
            victim.execute("SELECT 1")

    assert is_outage(ended.value)
    assert is_outage(closed.value)


def test_a_server_that_is_killed_is_an_outage(tmp_path: Path) -> None:
    server = start_postgres(tmp_path / "postgres", free_port(), tmp_path / "passwords", tmp_path / "log", {})
    try:
        server.wait()
        server.ensure_owner("clickwatch")
        url = server.url("clickwatch", with_password=True)
        with psycopg.connect(url) as connection:
            server.process.kill()
            with pytest.raises(psycopg.Error) as lost:
                split_refused([1, 2], lambda rows: connection.execute("SELECT 1"))  # type: ignore[arg-type]
            with pytest.raises(psycopg.Error) as refused:
                psycopg.connect(url)
    finally:
        server.process.kill()

    assert is_outage(lost.value)
    assert is_outage(refused.value)


def test_a_query_that_takes_too_long_is_an_outage(connection: psycopg.Connection) -> None:
    connection.execute("SET statement_timeout = '1ms'")

    with pytest.raises(psycopg.Error) as caught:
        connection.execute("SELECT pg_sleep(10)")

    assert is_outage(caught.value)


def test_a_standby_that_only_reads_is_an_outage(connection: psycopg.Connection) -> None:
    connection.execute("SET TRANSACTION READ ONLY")

    with pytest.raises(psycopg.Error) as caught:
        connection.execute("CREATE TABLE cannot_be (id int)")

    assert is_outage(caught.value)


def test_a_rule_that_a_trigger_raises_refuses_the_record(connection: psycopg.Connection) -> None:
    with pytest.raises(psycopg.Error) as caught:
        connection.execute("DO $$ BEGIN RAISE EXCEPTION 'not in this shop'; END $$")

    assert is_refused_record(caught.value)


def test_what_is_no_error_of_a_store_is_a_fault() -> None:
    assert trouble_of(RuntimeError("ours")) is Trouble.FAULT


@given(st.lists(st.tuples(st.integers(), st.booleans()), max_size=60))
def test_exactly_the_refused_rows_come_back_and_the_others_are_stored_in_order(rows: list[tuple[int, bool]]) -> None:
    stored: list[tuple[int, bool]] = []

    def store(some: Sequence[tuple[int, bool]]) -> None:
        if any(is_bad for _, is_bad in some):
            raise psycopg.errors.CheckViolation("planted")
        stored.extend(some)

    refused = split_refused(rows, store)

    assert [each.row for each in refused] == [row for row in rows if row[1]]
    assert stored == [row for row in rows if not row[1]]


@given(st.integers(min_value=0, max_value=1023))
def test_one_refused_row_among_a_thousand_costs_at_most_twenty_one_calls(place: int) -> None:
    calls = 0

    def store(some: Sequence[int]) -> None:
        nonlocal calls
        calls += 1
        if place in some:
            raise psycopg.errors.CheckViolation("planted")

    split_refused(range(1024), store)

    assert calls <= 21
