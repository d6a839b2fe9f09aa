"""Which product is hot now."""
