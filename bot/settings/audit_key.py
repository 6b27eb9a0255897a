"""The key that seals the audit chain."""

from __future__ import annotations

import os
import secrets

from bot.settings.settings import Settings


def audit_key(settings: Settings) -> bytes:
    """Return the audit key; outside production it is generated once as a mode 0600 file."""
    if settings.audit_key:
        return settings.audit_key
    path = settings.files.audit_key
    if path.is_file():
        return path.read_bytes().strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    key = secrets.token_hex(32).encode()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes().strip()
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
    return key
