"""Kubernetes objects from short forms: a workload with its pods that are well, and what is not.

{deployment: {name, replicas}} ──> Deployment, ReplicaSet, Pods, Service
{pod: {of, name, state, …}}    ──> takes the place of one pod of that workload
whole manifests                ──> as they are
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from bench.stories.story import SPACE, Story, StoryError

Json = dict[str, Any]
_WORKLOADS = {"deployment": "Deployment", "statefulset": "StatefulSet", "daemonset": "DaemonSet"}
_TIMES = ("startedAt", "finishedAt")
AGE = timedelta(days=3)


class Shapes:
    """The objects of one incident while they are put together."""

    def __init__(self, story: Story) -> None:
        """Read the story's short forms."""
        self._story = story
        self._objects: dict[tuple[str, str, str], Json] = {}
        self._made = (story.at - AGE).isoformat()
        later: list[Mapping[str, Any]] = []
        for entry in story.part("objects"):
            if "kind" in entry:
                self._put(dict(entry))
                continue
            ((form, given),) = entry.items()
            if form in _WORKLOADS:
                self._workload(_WORKLOADS[form], given)
            else:
                later.append(entry)
        for entry in later:
            ((form, given),) = entry.items()
            self._other(form, given)
        self._nodes()

    def all(self) -> list[Json]:
        """Return the objects."""
        return list(self._objects.values())

    def _put(self, item: Json) -> None:
        meta = item.setdefault("metadata", {})
        meta.setdefault("creationTimestamp", self._made)
        self._objects[item["kind"], meta.get("namespace", ""), meta["name"]] = item

    def _workload(self, kind: str, given: Mapping[str, Any]) -> None:
        name, space = given["name"], given.get("namespace", SPACE)
        wanted = int(given.get("replicas", 1))
        ready = int(given.get("ready", wanted))
        labels = {"app": name, **(given.get("labels") or {})}
        port = int(given.get("port", 8080))
        limits = {key: str(given[key]) for key in ("memory", "cpu") if key in given}
        container: Json = {
            "name": name, "image": given.get("image", f"registry.example/{name}:1.0.0"),
            "ports": [{"containerPort": port}],
            "env": [{"name": k, "value": str(v)} for k, v in (given.get("env") or {}).items()],
            "resources": {"requests": limits, "limits": limits},
        }  # fmt: skip
        spec: Json = {"containers": [container], **(given.get("extra") or {})}
        template = {"metadata": {"labels": labels}, "spec": spec}
        status = {
            "replicas": wanted, "readyReplicas": ready, "updatedReplicas": wanted,
            "availableReplicas": ready, "currentNumberScheduled": wanted, "numberReady": ready,
            "desiredNumberScheduled": wanted, "conditions": [],
        }  # fmt: skip
        self._put({
            "kind": kind, "metadata": {"name": name, "namespace": space, "labels": labels},
            "spec": {"replicas": wanted, "selector": {"matchLabels": labels}, "template": template},
            "status": status,
        })  # fmt: skip
        owner = {"kind": kind, "name": name, "controller": True}
        if kind == "Deployment":
            self._put({
                "kind": "ReplicaSet",
                "metadata": {"name": f"{name}-5d8", "namespace": space, "labels": labels,
                             "ownerReferences": [owner]},
                "spec": {"replicas": wanted, "selector": {"matchLabels": labels}},
                "status": {"replicas": wanted, "readyReplicas": ready},
            })  # fmt: skip
            owner = {"kind": "ReplicaSet", "name": f"{name}-5d8", "controller": True}
        for place in range(wanted):
            suffix = (
                str(place) if kind == "StatefulSet" else f"5d8-{'abcdefghij'[place % 10]}{place}"
            )
            self._put(self._pod(f"{name}-{suffix}", space, labels, owner, spec, given, place))
        if given.get("service", True):
            self._put(_service({"name": name, "namespace": space, "selector": labels,
                                "port": port, "target": port}))  # fmt: skip

    def _pod(
        self, name: str, space: str, labels: Json, owner: Json, spec: Json,
        given: Mapping[str, Any], place: int,
    ) -> Json:  # fmt: skip
        node = given.get("node", f"n{place % 2 + 1}")
        return {
            "kind": "Pod",
            "metadata": {"name": name, "namespace": space, "labels": labels,
                         "ownerReferences": [owner]},
            "spec": {**spec, "nodeName": node, "restartPolicy": "Always"},
            "status": {
                "phase": "Running", "podIP": f"10.0.{len(self._objects) % 250}.{place + 2}",
                "conditions": [{"type": "PodScheduled", "status": "True"},
                               {"type": "Ready", "status": "True"}],
                "containerStatuses": [{
                    "name": spec["containers"][0]["name"], "ready": True, "restartCount": 0,
                    "state": {"running": {"startedAt": self._made}}, "lastState": {},
                }],
            },
        }  # fmt: skip

    def _other(self, form: str, given: Mapping[str, Any]) -> None:
        if form == "pod":
            self._sick_pod(given)
        elif form == "service":
            self._put(_service(given))
        elif form == "node":
            self._put(_node(given))
        else:
            raise StoryError(f"{self._story.name}: no short form {form!r}; write the manifest")

    def _sick_pod(self, given: Mapping[str, Any]) -> None:
        """Let a pod take the place of the last one of its workload that is well."""
        space, of = given.get("namespace", SPACE), given["of"]
        pods = [
            (key, item)
            for key, item in self._objects.items()
            if key[0] == "Pod" and key[1] == space and key[2].startswith(f"{of}-")
            and item["status"]["containerStatuses"][:1] and _is_well(item)
        ]  # fmt: skip
        if not pods:
            raise StoryError(f"{self._story.name}: pod of {of!r}: no workload of that name has one")
        key, pod = pods[-1]
        del self._objects[key]
        pod["metadata"]["name"] = given.get("name", pod["metadata"]["name"])
        status = pod["status"]["containerStatuses"][0]
        ready = bool(given.get("ready", False))
        status["ready"] = ready
        status["restartCount"] = int(given.get("restarts", 0))
        if "state" in given:
            status["state"] = {k: self._dated(v or {}) for k, v in given["state"].items()}
        if "last" in given:
            status["lastState"] = {"terminated": self._dated(given["last"])}
        for place in pod["status"]["conditions"]:
            if place["type"] == "Ready":
                place["status"] = str(ready)
        pod["status"]["phase"] = given.get("phase", pod["status"]["phase"])
        pod["status"]["conditions"] += given.get("conditions") or []
        if "node" in given:
            pod["spec"] = {**pod["spec"], "nodeName": given["node"]}
        if given.get("node", "") is None or given.get("phase") == "Pending":
            pod["spec"] = {k: v for k, v in pod["spec"].items() if k != "nodeName"}
            if "state" not in given:
                pod["status"]["containerStatuses"] = []
            pod["status"]["conditions"] = list(given.get("conditions") or ())
        self._put(pod)
        if not ready:
            self._fewer(space, of)

    def _fewer(self, space: str, of: str) -> None:
        """Count one ready pod less where the workload's form does not say how many are."""
        pods = [i for k, i in self._objects.items() if k[0] == "Pod" and k[1] == space
                and k[2].startswith(f"{of}-")]  # fmt: skip
        ready = sum(_is_well(pod) for pod in pods)
        for (kind, here, name), item in self._objects.items():
            of_it = kind in {*_WORKLOADS.values(), "ReplicaSet"} and name in {of, f"{of}-5d8"}
            if here == space and of_it:
                item["status"] |= {
                    "readyReplicas": ready, "availableReplicas": ready, "numberReady": ready,
                }  # fmt: skip

    def _dated(self, given: Mapping[str, Any]) -> Json:
        return {
            key: self._story.when(value).isoformat() if key in _TIMES else value
            for key, value in given.items()
        }

    def _nodes(self) -> None:
        named = {
            item["spec"]["nodeName"]
            for (kind, _, _), item in self._objects.items()
            if kind == "Pod" and item["spec"].get("nodeName")
        }
        for name in sorted(named):
            if ("Node", "", name) not in self._objects:
                self._put(_node({"name": name}))


