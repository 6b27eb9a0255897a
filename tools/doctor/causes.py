"""Which signs are causes: those that start something, are so now, and are felt.

    Found ──felt?──> chain: start ─> workload not ready, Service without pods, callers' lines

A misfit that nobody feels is a *suspect* (it may have been there for months); what is over and what
only shows is neither. Of several causes the one that is felt in the objects themselves comes first,
then the one that others' log lines name, then by rank: why before that.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from tools.analysis.blame import Blame
from tools.doctor.named import Object
from tools.doctor.services.addresses import addresses
from tools.doctor.services.ingresses import backends
from tools.doctor.sign import Found, Link
from tools.doctor.state import ClusterState, object_of
from tools.doctor.words import is_well
from tools.kubernetes_objects import meta
from tools.ownership import wanted_pods


class Felt(IntEnum):
    """How a sign is felt; less comes first."""

    IN_OBJECTS = 0  # what it is about, or what suffers from it, is not well
    IN_LINES = 1  # log lines blame a way that leads through it
    WANTED = 2  # somebody's environment names the way, or lacks what it keeps from them
    NOWHERE = 3


@dataclass(frozen=True, slots=True)
class ObjectCause:
    """A start with what it is felt by; `shows` are its symptoms, worst first."""

    found: Found
    felt: Felt
    shows: tuple[Found, ...]
    blamed: int  # log lines that name it

    @property
    def is_cause(self) -> bool:
        """Whether it is felt: else it is a suspect."""
        return self.felt is not Felt.NOWHERE


def causes(
    state: ClusterState, found: Iterable[Found], lines: Mapping[Blame, int]
) -> tuple[ObjectCause, ...]:
    """Return what may have begun it, causes first, then suspects; one per object."""
    all_found = list(found)
    ill = _ill(state)
    named = _named(state, lines)
    explained = _explained(all_found)
    wanted = _wanted(state)
    shown: dict[Object, list[Found]] = {}
    for each in all_found:
        if each.present and each.by.role is Link.SHOW:
            shown.setdefault(each.sign.subject, []).append(each)
    chosen: dict[Object, ObjectCause] = {}
    for each in all_found:
        if not each.starts or _key(each) in explained:
            continue
        about = {each.sign.subject, *each.sign.victims}
        ways = _ways(state, each)
        count = sum(named.get(name, 0) for name in ways)
        felt = Felt.NOWHERE
        if each.sign.is_missed or (each.by.felt_in_objects and ways & wanted):
            felt = Felt.WANTED
        if count:
            felt = Felt.IN_LINES
        if each.by.felt_in_objects and (about & ill or each.sign.subject.kind == "Node"):
            felt = Felt.IN_OBJECTS
        shows = tuple(s for subject in sorted(about) for s in shown.get(subject, ()))
        cause = ObjectCause(each, felt, shows, count)
        old = chosen.get(each.sign.subject)
        if old is None or _order(cause) < _order(old):
            chosen[each.sign.subject] = cause
    return tuple(sorted(chosen.values(), key=_order))


def _order(cause: ObjectCause) -> tuple[object, ...]:
    sign = cause.found.sign
    breadth = -len(sign.victims)
    return (cause.felt, cause.found.by.rank, breadth, -cause.blamed, sign.subject, sign.sentence)


def _key(found: Found) -> tuple[str, Object, str]:
    return (found.by.name, found.sign.subject, found.sign.sentence)


def _explained(found: list[Found]) -> set[tuple[str, Object, str]]:
    """Return starts at workloads that suffer from a start below them: a node, a quota."""
    below = {
        victim
        for each in found
        if each.starts and each.sign.subject.kind in {"Node", "Namespace", "Component"}
        for victim in each.sign.victims
    }
    return {
        _key(each)
        for each in found
        if each.starts and each.sign.subject in below and each.by.rank > 1
    }


def _ill(state: ClusterState) -> set[Object]:
    """Return workloads with a pod that is not ready or is missing."""
    ill = {state.workload_of(pod) for pod in state.pods if not is_well(pod)}
    for kind in ("Deployment", "StatefulSet", "DaemonSet"):
        for item in state.of(kind):
            wanted, status = wanted_pods(item, kind), item.get("status") or {}
            ready = int(status.get("readyReplicas", status.get("numberReady", 0)) or 0)
            if wanted and ready < wanted:
                ill.add(object_of(item, kind))
    return ill


def _wanted(state: ClusterState) -> set[str]:
    """Return names of Services that somebody is told to call, inside or from outside."""
    wanted = {each.name for each in addresses(state)}
    for service in state.of("Service"):
        if (service.get("spec") or {}).get("type") in {"NodePort", "LoadBalancer"}:
            wanted.add(str(meta(service).get("name", "")))
    for ingress in state.of("Ingress"):
        wanted |= {str(each.get("name", "")) for each in backends(ingress)}
    return wanted


def _ways(state: ClusterState, found: Found) -> set[str]:
    """Return names under which others reach what a sign is about."""
    about = {found.sign.subject, *found.sign.victims}
    fronts = {name for each in about for name in state.fronts(each)}
    return {each.name for each in about} | fronts | set(found.sign.names)


def _named(state: ClusterState, lines: Mapping[Blame, int]) -> dict[str, int]:
    """Return how many lines blame each name: of Services, also by their address or their pods'."""
    counted: dict[str, int] = {}
    for blame, count in lines.items():
        for name in _names_of(state, blame.host):
            counted[name] = counted.get(name, 0) + count
    return counted


def _names_of(state: ClusterState, host: str) -> set[str]:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return {host.partition(".")[0]}
    found = set()
    for service in state.of("Service"):
        spec = service.get("spec") or {}
        if host in {spec.get("clusterIP"), *(spec.get("clusterIPs") or ())}:
            found.add(str(meta(service).get("name", "")))
    for pod in state.pods:
        if (pod.get("status") or {}).get("podIP") == host:
            found.add(state.workload_of(pod).name)
    return found
