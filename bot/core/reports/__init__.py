"""What is told by schedule or on request: digests, postmortems, notices, forecasts."""
