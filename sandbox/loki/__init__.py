"""The imitated Loki: log lines as pure functions of time, LogQL, and the HTTP API."""
