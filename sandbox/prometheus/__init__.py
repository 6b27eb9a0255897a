"""The imitated Prometheus: PromQL over numpy, and the HTTP API in front of it."""
