"""A password that is changed in its file while a client runs."""

from clickwatch_service import UserError

from clickwatch_kafka.settings.choices import Mechanism
from clickwatch_kafka.settings.connection import KafkaConnection
from clickwatch_kafka.settings.secret_files import secret


class Credentials:
    """What a client logs in with by PLAIN or SCRAM, read anew when the broker refuses it."""

    def __init__(self, connection: KafkaConnection) -> None:
        """Remember what the file holds now."""
        self._connection = connection
        self._last = self._read()

    def have_changed(self) -> bool:
        """Return whether the file holds another password than when it was last asked."""
        now = self._read()
        if now is None or now == self._last:
            return False
        self._last = now
        return True

    def pair(self) -> tuple[str, str]:
        """Return the name and the password that were read last."""
        assert self._connection.sasl_username is not None
        assert self._last is not None
        return self._connection.sasl_username, self._last

    def _read(self) -> str | None:
        connection = self._connection
        if connection.sasl_password_file is None or connection.sasl_mechanism is Mechanism.OAUTHBEARER:
            return None
        try:
            return secret("KAFKA_SASL_PASSWORD_FILE", connection.sasl_password_file)
        except UserError:  # being replaced just now
            return None
