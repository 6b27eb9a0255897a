"""The hand brake: a halt that needs no database, pulled while it is locked, full or away.

    /sre halt ──the database does not keep it in time──> pull: memory, then the halt file
    the database keeps it after all ──the flag `halt` is set──> let go: the flag holds from here

Only this process knows of it, and whoever sees its file; the flag is what every instance knows. The
file that was written here says who asked, and is removed with the hand brake; one that a person
made is theirs.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

OURS = "sre-agent: "  # begins the file that was written here


@dataclass(slots=True)
class HandBrake:
    """Halts this process. Nothing of it waits for the database."""

    path: Path | None = None  # the halt file; None: memory alone
    pulled: str = ""  # why, empty while it is not
    made: bool = False  # the file is ours though it may be empty: a full disk took no word
    in_file: bool = False  # then the file alone says whether it still holds: a person may remove it

    @property
    def why(self) -> str:
        """Why memory alone halts, empty when it does not."""
        return "" if self.in_file else self.pulled

    async def pull(self, why: str) -> bool:
        """Halt at once; returns whether the file keeps it for after a restart as well."""
        self.pulled, self.in_file = why, False
        try:
            await asyncio.to_thread(self._write, why)
        except OSError as error:
            log.warning("halt.file_not_written", file=str(self.path), why=str(error))
        self.in_file = self.path is not None and await asyncio.to_thread(self.path.exists)
        return self.in_file

    async def let_go(self) -> None:
        """Hold no more: a switch that every instance knows says what is from here on."""
        self.pulled, self.in_file = "", False
        await asyncio.to_thread(self._remove)

    def _write(self, why: str) -> None:
        if self.path is None or self.path.exists():
            return  # it halts already, and says of itself who made it
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.made = True
        self.path.touch()  # a full disk takes an empty file, and that is a halt
        self.path.write_text(f"{OURS}{why}\n", encoding="utf-8")

    def _remove(self) -> None:
        if self.path is None:
            return
        try:
            with self.path.open(encoding="utf-8", errors="replace") as file:
                begins = file.read(len(OURS))
            if begins == OURS or (self.made and not begins):
                self.path.unlink()
            self.made = False
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("halt.file_not_removed", file=str(self.path), why=str(error))
