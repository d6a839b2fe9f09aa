"""How the schemas of the topics change: the steps from an idea to a released version."""
