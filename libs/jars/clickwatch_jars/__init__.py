"""Jars by their Maven coordinates, and the Java that runs them, without Maven."""
