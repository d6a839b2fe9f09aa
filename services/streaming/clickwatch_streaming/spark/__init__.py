"""Spark itself: session, cluster, driver, connectors."""
