"""A namespace's quota that is used up: pods, CPU, memory, Services, storage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import re2

from tools.doctor.admission.lacking import without_claim, without_service
from tools.doctor.named import Object
from tools.doctor.quantities import number_of
from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import ClusterState, object_of
from tools.doctor.words import Saying, of_makers, shortened

_EXCEEDED = re2.compile(r"exceeded quota: (?P<quota>\S+), requested: (?P<what>[^:]+?), used: ")
_MUST = re2.compile(r"failed quota: (?P<quota>[^:\s]+): must specify (?P<what>.+)")
_RESOURCES = {
    "pods": ("pods", "count/pods"),
    "cpu": ("cpu", "requests.cpu", "limits.cpu"),
    "memory": ("memory", "requests.memory", "limits.memory"),
    "services": ("services", "count/services", "services.loadbalancers", "services.nodeports"),
    "storage": ("requests.storage", "persistentvolumeclaims", "requests.ephemeral-storage"),
}


def _refused(resources: tuple[str, ...], state: ClusterState) -> Iterator[Sign]:
    """What a controller was refused, and full quotas of what nobody reports a refusal for."""
    hit: dict[Object, list[Saying]] = {}
    for told in of_makers("FailedCreate", "FailedCreatePod", "ProvisioningFailed")(state):
        match = _EXCEEDED.search(told.message)
        if match is None or told.ended is not None:
            continue
        asked = {part.split("=")[0].strip() for part in match["what"].split(",")}
        if asked & set(resources):
            hit.setdefault(Object("Namespace", "", told.workload.namespace), []).append(told)
    for place, all_told in hit.items():
        victims = tuple(sorted({each.workload for each in all_told}))
        sentence = f"a quota is used up: {shortened(all_told[-1].message)}"
        yield Sign(place, sentence, victims, all_told[0].since)


def _full(resources: tuple[str, ...], state: ClusterState) -> Iterator[Sign]:
    for quota in state.of("ResourceQuota"):
        status = quota.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        for name in resources:
            limit, now = number_of(hard.get(name)), number_of(used.get(name))
            if limit is not None and now is not None and now >= limit:
                own = object_of(quota, "ResourceQuota")
                place = Object("Namespace", "", own.namespace)
                text = f"quota {own.name} is full: {name} {used[name]} of {hard[name]}"
                yield Sign(place, text)


def _exceeded(what: str) -> Analyser:
    def look(state: ClusterState) -> Iterator[Sign]:
        yield from _refused(_RESOURCES[what], state)

    settle = f"{what} that the namespace uses, and who asked for more since when"
    return Analyser(f"quota-{what}-exceeded", Link.START, ("scale",), settle, look, 0)


def _used_up(what: str, lacking: Callable[[ClusterState], Iterable[Object]]) -> Analyser:
    def look(state: ClusterState) -> Iterator[Sign]:
        for sign in _full(_RESOURCES[what], state):
            victims = tuple(each for each in lacking(state) if each.namespace == sign.subject.name)
            if victims:
                yield Sign(sign.subject, sign.sentence, victims, is_missed=True)

    settle = f"whether a new one would be let in: nobody reports refused {what}"
    return Analyser(f"quota-{what}-full", Link.START, (), settle, look, 1)


def _must_say(state: ClusterState) -> Iterator[Sign]:
    for told in of_makers("FailedCreate")(state):
        match = _MUST.search(told.message)
        if match is not None and told.ended is None:
            yield Sign(
                told.workload,
                f"quota {match['quota']} lets in only pods that say their {match['what']}",
                since=told.since,
            )


ANALYSERS = (
    *(_exceeded(what) for what in _RESOURCES),
    _used_up("services", without_service),
    _used_up("storage", lambda state: [owner for owner, _ in without_claim(state)]),
    Analyser(
        "quota-wants-resources", Link.START, ("deployment_rollback",),
        "requests and limits of the template", _must_say, 0,
    ),
)  # fmt: skip
