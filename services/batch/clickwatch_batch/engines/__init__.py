"""What answers questions about a day: DuckDB or Spark."""
