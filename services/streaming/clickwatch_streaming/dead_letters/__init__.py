"""What could not be used, and how it comes back."""
