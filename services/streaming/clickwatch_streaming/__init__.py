"""Speed layer: flash-sale alerts in about a second, and the event lake every minute."""
