"""Tables of plans and what they need."""
