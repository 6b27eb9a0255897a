"""The effect set: everything one action will touch, as it was when the action was shown.

    objects      what is written to, deleted or called
    owners       who stands above them and above the pods, up to the top
    scaled       what an autoscaler among the objects scales
    pods         pods that may restart, disappear or come, by topmost owner, with a largest number
    services     Services that send traffic to those pods
    namespaces   where all this lives: protection may be written there

Pods are bound by the uid of their topmost owner and a number, not by name: a replacement that the
same owner made is inside, a pod of another owner or one too many is outside. Frozen, always in
the same order: the plan's digest covers its JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from tools.ownership import Standing
from tools.world import WorkloadRef

UNREAD_FLOOR = 0.6  # lowest risk of a step that touches what nobody could read, or says nothing
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reached:
    """One object that an action reaches."""

    ref: WorkloadRef
    labels: tuple[str, ...] = ()  # `name=value`, its own and its pod template's, sorted
    standing: Standing = Standing.READ
    why: str = ""  # what is not known of it
    top: bool = False  # of an owner that nobody owns: a workload, worked on as one thing


@dataclass(frozen=True, slots=True)
class PodBound:
    """How many pods of one topmost owner a step may reach."""

    owner: WorkloadRef  # a pod that nobody owns is its own
    maximum: int
    labels: tuple[str, ...] = ()  # `name=value`, of any of the pods


@dataclass(frozen=True, slots=True)
class ServiceBehind:
    """A Service that sends traffic to what is reached."""

    reached: Reached
    members: tuple[WorkloadRef, ...] = ()  # topmost owners of every pod it sends traffic to


@dataclass(frozen=True, slots=True)
class EffectSet:
    """Everything an action will touch."""

    objects: tuple[Reached, ...] = ()
    owners: tuple[Reached, ...] = ()
    scaled: tuple[Reached, ...] = ()
    pods: tuple[PodBound, ...] = ()
    services: tuple[ServiceBehind, ...] = ()
    namespaces: tuple[Reached, ...] = ()

    def __post_init__(self) -> None:
        """Bring everything into its order, each thing once."""
        for name in ("objects", "owners", "scaled", "namespaces"):
            object.__setattr__(self, name, _once(getattr(self, name), _of_reached, _joined))
        object.__setattr__(self, "pods", _once(self.pods, lambda each: each.owner, _wider))
        object.__setattr__(self, "services", _once(self.services, _of_service, _together))

    @classmethod
    def union(cls, sets: Iterable[EffectSet]) -> EffectSet:
        """Return what several steps touch together; of two numbers of pods the larger counts."""
        known = tuple(sets)
        return cls(
            objects=tuple(each for one in known for each in one.objects),
            owners=tuple(each for one in known for each in one.owners),
            scaled=tuple(each for one in known for each in one.scaled),
            pods=tuple(each for one in known for each in one.pods),
            services=tuple(each for one in known for each in one.services),
            namespaces=tuple(each for one in known for each in one.namespaces),
        )

    def without_secrets(self, cut: Callable[[str], str]) -> EffectSet:
        """Return it with every foreign text cut: labels carry what people put there."""

        def reached(each: Reached) -> Reached:
            return replace(each, labels=tuple(map(cut, each.labels)), why=cut(each.why))

        return EffectSet(
            objects=tuple(map(reached, self.objects)),
            owners=tuple(map(reached, self.owners)),
            scaled=tuple(map(reached, self.scaled)),
            pods=tuple(replace(p, labels=tuple(map(cut, p.labels))) for p in self.pods),
            services=tuple(replace(s, reached=reached(s.reached)) for s in self.services),
            namespaces=tuple(map(reached, self.namespaces)),
        )

    def everything(self) -> tuple[Reached, ...]:
        """Return every object in it, with the labels of the pods at their owners."""
        carried = {bound.owner: bound.labels for bound in self.pods}
        listed = (*self.objects, *self.owners, *self.scaled)
        found = [
            replace(each, labels=_labels(each.labels, carried.pop(each.ref, ()))) for each in listed
        ]
        found += [Reached(owner, labels) for owner, labels in carried.items()]
        return (*found, *(each.reached for each in self.services), *self.namespaces)

    def workloads(self) -> tuple[WorkloadRef, ...]:
        """Return what is worked on: two plans that share one of these must not run at once."""
        tops = [each.ref for each in self.owners if each.top]
        named = [each.ref for each in (*self.objects, *self.scaled)]
        return tuple(dict.fromkeys([*named, *tops, *(each.owner for each in self.pods)]))

    def unknown(self) -> tuple[Reached, ...]:
        """Return what should be there and could not be read."""
        return tuple(each for each in self.everything() if each.standing is Standing.UNKNOWN)

    def foreign(self) -> tuple[Reached, ...]:
        """Return what is of a kind that nobody here reads."""
        return tuple(each for each in self.everything() if each.standing is Standing.FOREIGN)

    def served_by(self) -> tuple[WorkloadRef, ...]:
        """Return the Services that were found, without those that only an address may mean."""
        return tuple(
            each.reached.ref
            for each in self.services
            if each.reached.ref.uid or each.reached.standing is not Standing.READ
        )

    def floor(self) -> float:
        """Return the lowest risk score that its gaps allow."""
        return UNREAD_FLOOR if self.foreign() else 0.0

    def excess(self, now: EffectSet) -> str:
        """Return what of `now` lies outside this set, empty when nothing does."""
        for part, verb in (("objects", "would be touched"), ("scaled", "would be scaled")):
            mine = {each.ref for each in getattr(self, part)}
            for each in getattr(now, part):
                if each.ref not in mine:
                    return f"{each.ref} {verb}, which is not what was shown"
        mine = {each.ref for each in (*self.objects, *self.owners, *self.scaled)}
        for each in now.owners:
            if each.top and each.ref not in mine:
                return f"{each.ref} stands above it now, which is not what was shown"
        return self._excess_of_pods(now) or self._excess_of_services(now)

    def _excess_of_pods(self, now: EffectSet) -> str:
        allowed = {bound.owner: bound.maximum for bound in self.pods}
        for bound in now.pods:
            if bound.owner not in allowed:
                return f"pods of {bound.owner} would be hit, which is not what was shown"
            if bound.maximum > allowed[bound.owner]:
                most = allowed[bound.owner]
                return f"{bound.maximum} pods of {bound.owner} would be hit; {most} were shown"
        return ""

    def _excess_of_services(self, now: EffectSet) -> str:
        known = {str(each.reached.ref) for each in self.services}  # one made anew is the same one
        for each in now.services:
            if str(each.reached.ref) not in known:
                return f"{each.reached.ref} stands before it now, which is not what was shown"
        return ""

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON, the form that the plan's digest covers."""
        return {
            "objects": [_reached_json(each) for each in self.objects],
            "owners": [_reached_json(each) for each in self.owners],
            "scaled": [_reached_json(each) for each in self.scaled],
            "pods": [
                {
                    "owner": _ref_json(each.owner),
                    "maximum": each.maximum,
                    "labels": list(each.labels),
                }
                for each in self.pods
            ],
            "services": [
                {
                    "service": _reached_json(each.reached),
                    "members": [_ref_json(one) for one in each.members],
                }
                for each in self.services
            ],
            "namespaces": [_reached_json(each) for each in self.namespaces],
        }


