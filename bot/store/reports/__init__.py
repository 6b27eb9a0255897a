"""Tables of what was reported."""
