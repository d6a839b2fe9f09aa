"""How does a request come in, and what is it answered: HTTP with its limits."""
