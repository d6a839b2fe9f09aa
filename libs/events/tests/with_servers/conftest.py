pytest_plugins = ["clickwatch_servers.fixtures"]
