"""The shape shared by every action that is one JSON patch of one object.

    read ──same?──> operations ──[test resourceVersion, …, mark with key]──> patch
      ^                                                                        │
      └───────────────── lost race: read and compare once more ────────────────┘

A subclass says which fields it reads or replaces (`fields`), pins its parameters (`pin`) and gives
the operations; it never talks about races, marks or dry runs. The same key sent again finds its own
mark and changes nothing more.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar, cast

from tools.act.contract import (
    ActionResult,
    Actors,
    Bound,
    Parameters,
    Preview,
    Probe,
    TargetState,
    UndoSpec,
)
from tools.act.effects import EffectSet
from tools.act.objects import fresh, mark, refuse_gitops
from tools.act.reach import Reach
from tools.errors import BadArgumentError, LostRaceError, NotFoundError
from tools.fingerprint import fingerprint_of
from tools.kubernetes_objects import (
    STEP_ANNOTATION,
    Json,
    annotations_of,
    dotted,
    meta,
    ref_of,
    replicas_of,
)
from tools.ports import ClusterActor
from tools.world import DiffLine, WorkloadRef

P = TypeVar("P", bound=Parameters)


def _pods_of(item: Json, effects: EffectSet | None) -> int:
    """Return how many pods the object asked for has: its own word, or those that were counted."""
    if "replicas" in (item.get("spec") or {}) or effects is None:
        return replicas_of(item)
    return sum(bound.maximum for bound in effects.pods) or replicas_of(item)


@dataclass(frozen=True, slots=True)
class Pinned:
    """Parameters made exact against the object, and facts the preview and the undo need."""

    parameters: Mapping[str, Any]
    facts: Mapping[str, Any] = field(default_factory=dict)
    item: Json | None = None  # the object acted on, when it is not the one asked for
    ref: WorkloadRef | None = None


class PatchAction(ABC, Generic[P]):
    """One patch of one object."""

    name: ClassVar[str]
    floor: ClassVar[float]  # no default: whoever writes an action judges it
    kinds: ClassVar[tuple[str, ...]]
    # The patch tests the resourceVersion it was made for, so the second of two equal ones fails,
    # and whoever reads again finds the key. A subclass with its own `execute` says so anew.
    idempotent: ClassVar[bool] = True
    subresource: ClassVar[str] = ""  # its fields are no part of a manifest, so Git never wins them
    parameters: type[Parameters]

    def __init_subclass__(cls) -> None:
        """Refuse a class that does not say how risky it is at least."""
        super().__init_subclass__()
        if "execute" in vars(cls) and "idempotent" not in vars(cls):
            cls.idempotent = False
        if not hasattr(cls, "floor"):
            raise TypeError(f"{cls.__name__} must say its floor, the lowest risk it may have")

    @abstractmethod
    async def pin(self, actors: Actors, item: Json, ref: WorkloadRef, parameters: P) -> Pinned:
        """Make the parameters exact; refuse what cannot or need not be done."""

    @abstractmethod
    def fields(self, item: Json) -> Mapping[str, Any]:
        """Return what the step reads or replaces."""

    @abstractmethod
    async def operations(
        self, actors: Actors, item: Json, ref: WorkloadRef, pinned: Mapping[str, Any]
    ) -> Sequence[Mapping[str, Any]]:
        """Return the patch, without test and mark."""

    async def effects(
        self, reach: Reach, item: Json, ref: WorkloadRef, pinned: Pinned
    ) -> EffectSet | None:
        """Return everything the step touches beside the object itself; None: it does not say.

        A step that does not say counts as touching its object, whoever owns that and its pods, and
        has a risk of at least 0.6.
        """
        return None

    @abstractmethod
    def diff(self, state: TargetState) -> tuple[DiffLine, ...]:
        """Return what changes, for a person."""

    @abstractmethod
    def describe(self, state: TargetState) -> str:
        """Return one sentence: what will be done."""

    def git_change(self, state: TargetState) -> str:
        """Return the fields and values a person commits to Git instead."""
        told = [
            f"set {dotted(str(each['path']))} to {each['value']!r}"
            for each in state.facts["operations"]
            if isinstance(each.get("value"), str | int)
        ]
        return ", ".join(told) or "make the same change there"

    def undo_of(self, state: TargetState) -> UndoSpec | None:
        """Return the way back; none unless a subclass knows one."""
        return None

    def pods_affected(self, state: TargetState) -> int:
        """Return how many pods restart or disappear; all of them unless a subclass knows better."""
        return int(state.facts["replicas"])

    async def observe(
        self, actors: Actors, target: WorkloadRef, parameters: Parameters
    ) -> TargetState:
        cluster = actors.need_cluster(target.cluster)
        if target.kind not in self.kinds:
            raise BadArgumentError(f"{self.name} acts on {' or '.join(self.kinds)}, not {target}")
        item = await cluster.get(target)
        exact = cast("P", parameters)
        pinned = await self.pin(actors, item, target, exact)
        ref, found = pinned.ref or target, item if pinned.item is None else pinned.item
        ref = ref_of(found, ref.kind, target.cluster)
        reach = Reach(cluster, target.cluster)
        effects = await self.effects(reach, found, ref, pinned)
        state = await self._state(actors, ref, item, found, pinned, effects)
        if not self.subresource:
            for each, there in ((target, item), (ref, found), *reach.changed_with):
                refuse_gitops(there, each, self.git_change(state))
        return state

    async def _state(
        self,
        actors: Actors,
        ref: WorkloadRef,
        item: Json,
        found: Json,
        pinned: Pinned,
        effects: EffectSet | None,
    ) -> TargetState:
        operations = await self.operations(actors, found, ref, pinned.parameters)
        fields = self.fields(found)
        return TargetState(
            target=ref,
            parameters=pinned.parameters,
            fields=fields,
            fingerprint=fingerprint_of(fields),
            facts={
                "replicas": _pods_of(item, effects),
                "operations": [dict(each) for each in operations],
                **pinned.facts,
            },
            effects=effects,
        )

    def preview(self, state: TargetState) -> Preview:
        affected = self.pods_affected(state)
        return Preview(
            summary=self.describe(state),
            diff=self.diff(state),
            operations=tuple(state.facts["operations"]),
            affected=(state.target,),
            pods_affected=affected,
            pods_total=int(state.facts["replicas"]),
        )

    async def dry_run(self, actors: Actors, bound: Bound) -> None:
        await self._patch(actors, bound, "dry-run", dry_run=True)

    async def execute(self, actors: Actors, bound: Bound, key: str) -> ActionResult:
        after = await self._patch(actors, bound, key, dry_run=False)
        return ActionResult(
            detail=f"{self.name} of {bound.target} was accepted",
            target=bound.target,
            fingerprint=fingerprint_of(self.fields(after)),
            response={
                "resourceVersion": meta(after).get("resourceVersion", ""),
                "generation": meta(after).get("generation", 0),
            },
        )

    async def probe(self, actors: Actors, bound: Bound, key: str) -> Probe:
        try:
            item = await actors.need_cluster(bound.target.cluster).get(bound.target)
        except NotFoundError:
            return Probe.UNKNOWN
        if meta(item).get("uid") != bound.target.uid:
            return Probe.UNKNOWN
        if self.is_marked(item, bound, key):
            return Probe.DONE
        if fingerprint_of(self.fields(item)) == bound.fingerprint:
            return Probe.NOT_DONE
        return Probe.UNKNOWN

    async def prepare(self, actors: Actors, bound: Bound, *, dry_run: bool) -> None:
        """Put in place what the patch will refer to; harmless by itself, and only once."""

    async def _patch(self, actors: Actors, bound: Bound, key: str, *, dry_run: bool) -> Json:
        cluster = actors.need_cluster(bound.target.cluster)
        try:
            return await self._try(cluster, actors, bound, key, dry_run=dry_run)
        except LostRaceError:
            # Status updates move the resourceVersion too: compare the fields that matter once more.
            return await self._try(cluster, actors, bound, key, dry_run=dry_run)

    async def _try(
        self, cluster: ClusterActor, actors: Actors, bound: Bound, key: str, *, dry_run: bool
    ) -> Json:
        item = await cluster.get(bound.target)
        if not dry_run and self.is_marked(item, bound, key):
            return item
        self.compare(item, bound)
        await self.prepare(actors, bound, dry_run=dry_run)
        operations = await self.operations(actors, item, bound.target, bound.parameters)
        patch = [fresh(item), *operations]
        if not self.subresource:  # metadata cannot be written through a subresource
            patch.append(mark(item, key))
        return await cluster.patch(
            bound.target, patch, dry_run=dry_run, subresource=self.subresource
        )

    def is_marked(self, item: Json, bound: Bound, key: str) -> bool:
        """Say whether the step with this key changed this very object last."""
        same = meta(item).get("uid") == bound.target.uid
        return same and annotations_of(item).get(STEP_ANNOTATION) == key

    def compare(self, item: Json, bound: Bound) -> None:
        """Raise LostRaceError when the object is not the one that was approved."""
        if meta(item).get("uid") != bound.target.uid:
            raise LostRaceError(f"{bound.target} was deleted and made anew; propose the plan again")
        if fingerprint_of(self.fields(item)) != bound.fingerprint:
            raise LostRaceError(
                f"{bound.target} is not as it was when the plan was made; propose the plan again"
            )
