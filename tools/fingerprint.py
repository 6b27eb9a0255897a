"""The fingerprint of what was read: two readings that agree have the same one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import rfc8785


def fingerprint_of(fields: Mapping[str, Any]) -> str:
    """Return sha256 over the canonical JSON (RFC 8785) of `fields`."""
    return hashlib.sha256(rfc8785.dumps(dict(fields))).hexdigest()
