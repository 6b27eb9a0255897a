"""A Service that leads nowhere: its selector, its target port, its protocol, unready pods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from tools.doctor.named import Object
from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import ClusterState, containers_of, object_of
from tools.doctor.words import is_well
from tools.kubernetes_objects import Json, meta, template_of

_TEMPLATES = ("Deployment", "StatefulSet", "DaemonSet")
_BACK = ("config_rollback",)


def ports_of(pod: Json) -> list[Json]:
    """Return the ports that a pod's containers declare."""
    return [port for each in containers_of(pod) for port in each.spec.get("ports") or ()]


def meant_for(state: ClusterState, service: Json) -> list[Object]:
    """Return workloads that a Service was probably meant for, though it selects none of their pods.

    One selector label that differs is enough, or the Service's own name.
    """
    own = object_of(service, "Service")
    wanted = (service.get("spec") or {}).get("selector") or {}
    scores: Counter[Object] = Counter()
    for kind in _TEMPLATES:
        for item in state.of(kind):
            it = object_of(item, kind)
            labels = (template_of(item).get("metadata") or {}).get("labels") or {}
            if it.namespace != own.namespace or not labels:
                continue
            shared = len(wanted.items() & labels.items())
            scores[it] = 2 * (it.name == own.name) + shared
    best = max(scores.values(), default=0)
    return sorted(it for it, score in scores.items() if score == best) if best else []


def _named(service: Json) -> str:
    return str(meta(service).get("name", ""))


def _subject(state: ClusterState, service: Json, pods: list[Json]) -> Object:
    workloads = sorted({state.workload_of(pod) for pod in pods})
    return workloads[0] if len(workloads) == 1 else object_of(service, "Service")


def _selects_none(state: ClusterState) -> Iterator[Sign]:
    for service in state.of("Service"):
        spec = service.get("spec") or {}
        wanted = spec.get("selector") or {}
        if not wanted or spec.get("type") == "ExternalName" or state.selected(service):
            continue
        for it in meant_for(state, service)[:1]:
            pods = state.pods_of(it)
            item = state.find(it.kind, it.namespace, it.name) or {}
            labels = (template_of(item).get("metadata") or {}).get("labels") or {}
            if wanted.items() <= labels.items() or not pods:
                continue  # its pods are missing: that is another trouble
            shown = ", ".join(f"{k}={v}" for k, v in sorted(wanted.items()))
            have = ", ".join(f"{k}={v}" for k, v in sorted(labels.items()))
            yield Sign(it, f"Service {_named(service)} selects {shown}, no pod has that; those of "
                           f"{it.name} have {have}", (object_of(service, "Service"),))  # fmt: skip


def _named_port(state: ClusterState) -> Iterator[Sign]:
    for service, pods, port in _routed(state):
        target = port.get("targetPort")
        if isinstance(target, str) and not target.isdigit():
            names = sorted({str(each.get("name")) for pod in pods for each in ports_of(pod)})
            if target not in names:
                text = (f"Service {_named(service)} leads to port {target!r}, the pods name "
                        f"{', '.join(names) or 'none'}")  # fmt: skip
                yield Sign(_subject(state, service, pods), text, (object_of(service, "Service"),))


def _number_port(state: ClusterState) -> Iterator[Sign]:
    for service, pods, port in _routed(state):
        target = port.get("targetPort", port.get("port"))
        declared = sorted({int(e["containerPort"]) for pod in pods for e in ports_of(pod)})
        if str(target).isdigit() and declared and int(target) not in declared:
            shown = ", ".join(map(str, declared))
            text = f"Service {_named(service)} leads to port {target}, the pods open {shown}"
            yield Sign(_subject(state, service, pods), text, (object_of(service, "Service"),))


def _protocol(state: ClusterState) -> Iterator[Sign]:
    for service, pods, port in _routed(state):
        target = port.get("targetPort", port.get("port"))
        asked = port.get("protocol") or "TCP"
        opened = {
            each.get("protocol") or "TCP"
            for pod in pods
            for each in ports_of(pod)
            if str(each.get("containerPort")) == str(target) or each.get("name") == target
        }
        if opened and asked not in opened:
            text = (f"Service {_named(service)} speaks {asked} to port {target}, the pods open it "
                    f"for {', '.join(sorted(opened))}")  # fmt: skip
            yield Sign(_subject(state, service, pods), text, (object_of(service, "Service"),))


def _routed(state: ClusterState) -> Iterator[tuple[Json, list[Json], Json]]:
    for service in state.of("Service"):
        pods = state.selected(service)
        for port in (service.get("spec") or {}).get("ports") or ():
            if pods:
                yield service, pods, port


def _unready(state: ClusterState) -> Iterator[Sign]:
    for service in state.of("Service"):
        pods = state.selected(service)
        if pods and not any(is_well(pod) for pod in pods):
            count = len(pods)
            text = (
                f"none of the {count} pod{'s' * (count > 1)} behind Service "
                f"{_named(service)} is ready"
            )
            yield Sign(_subject(state, service, pods), text, (object_of(service, "Service"),))


ANALYSERS = (
    Analyser("service-selects-nothing", Link.START, _BACK,
             "selector of the Service, labels of the pods", _selects_none, 0),
    Analyser("service-port-name", Link.START, _BACK,
             "targetPort of the Service, names of the ports", _named_port, 0),
    Analyser("service-port-number", Link.START, _BACK,
             "targetPort of the Service, what the process listens on", _number_port, 1),
    Analyser("service-protocol", Link.START, _BACK,
             "protocol of the Service's port and the container's", _protocol, 1),
    Analyser("service-without-ready-pods", Link.SHOW, (), "why its pods are not ready",
             _unready, 9),
)  # fmt: skip
