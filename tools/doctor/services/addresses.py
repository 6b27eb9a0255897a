"""Addresses in environments that lead to no Service, or to a port that it does not have.

    REDIS_ADDR=redis-crat:6379   ──> no Service of that name
    MY_API_ADDR=my-api:7071      ──> Service my-api has 7070

Only what reads as `host:port` or a URL is an address, and only names without a dot or inside the
cluster are judged: others live outside and nothing here can say whether they exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import re2

from tools.doctor.named import Object
from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import WORKLOADS, ClusterState, containers_of, object_of
from tools.kubernetes_objects import Json

_ADDRESS = re2.compile(
    r"^(?:[a-z][a-z0-9+.-]*://)?(?:[^/@\s]*@)?"
    r"(?P<host>[a-z]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9-]+)*):(?P<port>\d{1,5})(?:[/?].*)?$"
)
_INSIDE = re2.compile(
    r"^(?P<name>[a-z0-9-]+)(?:\.(?P<space>[a-z0-9-]+)(?:\.svc(?:\.[a-z0-9.-]+)?)?)?$"
)
_SELF = frozenset({"localhost"})


@dataclass(frozen=True, slots=True)
class Address:
    """An address that a workload's environment names."""

    workload: Object
    variable: str
    text: str
    name: str
    namespace: str
    port: int


def addresses(state: ClusterState) -> Iterator[Address]:
    """Yield the addresses inside the cluster that environments of running pods name, once each."""
    spaces = {object_of(each, "Service").namespace for each in state.of("Service")}
    seen = set()
    for pod in state.pods:
        for found in _of(state, pod, spaces):
            if found not in seen:
                seen.add(found)
                yield found


def _of(state: ClusterState, pod: Json, spaces: set[str]) -> Iterator[Address]:
    own = object_of(pod, "Pod")
    for container in containers_of(pod):
        for each in container.spec.get("env") or ():
            text = str(each.get("value") or "").strip()
            match = _ADDRESS.match(text) if len(text) <= 500 else None
            inside = _INSIDE.match(match["host"]) if match else None
            if match is None or inside is None or match["host"] in _SELF:
                continue
            space = inside["space"] or own.namespace
            if space in spaces:
                owner = state.workload_of(pod)
                yield Address(
                    owner, each.get("name", ""), text, inside["name"], space, int(match["port"])
                )


def _nobody(state: ClusterState) -> Iterator[Sign]:
    """One caller has a wrong address; of several the same Service is missing."""
    if not state.reads("Service"):
        return
    missing: dict[tuple[str, str], list[Address]] = {}
    for each in addresses(state):
        if state.find("Service", each.namespace, each.name) is None:
            missing.setdefault((each.namespace, each.name), []).append(each)
    for (space, name), asked in missing.items():
        callers = sorted({each.workload for each in asked})
        if len(callers) == 1 and not _is_workload(state, space, name):
            first = asked[0]
            text = (
                f"{first.variable}={first.text} of {first.workload.name}: there is no "
                f"Service {name}"
            )
            yield Sign(first.workload, text, names=(name,))


def _gone(state: ClusterState) -> Iterator[Sign]:
    if not state.reads("Service"):
        return
    missing: dict[tuple[str, str], set[Object]] = {}
    for each in addresses(state):
        if state.find("Service", each.namespace, each.name) is None:
            missing.setdefault((each.namespace, each.name), set()).add(each.workload)
    for (space, name), callers in missing.items():
        if len(callers) > 1 or _is_workload(state, space, name):
            who = ", ".join(each.name for each in sorted(callers))
            yield Sign(Object("Service", space, name),
                f"there is no Service {name}, "
                f"which {who} call",
                       names=(name,))  # fmt: skip


def _is_workload(state: ClusterState, space: str, name: str) -> bool:
    return any(state.find(kind, space, name) is not None for kind in WORKLOADS)


def _no_port(state: ClusterState) -> Iterator[Sign]:
    for each in addresses(state):
        service = state.find("Service", each.namespace, each.name)
        told = [
            int(p.get("port", 0)) for p in ((service or {}).get("spec") or {}).get("ports") or ()
        ]
        if service is not None and told and each.port not in told:
            if _is_reached(state, each):
                continue
            ports = ", ".join(map(str, sorted(told)))
            text = (f"{each.variable}={each.text} of {each.workload.name}: Service {each.name} "
                    f"has port {ports}")  # fmt: skip
            yield Sign(each.workload, text, names=(each.name,))


def _is_reached(state: ClusterState, address: Address) -> bool:
    """Say whether the Service is headless and its pods open that port themselves."""
    service = state.find("Service", address.namespace, address.name) or {}
    if (service.get("spec") or {}).get("clusterIP") != "None":
        return False
    return any(
        int(port.get("containerPort", 0)) == address.port
        for pod in state.selected(service)
        for container in containers_of(pod)
        for port in container.spec.get("ports") or ()
    )


ANALYSERS = (
    Analyser("address-of-nobody", Link.START, ("config_rollback", "deployment_rollback"),
                 "the variable's value against the "
                 "Services there are", _nobody, 2, felt_in_objects=False),
    Analyser("service-missing", Link.START, (), "who deleted the Service, or why it was not made",
             _gone, 2, felt_in_objects=False),
    Analyser("address-with-other-port", Link.START, ("config_rollback", "deployment_rollback"),
             "the variable's port against the Service's", _no_port, 2, felt_in_objects=False),
)  # fmt: skip
