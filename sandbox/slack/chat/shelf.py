"""What survives a restart: one SQLite file of JSON records and file bytes, written through.

Memory is the truth while the server runs; changes are written at once, a start reads all back.
"""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sandbox.slack.chat.wire import Json

_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (
    kind TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, key));
CREATE TABLE IF NOT EXISTS blob (key TEXT PRIMARY KEY, body BLOB NOT NULL);
"""


class Shelf:
    """Records by kind and key. `path=None` keeps everything in memory only."""

    def __init__(self, path: Path | None) -> None:
        """Open (and create) the file; a file that is no database is named in the error."""
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(str(path) if path else ":memory:", isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            self._db.close()
            message = (
                f"{str(path)!r} is not the local Slack's database: move it away or name another"
            )
            raise ValueError(message) from error

    def put(self, kind: str, key: str, body: Json) -> None:
        """Store one record, replacing what was there."""
        self._db.execute(
            "INSERT INTO record VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
            (kind, key, json.dumps(body, ensure_ascii=False)),
        )

    def drop(self, kind: str, key: str) -> None:
        """Remove one record, if it exists."""
        self._db.execute("DELETE FROM record WHERE kind = ? AND key = ?", (kind, key))

    def all(self, kind: str) -> Iterator[tuple[str, Json]]:
        """Every record of a kind, in key order."""
        query = "SELECT key, body FROM record WHERE kind = ? ORDER BY key"
        for key, body in self._db.execute(query, (kind,)).fetchall():
            yield key, json.loads(body)

    def put_bytes(self, key: str, body: bytes) -> None:
        """Store the content of a file."""
        self._db.execute(
            "INSERT INTO blob VALUES (?, ?) ON CONFLICT DO UPDATE SET body = excluded.body",
            (key, body),
        )

    def get_bytes(self, key: str) -> bytes | None:
        """The content of a file, or None."""
        row = self._db.execute("SELECT body FROM blob WHERE key = ?", (key,)).fetchone()
        return bytes(row[0]) if row else None

    def close(self) -> None:
        """Close the file."""
        self._db.close()
