"""The batch layer: the exact picture of a whole UTC day."""