def _ref_json(ref: WorkloadRef) -> dict[str, str]:
    return {
        "cluster": ref.cluster,
        "namespace": ref.namespace,
        "kind": ref.kind,
        "name": ref.name,
        "uid": ref.uid,
    }


def _reached_json(each: Reached) -> dict[str, Any]:
    return {
        "ref": _ref_json(each.ref),
        "labels": list(each.labels),
        "standing": each.standing.value,
        "why": each.why,
        "top": each.top,
    }


def _once(
    items: Iterable[T], ref: Callable[[T], WorkloadRef], join: Callable[[T, T], T]
) -> tuple[T, ...]:
    """Return each thing once, two tellings of one thing joined, in the order of their names."""
    found: dict[WorkloadRef, T] = {}
    for each in items:
        own = ref(each)
        found[own] = join(found[own], each) if own in found else each
    return tuple(found[own] for own in sorted(found, key=_order))


def _order(ref: WorkloadRef) -> tuple[str, ...]:
    return (ref.cluster, ref.namespace, ref.kind, ref.name, ref.uid)


def _of_reached(each: Reached) -> WorkloadRef:
    return each.ref


def _of_service(each: ServiceBehind) -> WorkloadRef:
    return each.reached.ref


def _labels(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*one, *other}))


def _joined(one: Reached, other: Reached) -> Reached:
    worst = max(one, other, key=_doubt)
    return replace(worst, labels=_labels(one.labels, other.labels), top=one.top or other.top)


def _doubt(each: Reached) -> tuple[bool, bool, str]:
    """Order tellings of one object: what could not be read wins, whoever told it first."""
    unknown = each.standing is Standing.UNKNOWN
    return unknown, each.standing is not Standing.READ, each.why


def _wider(one: PodBound, other: PodBound) -> PodBound:
    most = max(one.maximum, other.maximum)
    return PodBound(one.owner, most, _labels(one.labels, other.labels))


def _together(one: ServiceBehind, other: ServiceBehind) -> ServiceBehind:
    members = sorted({*one.members, *other.members}, key=_order)
    return ServiceBehind(_joined(one.reached, other.reached), tuple(members))
