"""What is kept, once."""
