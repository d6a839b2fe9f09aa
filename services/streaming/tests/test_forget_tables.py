"""A user who asks to be forgotten is gone from the serving tables."""

from collections.abc import Iterator
from datetime import date

import psycopg
import pytest
from clickwatch_service import UserError
from clickwatch_service.pseudonyms import Pseudonyms
from clickwatch_streaming.privacy.forgetting import Forgetting, Mode
from clickwatch_streaming.privacy.tables import forget_in_tables

PSEUDONYMS = Pseudonyms(b"0123456789abcdef")
NAME = PSEUDONYMS.of("user_1")
FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 2)


@pytest.fixture
def database(database_url: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """The one table that names users."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        rows = [
            (FIRST, "user_1", "buyer"),
            (FIRST, "user_2", "buyer"),
            (SECOND, "user_1", "window_shopper"),
            # The day was analysed again from a log that has forgotten already.
            (SECOND, NAME, "window_shopper"),
        ]
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO user_segments VALUES (%s, %s, %s)", rows)
        yield connection


def rows_of(database: psycopg.Connection[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return database.execute("SELECT report_date, user_id, segment FROM user_segments ORDER BY 1, 2").fetchall()


def test_the_user_gets_the_pseudonym_once_a_day(
    database_url: str, database: psycopg.Connection[tuple[object, ...]]
) -> None:
    forgetting = Forgetting.of("user_1", Mode.PSEUDONYMISE, PSEUDONYMS)

    assert forget_in_tables(database_url, forgetting) == 2
    assert forget_in_tables(database_url, forgetting) == 0

    assert rows_of(database) == [(FIRST, NAME, "buyer"), (FIRST, "user_2", "buyer"), (SECOND, NAME, "window_shopper")]


def test_removed_the_user_is_gone_under_both_names(
    database_url: str, database: psycopg.Connection[tuple[object, ...]]
) -> None:
    assert forget_in_tables(database_url, Forgetting.of("user_1", Mode.REMOVE, PSEUDONYMS)) == 3

    assert rows_of(database) == [(FIRST, "user_2", "buyer")]


def test_a_database_that_does_not_answer_is_said() -> None:
    with pytest.raises(UserError, match="does not answer"):
        forget_in_tables("postgresql://nobody@127.0.0.1:1/none", Forgetting.of("user_1", Mode.REMOVE, None))
