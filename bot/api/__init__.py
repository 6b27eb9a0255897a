"""The REST API: one more door to the same core, with the same policy as a click."""
