"""A shop's own file as events: opening it, reading its rows, mapping them, and saying what became of them."""
