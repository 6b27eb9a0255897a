"""One action that goes different ways for different kinds of target."""

from __future__ import annotations

from typing import ClassVar

from tools.act.contract import (
    Action,
    ActionResult,
    Actors,
    Bound,
    Parameters,
    Preview,
    Probe,
    TargetState,
    UndoSpec,
    is_idempotent,
)
from tools.errors import BadArgumentError
from tools.world import WorkloadRef


class ByKind:
    """Hands every question to the way of the target's kind; each way bears the same name."""

    name: ClassVar[str]
    parameters: type[Parameters]

    def __init__(self, *ways: Action) -> None:
        """The first kind of the first way is what a bare name means."""
        self.floor = max(way.floor for way in ways)
        self.kinds = tuple(kind for way in ways for kind in way.kinds)
        self.idempotent = all(is_idempotent(way) for way in ways)
        self._ways = {kind: way for way in ways for kind in way.kinds}

    def _way(self, target: WorkloadRef) -> Action:
        try:
            return self._ways[target.kind]
        except KeyError:
            raise BadArgumentError(
                f"{self.name} acts on {' or '.join(self.kinds)}, not {target}"
            ) from None

    async def observe(
        self, actors: Actors, target: WorkloadRef, parameters: Parameters
    ) -> TargetState:
        return await self._way(target).observe(actors, target, parameters)

    def preview(self, state: TargetState) -> Preview:
        return self._way(state.target).preview(state)

    async def dry_run(self, actors: Actors, bound: Bound) -> None:
        await self._way(bound.target).dry_run(actors, bound)

    async def execute(self, actors: Actors, bound: Bound, key: str) -> ActionResult:
        return await self._way(bound.target).execute(actors, bound, key)

    def undo_of(self, state: TargetState) -> UndoSpec | None:
        return self._way(state.target).undo_of(state)

    async def probe(self, actors: Actors, bound: Bound, key: str) -> Probe:
        return await self._way(bound.target).probe(actors, bound, key)
