"""The ClusterActor port: changing a cluster with the acting identity. Nothing is sent twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tools.backends.condition import Condition
from tools.backends.kubernetes.calls import KubernetesCall
from tools.backends.kubernetes.config import KubernetesConfig
from tools.backends.kubernetes.kinds import resource_of
from tools.backends.kubernetes.selectors import equality
from tools.backends.kubernetes.session import KubernetesSession
from tools.ports import Health
from tools.world import WorkloadRef

FIELD_MANAGER = "sre-agent"


class KubernetesActor:
    """Changes one cluster."""

    def __init__(self, config: KubernetesConfig) -> None:
        self._config = config
        self._session = KubernetesSession(config, acting=True)

    async def close(self) -> None:
        await self._session.close()

    @property
    def condition(self) -> Condition:
        """How it is, learned from every call."""
        return self._session.condition

    async def health(self) -> Health:
        return await self._session.health()

    async def get(self, ref: WorkloadRef) -> Mapping[str, Any]:
        return await self._session.get(ref)

    async def list(
        self, kind: str, namespace: str, selector: Mapping[str, str] | None = None
    ) -> list[Mapping[str, Any]]:
        return list(
            await self._session.list(kind, namespace, {"labelSelector": equality(selector)})
        )

    async def logs(self, pod: WorkloadRef, lines: int) -> str:
        call = KubernetesCall("get", resource_of("Pod"), pod, "log")
        return await self._session.text(call, {"tailLines": str(lines)})

    async def ask_pod(self, pod: WorkloadRef, port: int, path: str) -> Mapping[str, Any]:
        served = replace(pod, name=f"https:{pod.name}:{port}")
        call = KubernetesCall("get", resource_of("Pod"), served, f"proxy/{path.lstrip('/')}")
        return await self._session.send(call)

    async def patch(
        self,
        ref: WorkloadRef,
        operations: Sequence[Mapping[str, Any]],
        *,
        dry_run: bool,
        subresource: str = "",
    ) -> Mapping[str, Any]:
        return await self._session.send(
            self._call("patch", ref, dry_run=dry_run, subresource=subresource),
            query=_options(dry_run=dry_run),
            body=[dict(each) for each in operations],
            content_type="application/json-patch+json",
        )

    async def delete(
        self, ref: WorkloadRef, *, dry_run: bool, grace_seconds: int = 30, uid: str = ""
    ) -> None:
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": grace_seconds,
        }
        if uid:
            options["preconditions"] = {"uid": uid}
        if dry_run:
            options["dryRun"] = ["All"]
        query = {"gracePeriodSeconds": str(grace_seconds)}
        if dry_run:
            query["dryRun"] = "All"
        await self._session.send(
            self._call("delete", ref, dry_run=dry_run), query=query, body=options
        )

    async def create(
        self, ref: WorkloadRef, body: Mapping[str, Any], *, dry_run: bool, subresource: str = ""
    ) -> Mapping[str, Any]:
        return await self._session.send(
            self._call("create", ref, dry_run=dry_run, subresource=subresource),
            query=_options(dry_run=dry_run),
            body=dict(body),
        )

    def _call(
        self, verb: str, ref: WorkloadRef, *, dry_run: bool, subresource: str = ""
    ) -> KubernetesCall:
        return KubernetesCall(verb, resource_of(ref.kind), ref, subresource, changes=not dry_run)


def _options(*, dry_run: bool) -> dict[str, str]:
    options = {"fieldManager": FIELD_MANAGER}
    if dry_run:
        options["dryRun"] = "All"
    return options
