"""One text under one key of one config map: what the bot notes outside of its own database.

It is the reading identity that writes it, with a right to this one object and no other.
"""

from __future__ import annotations

from typing import Any

from tools.backends.kubernetes.calls import KubernetesCall
from tools.backends.kubernetes.config import KubernetesConfig
from tools.backends.kubernetes.kinds import resource_of
from tools.backends.kubernetes.session import KubernetesSession
from tools.errors import NotFoundError
from tools.world import WorkloadRef


class ConfigMapText:
    """Reads and replaces one text."""

    def __init__(self, config: KubernetesConfig, namespace: str, name: str, key: str) -> None:
        self._session = KubernetesSession(config, acting=False)
        self._ref = WorkloadRef(config.name, namespace, "ConfigMap", name)
        self._key = key

    async def close(self) -> None:
        """Close the connection."""
        await self._session.close()

    async def read(self) -> str:
        """Return the text; empty while there is none. Raises BackendError."""
        try:
            found = await self._session.get(self._ref)
        except NotFoundError:
            return ""
        return str((found.get("data") or {}).get(self._key, ""))

    async def write(self, text: str) -> None:
        """Replace the text; the map is created where it is missing. Raises BackendError."""
        data = {"data": {self._key: text}}
        try:
            await self._send("patch", data, "application/merge-patch+json")
        except NotFoundError:
            own = {"namespace": self._ref.namespace, "name": self._ref.name}
            whole = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": own, **data}
            await self._send("create", whole, "application/json")

    async def _send(self, verb: str, body: dict[str, Any], content_type: str) -> None:
        # Not `changes`: written twice is written once, so a lost answer is an ordinary failure.
        call = KubernetesCall(verb, resource_of("ConfigMap"), self._ref)
        await self._session.send(call, body=body, content_type=content_type)
