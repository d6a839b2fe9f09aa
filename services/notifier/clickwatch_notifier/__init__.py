"""Tells people and programs of alerts: each change of state once to each channel that asked for it."""
