"""The process people run: it decides; tools act."""
