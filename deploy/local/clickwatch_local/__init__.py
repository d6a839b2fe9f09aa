"""The whole of clickwatch on one machine, without Docker."""
