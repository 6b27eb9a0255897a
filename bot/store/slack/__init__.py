"""Tables of what came from Slack and goes to it."""
