"""The REST API, webhooks, health and /metrics."""
