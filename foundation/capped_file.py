"""Files read up to a cap: no mistake, device or pipe fills the memory or never ends."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class UnreadableFileError(ValueError):
    """A file cannot be read; the message names it and says why."""


def read_capped(path: Path, most: int) -> bytes:
    """Return a regular file's bytes; of one that is longer one byte more than `most`.

    What parses it says what is too long for it. Raises UnreadableFileError.
    """
    try:
        # a pipe that nobody writes into would let the plain way of opening wait for ever
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise UnreadableFileError(f"{path}: cannot be read: not a regular file")
            return file.read(most + 1)
    except OSError as error:
        raise UnreadableFileError(f"{path}: cannot be read: {error.strerror or error}") from error
