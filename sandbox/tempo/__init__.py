"""The imitated Tempo: traces as pure functions of the log lines they belong to, and its API."""
