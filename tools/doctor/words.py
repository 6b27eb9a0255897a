"""Signs that the cluster says in words: a container that waits, an event about an object.

    waiting containers, fresh events of pods that are not well ──pattern──> Sign

What an event said of a pod that is well now is over: the sign is told as past.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import re2

from tools.doctor.named import Object
from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import ClusterState, containers_of
from tools.kubernetes_objects import Json, meta
from tools.ownership import wanted_pods

LONGEST = 400  # characters of a message that a sign repeats


@dataclass(frozen=True, slots=True)
class Saying:
    """What was said of one object of a workload."""

    workload: Object
    subject: str  # the object it was said of, by name
    message: str
    since: datetime | None
    ended: datetime | None


Source = Callable[[ClusterState], Iterator[Saying]]


def of_pods(waiting: tuple[str, ...], events: tuple[str, ...]) -> Source:
    """Return what waiting containers and events say of pods."""

    def source(state: ClusterState) -> Iterator[Saying]:
        for each in state.containers():
            reason, text = each.waiting.get("reason", ""), each.waiting.get("message", "")
            if reason in waiting:
                name = meta(each.pod).get("name", "")
                owner = state.workload_of(each.pod)
                yield Saying(owner, name, f"{reason}: {text}", None, None)
        for subject, event in state.events_with(*events):
            pod = state.find(subject.kind, subject.namespace, subject.name)
            if pod is None or subject.kind != "Pod":
                continue
            now = state.is_fresh(event) and not is_well(pod)
            owner, message = state.workload_of(pod), event.message
            yield Saying(owner, subject.name, message, event.began, None if now else event.at)

    return source


def of_makers(*reasons: str) -> Source:
    """Return what events say of workloads that cannot make their pods."""

    def source(state: ClusterState) -> Iterator[Saying]:
        for subject, event in state.events_with(*reasons):
            maker = state.find(subject.kind, subject.namespace, subject.name)
            if maker is None or subject.kind == "Pod":
                continue
            owner = state.owner_of(maker, subject.kind)
            now = state.is_fresh(event) and _lacks_pods(maker, subject)
            yield Saying(owner, subject.name, event.message, event.began, None if now else event.at)
        for kind in ("ReplicaSet", "Deployment"):
            for item in state.of(kind):
                yield from _conditions(state, item, kind)

    return source


def by_words(
    name: str,
    source: Source,
    pattern: str,
    what: str,
    *,
    role: Link = Link.START,
    remedies: tuple[str, ...] = (),
    settle: str = "",
    rank: int = 2,
) -> Analyser:
    """Return an analyser of what is said; `what` may name the pattern's groups."""
    compiled = re2.compile(f"(?i){pattern}")

    def look(state: ClusterState) -> Iterator[Sign]:
        seen: set[tuple[Object, str, bool]] = set()
        for told in source(state):
            match = compiled.search(told.message)
            if match is None:
                continue
            words = {key: value or "" for key, value in match.groupdict().items()}
            sentence = what.format(subject=told.subject, **words)
            key = (told.workload, sentence, told.ended is None)
            if key not in seen:
                seen.add(key)
                text = f"{sentence}: {shortened(told.message)}"
                yield Sign(told.workload, text, since=told.since, ended=told.ended)

    return Analyser(name, role, remedies, settle, look, rank)


def shortened(message: str) -> str:
    """Return a message on one line, its beginning when it is long."""
    text = " ".join(message.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def is_well(pod: Json) -> bool:
    """Say whether every container of a pod that should run is ready."""
    return all(
        each.ready or bool(each.terminated and each.terminated.get("exitCode") == 0)
        for each in containers_of(pod)
        if each.of != "ephemeralContainers"
    )


def _lacks_pods(maker: Json, subject: Object) -> bool:
    wanted = wanted_pods(maker, subject.kind)
    status = maker.get("status") or {}
    has = status.get("replicas", status.get("currentNumberScheduled", status.get("active", 0)))
    return wanted is None or int(has or 0) < wanted


def _conditions(state: ClusterState, item: Json, kind: str) -> Iterator[Saying]:
    for each in (item.get("status") or {}).get("conditions") or ():
        if each.get("type") == "ReplicaFailure" and str(each.get("status")) == "True":
            owner, name = state.owner_of(item, kind), meta(item).get("name", "")
            yield Saying(owner, name, str(each.get("message", "")), None, None)
