"""Snapshots of the detector's state as files: `points.npz`, `profiles.npz`, beside the database.

Uncompressed zip archives of arrays, as numpy writes them: every array carries its checksum, and
none may be an object, so a damaged or a foreign file is told and runs nothing. A file is replaced
whole: a crash leaves the older one.
"""

from __future__ import annotations

import asyncio
import os
import zipfile
from pathlib import Path

import numpy as np
import structlog

from bot.core.ports import Arrays
from bot.store.engine import database_url, in_memory
from tools.errors import BackendUnavailableError

log = structlog.get_logger(__name__)

DAMAGED = (zipfile.BadZipFile, ValueError, KeyError, EOFError, OSError)


class FileSnapshots:
    """The port `Snapshots` over a folder."""

    def __init__(self, folder: Path) -> None:
        """`folder` may not exist yet."""
        self._folder = folder

    async def load(self, name: str) -> Arrays | None:
        """Return what was saved last; None when there is nothing that can be read."""
        path = self._path(name)
        try:
            return await asyncio.to_thread(_read, path)
        except FileNotFoundError:
            return None
        except DAMAGED as error:
            why = f"{type(error).__name__}: {error}"
            log.warning("detection.snapshot_unusable", file=str(path), why=why)
            return None

    async def save(self, name: str, arrays: Arrays) -> None:
        """Replace what was saved. Raises BackendUnavailableError; the older one stays then."""
        path = self._path(name)
        try:
            await asyncio.to_thread(_replace, path, arrays)
        except OSError as error:
            why = f"{str(path)!r} cannot be written ({error.strerror})"
            raise BackendUnavailableError("detection state", why) from error

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.npz"


def snapshots_beside(url: str) -> FileSnapshots | None:
    """Return snapshots beside a database file, in `var/detection` for a server.

    None for a database in memory: nothing of it outlives the process.
    """
    database = database_url(url)
    if in_memory(database):
        return None
    if database.get_backend_name() != "sqlite":
        return FileSnapshots(Path("var/detection"))
    file = Path(str(database.database))
    return FileSnapshots(file.with_name(f"{file.stem}-detection"))


def _read(path: Path) -> Arrays:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _replace(path: Path, arrays: Arrays) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_TRUNC | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
