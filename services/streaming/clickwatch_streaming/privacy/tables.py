"""A user forgotten in the serving layer."""

import psycopg
from clickwatch_service import UserError

from clickwatch_streaming.privacy.forgetting import Forgetting

# A day that was analysed again meanwhile has the user under the pseudonym already.
_DROP_DOUBLES = """
    DELETE FROM user_segments AS named
     USING user_segments AS anonymous
     WHERE named.user_id = ANY(%(names)s)
       AND anonymous.user_id = %(pseudonym)s
       AND anonymous.report_date = named.report_date
"""
_RENAME = "UPDATE user_segments SET user_id = %(pseudonym)s WHERE user_id = ANY(%(names)s)"
_REMOVE = "DELETE FROM user_segments WHERE user_id = ANY(%(names)s)"


def forget_in_tables(database_url: str, forgetting: Forgetting) -> int:
    """Forget a user in table `user_segments`, in one transaction; return how many rows were the user's.

    Raises:
        UserError: the database does not answer, or its role may not.
    """
    try:
        with psycopg.connect(database_url, application_name="clickwatch forget-user", connect_timeout=10) as connection:
            parameters = {"names": list(forgetting.names), "pseudonym": forgetting.pseudonym}
            if forgetting.pseudonym is None:
                return connection.execute(_REMOVE, parameters).rowcount
            doubles = connection.execute(_DROP_DOUBLES, parameters).rowcount
            return doubles + connection.execute(_RENAME, parameters).rowcount
    except psycopg.errors.InsufficientPrivilege as error:
        raise UserError(f"DATABASE_URL: {str(error).strip()}; role clickwatch_privacy may forget a user") from None
    except psycopg.OperationalError as error:
        raise UserError(f"DATABASE_URL: the database does not answer: {str(error).strip()}") from None
