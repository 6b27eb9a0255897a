"""A draft becomes a plan, people answer, what was approved runs, is verified and undone."""
