"""The key that the audit, approvals, clicks and tokens are sealed with.

AUDIT_KEY, AUDIT_KEY_FILE ──> in production and on PostgreSQL: 32 characters or more
neither                   ──> var/audit.key, generated once; for a trial on SQLite
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from bot.domain.keyring import Keyring
from bot.settings.errors import ConfigError
from bot.settings.settings import Settings

SHORTEST = 32  # characters; a guessed key seals whatever its guesser likes
HOW = "generate one with `openssl rand -hex 32`"


def given_key(found: Mapping[str, str]) -> bytes:
    """Return the key that the environment gives, empty for none. Raises ConfigError."""
    key = found.get("AUDIT_KEY", "")
    if not key.strip() and (path := found.get("AUDIT_KEY_FILE")):
        raise ConfigError(f"AUDIT_KEY_FILE names {path!r}, which is blank; {HOW}")
    return key.encode() if key.strip() else b""


def refuse_weak_key(key: bytes) -> None:
    """Raise ConfigError unless a key was given that nobody guesses."""
    if not key:
        raise ConfigError(
            "AUDIT_KEY (or AUDIT_KEY_FILE) must be set in production and on PostgreSQL: replicas "
            f"share one audit chain; {HOW}"
        )
    if len(key.strip()) < SHORTEST:
        raise ConfigError(
            f"AUDIT_KEY has {len(key.strip())} characters; in production and on PostgreSQL at "
            f"least {SHORTEST} are needed, or it could be guessed; {HOW}"
        )


def keyring_of(settings: Settings) -> Keyring:
    """Return the keys; without a given one, one is generated once as a mode 0600 file.

    Raises ConfigError for a file that holds no key.
    """
    return Keyring(settings.audit_key or _kept_key(settings.files.audit_key))


def _kept_key(path: Path) -> bytes:
    if not path.is_file():
        _generate(path)
    key = path.read_bytes().strip()
    if len(key) < SHORTEST:
        raise ConfigError(
            f"{str(path)!r} holds no audit key ({len(key)} characters); put the key back from "
            f"where you keep it, or {HOW}"
        )
    return key


def _generate(path: Path) -> None:
    """Write a new key, whole or not at all; whoever comes second takes the first one's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_hex(32).encode())
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            if not path.exists():
                fresh.rename(path)
    finally:
        fresh.unlink(missing_ok=True)
