"""What a process of the service does: all of it, or a part that is deployed and scaled alone."""

from enum import StrEnum


class Part(StrEnum):
    """A part of the service."""

    ALERTS = "alerts"
    """The alert query: events to the topic of hot windows. Any number may run, each with a DATA_DIR of its own."""
    LAKE = "lake"
    """The lake query, dead letters, final counts of windows, and the status. One runs."""
    PROJECTOR = "projector"
    """The topic of hot windows to rows and console. Any number may run; they take turns."""


ALL_PARTS = frozenset(Part)
