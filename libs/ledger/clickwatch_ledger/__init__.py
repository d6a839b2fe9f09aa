"""Whether a pipeline shows, through its public doors, what the simulator's ledger says was sent."""

import pytest

# Before the module is imported: its assertions are to show what differs, as those of a test file do.
pytest.register_assert_rewrite("clickwatch_ledger.comparison")

from clickwatch_ledger.ledger import Counts, Day, Key, Ledger  # noqa: E402
from clickwatch_ledger.outcome import Outcome  # noqa: E402
from clickwatch_ledger.pipeline import Pipeline  # noqa: E402
from clickwatch_ledger.waiting import eventually  # noqa: E402

__all__ = ["Counts", "Day", "Key", "Ledger", "Outcome", "Pipeline", "eventually"]
