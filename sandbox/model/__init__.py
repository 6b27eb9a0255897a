"""A scripted model behind the real Messages protocol, for tests and for showing the Claude path."""
