"""What is asked of a day, and whether the answers can be trusted."""
