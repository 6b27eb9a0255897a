"""What changes in a cluster while the bot watches becomes a row of the timeline.

    HPA limits, replicas      scale     (replicas an autoscaler owns are its work, not a change)
    pod template              deploy    told by the cluster's own revisions, not here
    config map                config    its content goes to the ConfigHistory, keys to the timeline

A row's key is the object and its resourceVersion: a second look, another replica or a resumed watch
adds nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from bot.core.ports import Clock, Store
from tools.errors import BackendError
from tools.ports import ConfigHistory
from tools.world import Catalogue, Change, ChangeKind, WorkloadRef

log = structlog.get_logger(__name__)
Json = Mapping[str, Any]

HPA = "HorizontalPodAutoscaler"
WATCHED = ("ConfigMap", HPA, "Deployment", "StatefulSet")
NOISY = ("kube-root-ca.crt",)  # config maps that every namespace has and nobody wrote


def essence_of(item: Json) -> dict[str, Any]:
    """Return what matters of an object; two equal ones are no change."""
    own, spec = item.get("metadata") or {}, item.get("spec") or {}
    kind = str(item.get("kind", ""))
    kept: dict[str, Any] = {}
    if kind == "ConfigMap":
        kept = {"data": item.get("data") or {}, "binaryData": item.get("binaryData") or {}}
    elif kind == HPA:
        target = spec.get("scaleTargetRef") or {}
        kept = {
            "min": spec.get("minReplicas", 1),
            "max": spec.get("maxReplicas"),
            "target": (str(target.get("kind", "")), str(target.get("name", ""))),
        }
    else:
        kept = {"replicas": spec.get("replicas", 1), "maps": _maps(spec)}
    return {
        "kind": kind,
        "namespace": str(own.get("namespace", "")),
        "name": str(own.get("name", "")),
        "uid": str(own.get("uid", "")),
        "kept": kept,
        "version": Version(str(own.get("resourceVersion", ""))),
    }


class Version(str):
    """A resourceVersion beside the facts: it moves for every reason, so it compares as equal."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        """Say that versions never differ."""
        return isinstance(other, Version)

    def __hash__(self) -> int:
        """Hash all alike."""
        return 0


@dataclass(slots=True)
class ClusterWatch:
    """Turns the changes of one cluster into rows."""

    cluster: str
    store: Store
    clock: Clock
    catalogue: Callable[[], Catalogue]
    history: ConfigHistory
    _scaled: dict[tuple[str, str, str], str] = field(default_factory=dict)  # workload: its HPA
    _users: dict[tuple[str, str], WorkloadRef] = field(default_factory=dict)  # map: who reads it

    async def seen(self, kind: str, before: Json | None, after: Json | None) -> None:
        """Take one change of an object; a row is written when people would call it one."""
        now = after or before or {}
        ref = WorkloadRef(self.cluster, now["namespace"], kind, now["name"], now["uid"])
        if kind == HPA:
            self._note_scaler(ref, after)
        elif kind != "ConfigMap" and after is not None:
            for name in after["kept"]["maps"]:
                self._users[ref.namespace, name] = ref
        if kind == "ConfigMap":
            await self._config_map(ref, before, after)
        elif before is not None and after is not None:
            await self._scaling(ref, before["kept"], after["kept"], str(after["version"]))

    def _note_scaler(self, ref: WorkloadRef, after: Json | None) -> None:
        self._scaled = {key: name for key, name in self._scaled.items() if name != ref.name}
        if after is not None:
            self._scaled[(ref.namespace, *after["kept"]["target"])] = ref.name

    async def _scaling(self, ref: WorkloadRef, old: Json, new: Json, version: str) -> None:
        if ref.kind == HPA:
            kind, name = new["target"]
            about = WorkloadRef(ref.cluster, ref.namespace, kind, name)
            parts = [
                f"{word} {old[key]} → {new[key]}"
                for key, word in (("min", "minReplicas"), ("max", "maxReplicas"))
                if old[key] != new[key]
            ]
            if parts:
                text = f"autoscaler {ref.name}: {', '.join(parts)}"
                span = (f"{old['min']}–{old['max']}", f"{new['min']}–{new['max']}")
                await self._tell(ChangeKind.SCALE, about, ref, text, span, version)
        elif old["replicas"] != new["replicas"]:
            if (ref.namespace, ref.kind, ref.name) in self._scaled:
                return
            text = f"{ref.name} scaled {old['replicas']} → {new['replicas']} replicas"
            span = (str(old["replicas"]), str(new["replicas"]))
            await self._tell(ChangeKind.SCALE, ref, ref, text, span, version)

    async def _config_map(self, ref: WorkloadRef, before: Json | None, after: Json | None) -> None:
        if ref.name in NOISY:
            return
        about = self._users.get((ref.namespace, ref.name), ref)
        if after is None:
            await self._tell(
                ChangeKind.CONFIG, about, ref, f"config map {ref.name} deleted", ("", ""), "deleted"
            )
            return
        item = {**after["kept"], "metadata": {"uid": ref.uid}}
        try:
            earlier = before is None and bool(await self.history.versions_of(ref, 1))
            fresh = await self.history.save(ref, item, self.clock.now())
        except BackendError as error:
            log.warning("watch.version_not_kept", ref=str(ref), why=str(error))
            earlier, fresh = False, before is not None
        version = str(after["version"])
        if before is not None:
            text = f"config map {ref.name}: {_keys(before['kept'], after['kept'])}"
            await self._tell(ChangeKind.CONFIG, about, ref, text, ("", ""), version)
        elif earlier and fresh:
            text = f"config map {ref.name} changed while nobody watched"
            await self._tell(ChangeKind.CONFIG, about, ref, text, ("", ""), version)

    async def _tell(
        self,
        kind: ChangeKind,
        about: WorkloadRef,
        ref: WorkloadRef,
        text: str,
        span: tuple[str, str],
        version: str,
    ) -> None:
        spec = self.catalogue().service_of(about)
        if spec is None:
            return  # nobody asked us to look after it
        change = Change(
            at=self.clock.now(),
            kind=kind,
            service=spec.name,
            summary=text,
            before=span[0],
            after=span[1],
            workload=WorkloadRef(about.cluster, about.namespace, about.kind, about.name),
            source="kubernetes watch",
        )
        key = f"watch:{ref.cluster}:{ref.uid}:{version}"
        async with self.store.begin() as tx:
            if await tx.changes.add(change, key):
                log.info("change.seen", service=spec.name, kind=kind.value, object=str(ref))


def _maps(spec: Json) -> tuple[str, ...]:
    """Return the config maps a pod template reads."""
    pod = ((spec.get("template") or {}).get("spec")) or {}
    names = {(v.get("configMap") or {}).get("name") for v in pod.get("volumes") or ()}
    for each in pod.get("containers") or ():
        names |= {(s.get("configMapRef") or {}).get("name") for s in each.get("envFrom") or ()}
        for variable in each.get("env") or ():
            source = (variable.get("valueFrom") or {}).get("configMapKeyRef") or {}
            names.add(source.get("name"))
    return tuple(sorted(name for name in names if name))


def _keys(old: Json, new: Json) -> str:
    """Say which keys changed; values are never told: they may be secrets."""
    before, after = {**old["data"], **old["binaryData"]}, {**new["data"], **new["binaryData"]}
    parts = [
        ("changed", [k for k in after if k in before and before[k] != after[k]]),
        ("added", [k for k in after if k not in before]),
        ("removed", [k for k in before if k not in after]),
    ]
    return "; ".join(f"{word} {', '.join(sorted(keys))}" for word, keys in parts if keys)
