"""The simulated platform: what exists, what breaks, and what its instruments would show."""
