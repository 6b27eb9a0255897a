"""What can be wrong with a world file, or with what is asked of it."""


class WorldError(ValueError):
    """A world cannot be read or lacks what was asked for; the message names the value."""
