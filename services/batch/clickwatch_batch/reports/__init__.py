"""What people are told of a day."""
