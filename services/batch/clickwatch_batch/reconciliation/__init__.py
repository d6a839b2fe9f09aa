"""Whether the speed layer counted the same."""
