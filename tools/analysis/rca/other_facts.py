"""Changes, events, alerts and traces as facts.

change ──────> what may have triggered a start of its subject; alone at most a suspect
event ───────> a start where it says why (killed for memory, evicted), else a symptom (BackOff)
alert ───────> a symptom, written by whoever wrote the series
slow traces ─> whose own work holds most of their time
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta

import re2

from foundation.encodings import writable
from foundation.shortened import shortened_line
from tools.analysis.facts import Edge, Fact, Link, StartClass, service
from tools.analysis.symptoms import SeenAlert, SeenChange, SeenEvent, SeenTraces
from tools.world import Change, ChangeKind

HOT_SHARE = 0.5  # of the slowest traces' time in one operation: from here on it says something
REMEDIES: Mapping[ChangeKind, tuple[str, ...]] = {
    ChangeKind.DEPLOY: ("deployment_rollback",),
    ChangeKind.CONFIG: ("config_rollback",),
    ChangeKind.SCALE: ("hpa_scale",),
}
_VERSION = re2.compile(r"\d+(?:\.\d+){1,3}(?:[-+][\w.]+)?")
# What events say by themselves; of what is now the objects tell more.
SAID: Mapping[str, tuple[str, Link, StartClass, tuple[str, ...]]] = {
    "OOMKilling": (
        "{who} is killed for using more memory than its limit",
        Link.START, StartClass.TERMINAL, ("pod_restart",),
    ),
    "OOMKilled": (
        "{who} is killed for using more memory than its limit",
        Link.START, StartClass.TERMINAL, ("pod_restart",),
    ),
    "SystemOOM": (
        "a node of {who} is out of memory", Link.START, StartClass.TERMINAL, ("drain",)
    ),
    "NodeNotReady": (
        "a node of {who} is not ready", Link.START, StartClass.TERMINAL, ("drain",)
    ),
    "Evicted": ("pods of {who} were evicted from their node", Link.START, StartClass.TERMINAL, ()),
    "FailedMount": ("{who} cannot mount a volume", Link.START, StartClass.TERMINAL, ()),
    "FailedScheduling": ("{who} has pods that no node takes", Link.START, StartClass.TERMINAL, ()),
    "ErrImagePull": (
        "the image of {who} cannot be pulled",
        Link.START, StartClass.TERMINAL, ("deployment_rollback",),
    ),
    "BackOff": ("{who} ends again and again after its start", Link.SHOW, StartClass.MISFIT, ()),
    "CrashLoopBackOff": (
        "{who} ends again and again after its start", Link.SHOW, StartClass.MISFIT, ()
    ),
    "Unhealthy": ("probes of {who} fail", Link.SHOW, StartClass.MISFIT, ()),
}  # fmt: skip


def change_facts(seen: Iterable[SeenChange]) -> list[Fact]:
    """Return changes; what they are guilty of the tests say."""
    return [
        Fact(
            subject=service(each.change.service),
            predicate=f"changed-{each.change.kind.value}",
            role=Link.START,
            sentence=change_sentence(each.change),
            source="changes",
            writer=each.change.source or "changes",
            start_class=StartClass.MISFIT,
            since=each.change.at,
            evidence=each.evidence,
            names=_versions(each.change),
            remedies=REMEDIES.get(each.change.kind, ()),
            settle=f"metrics and logs of {each.change.service} around {each.change.at:%H:%M} UTC",
            kind=each.change.kind.value,
            rank=3,
        )
        for each in seen
    ]


def change_sentence(change: Change) -> str:
    """Return a change as people tell it."""
    move = f" ({change.before} → {change.after})" if change.before and change.after else ""
    said = "" if move else f": {change.summary}"
    return (
        f"{change.kind.value.capitalize()} of {change.service}{move} at {change.at:%H:%M} UTC{said}"
    )


def _versions(change: Change) -> tuple[str, ...]:
    """Return the versions that are new with a change."""
    new = change.after or change.summary
    found = _VERSION.findall(writable(new))
    old = set(_VERSION.findall(writable(change.before)))
    return tuple(dict.fromkeys(each for each in found if each not in old))


def event_facts(seen: Iterable[SeenEvent]) -> list[Fact]:
    """Return what events say of services; only reasons that are known to say something."""
    found = []
    for each in seen:
        event, said = each.event, SAID.get(each.event.reason)
        if said is None or not (event.type == "Warning" or "OOM" in event.reason):
            continue
        what, role, kind, remedies = said
        times = f" ({event.count} times)" if event.count > 1 else ""
        found.append(
            Fact(
                subject=service(each.service),
                predicate=f"event-{event.reason.lower()}",
                role=role,
                sentence=f"{what.format(who=each.service)}{times}",
                source="events",
                writer="cluster",
                start_class=kind,
                since=event.began,
                tolerance=timedelta(minutes=1),
                evidence=each.evidence,
                remedies=remedies,
                felt=True,
                kind="resource",
                rank=2 if event.reason in {"OOMKilling", "OOMKilled", "SystemOOM"} else 3,
            )
        )
    return found


def alert_facts(seen: Iterable[SeenAlert]) -> list[Fact]:
    """Return alerts that fire: symptoms, in the words of their rules."""
    return [
        Fact(
            subject=service(each.alert.service),
            predicate="alert",
            role=Link.SHOW,
            sentence=f"alert {each.alert.name} fires for {each.alert.service}"
            + (f": {shortened_line(each.alert.summary, 140)}" if each.alert.summary else ""),
            source="alerts",
            writer=f"application {each.alert.service}",
            since=each.alert.since,
            tolerance=timedelta(minutes=15),  # a rule waits before it fires
            evidence=each.evidence,
        )
        for each in seen
        if each.alert.service
    ]


def trace_facts(seen: Iterable[SeenTraces]) -> tuple[list[Fact], list[Edge]]:
    """Return whose own work holds most of the slowest traces' time, and who calls whom in them."""
    facts, edges = [], []
    for each in seen:
        study = each.study
        for path in study.paths:
            by_id = {span.id: span for span in path.trace.spans}
            edges += [
                Edge(service(by_id[span.parent].service), service(span.service), "calls", "traces")
                for span in path.trace.spans
                if span.parent in by_id and by_id[span.parent].service != span.service
            ]
        if not study.hot_spots or study.hot_spots[0].share < HOT_SHARE:
            continue
        hot = study.hot_spots[0]
        began = min((head.start for head in study.heads), default=None)
        facts.append(
            Fact(
                subject=service(hot.service),
                predicate="holds-traces",
                role=Link.START,
                sentence=f"{hot.share * 100:.0f} % of the time of the slowest traces of "
                f"{study.service} is {hot.service}'s own work in “{shortened_line(hot.name, 90)}”",
                source="traces",
                writer="tracing",
                start_class=StartClass.UNEXPLAINED,
                since=began,
                tolerance=timedelta(hours=1),  # slow traces are found, not the first of them
                evidence=each.evidence,
                names=(study.service,),
                unexplained=hot.share,
                settle=f"logs of {hot.service} in those traces",
                kind="dependency",
                rank=2,
            )
        )
    return facts, edges