def _is_well(pod: Json) -> bool:
    return all(each["ready"] for each in pod["status"]["containerStatuses"] or [{"ready": False}])


def _service(given: Mapping[str, Any]) -> Json:
    port = int(given.get("port", 80))
    return {
        "kind": "Service",
        "metadata": {"name": given["name"], "namespace": given.get("namespace", SPACE)},
        "spec": {
            "selector": dict(given.get("selector") or {}), "type": given.get("type", "ClusterIP"),
            "clusterIP": "10.96.0.1" + str(len(given["name"])),
            "ports": [{"port": port, "targetPort": given.get("target", port), "protocol": "TCP"}],
        },
    }  # fmt: skip


def _node(given: Mapping[str, Any]) -> Json:
    ready = "True" if given.get("ready", True) else given.get("status", "False")
    conditions = [{"type": "Ready", "status": ready, **(given.get("why") or {})}]
    return {
        "kind": "Node",
        "metadata": {"name": given["name"], "labels": dict(given.get("labels") or {})},
        "spec": {
            "unschedulable": bool(given.get("cordoned", False)),
            "taints": list(given.get("taints") or ()),
        },
        "status": {
            "conditions": [*conditions, *(given.get("conditions") or ())],
            "allocatable": {
                "cpu": str(given.get("cpu", "8")), "memory": str(given.get("memory", "32Gi")),
                "pods": "110",
            },
        },
    }  # fmt: skip
