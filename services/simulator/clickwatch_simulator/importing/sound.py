"""Whether an event keeps the limits of the contract."""

from clickwatch_events import Event
from clickwatch_events.limits import MAX_PRICE, MAX_TEXT_BYTES, Fault, fault_of, text_rule

from clickwatch_simulator.importing.rows import RefusedEvent
from clickwatch_simulator.importing.values import shown


class Limits:
    """Judges events by `fault_of`, after a quick look: most values are short and plain, or have been seen.

    Limits look at one value each, so an event of values that pass has no fault. Its id is a UUID and its time
    was read within the range, so the quick look leaves them out. A property test holds it equal to `fault_of`.
    """

    def __init__(self) -> None:
        """Know no value yet."""
        self._texts: set[str | None] = {None}
        self._currencies: set[str | None] = {None}

    def checked(self, event: Event) -> Event:
        """Return the event, which keeps all limits.

        Raises:
            RefusedEvent: it does not; field and rule.
        """
        if not self._passes(event):
            fault = fault_of(event)
            if fault is not None:
                raise _refused(event, fault)
            self._currencies.add(event.currency)
        return event

    def _passes(self, event: Event) -> bool:
        texts = self._texts
        _, user, product, category, _, _, session, price, currency = event
        return (
            (user in texts or self._is_sound(user))
            and (product in texts or self._is_sound(product))
            and (category in texts or self._is_sound(category))
            and (session in texts or self._is_sound(session))
            and (price is None or 0 <= price <= MAX_PRICE)
            and currency in self._currencies
        )

    def _is_sound(self, text: str | None) -> bool:
        assert text is not None
        is_plain = text.isascii() and text.isprintable() and 0 < len(text) <= MAX_TEXT_BYTES
        if not is_plain and text_rule(text) is not None:
            return False
        if len(self._texts) > 100_000:
            self._texts = {None}
        self._texts.add(text)
        return True


def _refused(event: Event, fault: Fault) -> RefusedEvent:
    value = event.timestamp_ms if fault.field == "timestamp" else getattr(event, fault.field)
    return RefusedEvent(event, fault, f"{fault}: {shown(value)}")
