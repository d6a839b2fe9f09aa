"""What a message says, or why it says nothing."""
