"""The hosts that may be called: each entry is a name and, where it is not the usual one, a port.

    ops.example          https://ops.example (443) and http://ops.example (80)
    ops.example:8443     that port alone
    [2001:db8::1]:8443   an IPv6 address

A host runs more than what was meant: without a port an entry opens no database and no kubelet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

USUAL = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class AllowedHost:
    """One entry of an allow-list."""

    name: str  # in small letters
    port: int | None = None  # None: the usual one of the scheme

    @classmethod
    def parse(cls, text: str) -> AllowedHost:
        """Read `HOST` or `HOST:PORT`. Raises ValueError that names the value."""
        try:
            parts = urlsplit(f"//{text}")
            name, port = parts.hostname, parts.port
        except ValueError:
            name, port = None, None
        written = f"[{name}]" if name and ":" in name else name
        if not name or text.lower() not in {written, f"{written}:{port}"} or port == 0:
            raise ValueError(
                f"{text!r} is no host; write HOST or HOST:PORT (1 to 65535), without scheme or path"
            )
        return cls(name, port)

    def covers(self, scheme: str, name: str, port: int) -> bool:
        """Say whether an address is what this entry allows."""
        return (name, port) == (self.name, USUAL.get(scheme) if self.port is None else self.port)


def entry_for(scheme: str, name: str, port: int) -> str:
    """Return how an address would be written on a list."""
    written = f"[{name}]" if ":" in name else name
    return written if port == USUAL.get(scheme) else f"{written}:{port}"


def covered(allowed: Iterable[AllowedHost], scheme: str, name: str, port: int) -> bool:
    """Say whether a list allows an address."""
    return any(each.covers(scheme, name, port) for each in allowed)
