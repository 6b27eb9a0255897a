"""The check of figures: what a model writes is held against the evidence that it cites."""
