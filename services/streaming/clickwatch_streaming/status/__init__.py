"""What operators and the page are told."""
