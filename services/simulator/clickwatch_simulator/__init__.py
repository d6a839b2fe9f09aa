"""Makes realistic shop traffic with known contents."""
