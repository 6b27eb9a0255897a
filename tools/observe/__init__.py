"""Read-only tools, and the two that propose. Their docstrings are written to the model."""
