pytest_plugins = ["clickwatch_servers.fixtures", "clickwatch_servers.secured"]
