"""The tables of a day, and what they did not take."""
