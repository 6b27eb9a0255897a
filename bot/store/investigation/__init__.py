"""Tables of agent runs."""
