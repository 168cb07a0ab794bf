"""Flow Service: specifications, connections, flows and runs."""
