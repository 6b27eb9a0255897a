"""A recorded case becomes the state that a cluster's ports would have handed over.

    tool_cache.json (texts of kubectl and of checks) ──> objects, events, units of nodes

Nothing of the answer and nothing of the case's path is read here. What no port of ours delivers
(connectivity tried from a debug pod, secrets) stays out.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import yaml

from bench.cloudops import described
from tools.doctor import ClusterState, Object, UnitState
from tools.world import ClusterEvent, WorkloadRef

Json = dict[str, Any]
_ZONE = timezone(timedelta(hours=8))  # the recording machine's
_KINDS = {
    "pods": "Pod", "nodes": "Node", "services": "Service", "deployments": "Deployment",
    "replicasets": "ReplicaSet", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet",
    "persistentvolumeclaims": "PersistentVolumeClaim", "persistentvolumes": "PersistentVolume",
    "storageclasses": "StorageClass", "resourcequota": "ResourceQuota",
    "serviceaccounts": "ServiceAccount", "namespaces": "Namespace",
}  # fmt: skip
_WHOLE = {
    "Node": described.node, "Service": described.service, "PersistentVolume": described.volume,
    "StorageClass": described.storage_class, "ResourceQuota": described.quota,
}  # fmt: skip
_CLUSTER_WIDE = {"Node", "PersistentVolume", "StorageClass", "Namespace"}


class Case:
    """One recorded case."""

    def __init__(
        self, cache: Mapping[str, Any], namespace: str, logs: Mapping[str, list[str]]
    ) -> None:
        """Read the cached texts; `namespace` is where the application runs, `logs` are by name."""
        self._cache, self._space, self._logs = cache, namespace, logs
        told = datetime.fromisoformat(str(cache["collection_timestamp"]))
        self.at = told.replace(tzinfo=_ZONE).astimezone(UTC)
        self._described = self._by_kind()
        self._manifests = self._declared()

    def state(self) -> ClusterState:
        """Return what the doctor looks at."""
        objects: dict[str, list[Json]] = {kind: [] for kind in _KINDS.values()}
        for kind, read in _WHOLE.items():
            objects[kind] = [read(text) for text in self._described[kind].values()]
        objects["PersistentVolumeClaim"] = [
            self._claim(t) for t in self._described["PersistentVolumeClaim"].values()
        ]
        objects["Deployment"] = self._deployments()
        objects["ReplicaSet"] = self._replica_sets()
        objects["Pod"] = self._pods()
        return ClusterState(
            self.at, objects, list(self._events()), list(self._units()), self._lines()
        )

    def _lines(self) -> dict[Object, list[str]]:
        return {Object("Deployment", self._space, n): lines for n, lines in self._logs.items()}

    # ------------------------------------------------------------------ texts

    def _by_kind(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for key, text in self._cache.items():
            tool, _, arguments = key.partition(":")
            if tool == "DescribeResource" and isinstance(text, str):
                asked = json.loads(arguments)
                kind = _KINDS.get(asked["resource_type"])
                if kind and text.startswith("Name:"):
                    found[kind][asked["name"]] = text
        return found

    def _table(self, resource: str, **flags: bool) -> list[dict[str, str]]:
        asked = {"resource_type": resource, "name": "", "namespace": self._space, **flags}
        key = f"GetResources:{json.dumps(asked, separators=(',', ':'))}"
        return described.rows(str(self._cache.get(key) or ""))

    def _declared(self) -> dict[tuple[str, str], Json]:
        found: dict[tuple[str, str], Json] = {}
        for key, text in self._cache.items():
            if key.startswith("GetAppYAML:") and isinstance(text, str):
                try:
                    documents = list(yaml.safe_load_all(text))
                except yaml.YAMLError:
                    continue
                for each in documents:
                    if isinstance(each, dict) and "kind" in each:
                        found[each["kind"], str(each["metadata"]["name"])] = each
        return found

    # ------------------------------------------------------------------ objects

    def _deployments(self) -> list[Json]:
        found = []
        for row in self._table("deployments"):
            item = json.loads(
                json.dumps(self._manifests.get(("Deployment", row["NAME"]), {}), default=str)
            )
            ready, _, wanted = row.get("READY", "").partition("/")
            item.setdefault("metadata", {}).update({"name": row["NAME"], "namespace": self._space})
            item.setdefault("spec", {})["replicas"] = int(wanted or 0)
            item["status"] = {
                "readyReplicas": int(ready or 0),
                "updatedReplicas": int(row.get("UP-TO-DATE") or 0),
                "conditions": self._conditions(row["NAME"]),
            }  # fmt: skip
            found.append(item)
        return found

    def _conditions(self, deployment: str) -> list[Json]:
        text = self._described["Deployment"].get(deployment, "")
        found = []
        for line in described.fields(text).get("Conditions") or []:
            parts = line.split()
            if len(parts) == 3 and parts[1] in {"True", "False", "Unknown"}:
                found.append({"type": parts[0], "status": parts[1], "reason": parts[2]})
        return found

    def _replica_sets(self) -> list[Json]:
        found = []
        for row in self._table("replicasets"):
            text = self._described["ReplicaSet"].get(row["NAME"], "")
            owner = described.one(described.fields(text), "Controlled By").partition("/")[2]
            found.append({
                "metadata": {
                    "name": row["NAME"], "namespace": self._space,
                    "ownerReferences": [{"kind": "Deployment", "name": owner}] if owner else [],
                },
                "spec": {"replicas": int(row.get("DESIRED") or 0)},
                "status": {
                    "replicas": int(row.get("CURRENT") or 0),
                    "readyReplicas": int(row.get("READY") or 0),
                },
            })  # fmt: skip
        return found

    def _pods(self) -> list[Json]:
        found = []
        for name, text in self._described["Pod"].items():
            told = described.fields(text)
            labels = described.pairs(told, "Labels")
            kind, _, owner = described.one(told, "Controlled By").partition("/")
            seen = described.pod_status(text)
            spec = json.loads(json.dumps(self._template_of(owner).get("spec") or {}, default=str))
            declared = {each["name"]: each for each in spec.get("containers") or ()}
            for group, key in (
                ("initContainers", "initContainerStatuses"),
                ("containers", "containerStatuses"),
            ):
                names = [each["name"] for each in seen["status"][key]]
                known = {each["name"]: each for each in spec.get(group) or ()} or declared
                written = [known.get(each, {"name": each}) for each in names]
                spec[group] = written or list(spec.get(group) or ())
            if seen["nodeName"]:
                spec["nodeName"] = seen["nodeName"]
            made = self._ages().get(name)
            found.append({
                "metadata": {
                    "name": name, "namespace": self._space, "labels": labels,
                    "ownerReferences": [{"kind": kind, "name": owner}] if owner else [],
                    "creationTimestamp": (self.at - made).isoformat() if made else None,
                },
                "spec": spec, "status": seen["status"],
            })  # fmt: skip
        return found

    def _ages(self) -> dict[str, timedelta]:
        return {row["NAME"]: described.age(row.get("AGE", "")) for row in self._table("pods")}

    def _template_of(self, replica_set: str) -> Json:
        text = self._described["ReplicaSet"].get(replica_set, "")
        deployment = described.one(described.fields(text), "Controlled By").partition("/")[2]
        manifest = self._manifests.get(("Deployment", deployment), {})
        template: Json = (manifest.get("spec") or {}).get("template") or {}
        return template

    def _claim(self, text: str) -> Json:
        item = described.claim(text)
        declared = self._manifests.get(("PersistentVolumeClaim", item["metadata"]["name"]), {})
        spec = {key: value for key, value in item["spec"].items() if value}
        item["spec"] = {**(declared.get("spec") or {}), **spec}
        return item

    # ------------------------------------------------------------------ events, nodes

    def _events(self) -> Iterator[ClusterEvent]:
        for kind, texts in self._described.items():
            place = "" if kind in _CLUSTER_WIDE else self._space
            for name, text in texts.items():
                for each in described.events(text, self.at):
                    about = WorkloadRef("", place, kind, name)
                    yield ClusterEvent(
                        each.last,
                        about,
                        each.type,
                        each.reason,
                        each.message,
                        each.count,
                        each.first,
                    )

    def _units(self) -> Iterator[UnitState]:
        for key, text in self._cache.items():
            tool, _, arguments = key.partition(":")
            active = re.search(r"Active: (\w+)", str(text))
            if tool == "CheckNodeServiceStatus" and active:
                asked = json.loads(arguments)
                yield UnitState(asked["node_name"], asked["service_name"], active[1] == "active")
