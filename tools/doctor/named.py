"""How an object of a cluster is named."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Object:
    """One object of a cluster as people name it."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """Return `kind namespace/name`."""
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"
