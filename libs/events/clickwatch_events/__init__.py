"""What every service knows of an event: its type, its bytes in Kafka, its line in the log."""

from clickwatch_events.event import Event, EventType, HotWindow
from clickwatch_events.framing import BadFrame, frame, unframe
from clickwatch_events.jsonl import BadLine, from_line, to_line

__all__ = ["BadFrame", "BadLine", "Event", "EventType", "HotWindow", "frame", "from_line", "to_line", "unframe"]
