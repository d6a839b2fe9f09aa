"""How a user is forgotten."""
