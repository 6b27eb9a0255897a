"""Binding: a playbook's words become typed steps on real objects, and are compared again later.

playbook + variables ──bind──> BoundStep(step, undo, looked)    read, previewed, dry-run
step of a plan ──look──> Looked                 still the object that was shown? what it touches now
step that is done ──look_back──> Looked         what stands where it was
undo step ──look_undo──> Looked                 still the same object? what it touches now
          ──bind_undo──> Bound                  against the object as the step left it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from bot.domain.plans.guards import Refusal
from bot.domain.plans.plan import UNDOES, Step
from bot.domain.secrets.redaction import Redactor
from foundation.nearest import nearest
from playbooks import templates
from playbooks.schema import PlaybookAction, PlaybookStep
from tools.act.contract import (
    Action,
    Actors,
    Bound,
    Preview,
    TargetState,
    UndoSpec,
    bind,
    parse_parameters,
    target_of,
)
from tools.act.effects import UNREAD_FLOOR, EffectSet, Reached
from tools.act.objects import GitOwnedError
from tools.act.patching import PatchAction
from tools.act.reach import owner_tree
from tools.errors import (
    ActionRefusedError,
    BackendDeniedError,
    BackendUnavailableError,
    BadArgumentError,
    LostRaceError,
    NotFoundError,
    ToolError,
)
from tools.kubernetes_objects import gitops_owner
from tools.world import DiffLine, WorkloadRef

PROBE, HIDDEN = "a-value-like-any-other", "[redacted: secret]"
LONGEST_DIFF = 40  # lines of one step's diff that are kept
# What these actions read moves by itself after they ran, so an undo is bound when it runs.
MOVING_KINDS = frozenset({"Endpoint", "Cluster"})
NOT_IN_A_CLUSTER = frozenset({"Endpoint"})


@dataclass(frozen=True, slots=True)
class Looked:
    """One step's object as it is now."""

    effects: EffectSet | None = None  # everything the step touches now; None: it was not read
    gitops_owner: str = ""
    pods_affected: int = 0
    pods_total: int = 0
    refusal: Refusal | None = None  # why the step can no longer be done as it was shown
    git_change: str = ""  # what a person commits to Git instead


@dataclass(frozen=True, slots=True)
class BoundStep:
    """A step with its way back and what a person reads about it."""

    step: Step
    undo: Step | None
    looked: Looked
    summary: str
    affected: tuple[str, ...]
    floor: float


class Binder:
    """Reads objects through the actions; changes nothing."""

    def __init__(self, actors: Actors, actions: Mapping[str, Action], redactor: Redactor) -> None:
        """`redactor` cuts what people will read."""
        self._actors, self._actions, self._redactor = actors, actions, redactor

    def action(self, name: str) -> Action:
        """Return an action. Raises NotFoundError with the nearest one."""
        try:
            return self._actions[name]
        except KeyError:
            raise NotFoundError(f"no action {name!r}.{nearest(name, self._actions)}") from None

    async def bind(self, index: int, written: PlaybookStep, values: Mapping[str, str]) -> BoundStep:
        """Bind one step of a playbook. Raises ToolError subclasses that say what is wrong."""
        action = self.action(written.action)
        ref, raw = self._filled(action, written, values)
        owner = await self._gitops(action, ref)
        if owner:
            named = EffectSet(objects=(Reached(ref),))
            change = await self._git_change(action, ref, raw)
            looked = Looked(named, gitops_owner=owner, git_change=change)
            empty = Step(written.name, written.action, ref, {}, written.timeout_seconds, "")
            return BoundStep(empty, None, looked, "", (str(ref),), action.floor)
        try:
            state = await action.observe(self._actors, ref, parse_parameters(action, raw))
        except GitOwnedError as error:  # not the target itself: who owns it, or what it scales
            named = EffectSet(objects=(Reached(ref),))
            change = self._redactor.text(error.change)
            empty = Step(written.name, written.action, ref, {}, written.timeout_seconds, "")
            looked = Looked(named, gitops_owner=error.owner, git_change=change)
            return BoundStep(empty, None, looked, "", (str(ref),), action.floor)
        effects = await self._effects(state)
        preview = action.preview(state)
        step = Step(
            name=written.name,
            action=action.name,
            target=state.target,
            parameters=dict(state.parameters),
            timeout_seconds=written.timeout_seconds,
            fingerprint=state.fingerprint,
            state_before=_scalars(state),
            diff=self._diff(preview),
            effects=self._kept(effects),
        )
        said = UNREAD_FLOOR if state.effects is None else effects.floor()
        return BoundStep(
            step=step,
            undo=await self._undo(index, written, action, state, effects, values),
            looked=_looked(effects, preview, owner),
            summary=self._redactor.text(preview.summary),
            affected=tuple(str(each) for each in preview.affected),
            floor=max(action.floor, said),
        )

    async def dry_run(self, step: Step) -> None:
        """Let the server validate a step; nothing changes."""
        await self.action(step.action).dry_run(self._actors, bound_of(step))

    async def look(self, step: Step, *, dry_run: bool = False) -> Looked:
        """Read a step's object again. Raises BackendError when it cannot be read."""
        action = self.action(step.action)
        try:
            owner = await self._gitops(action, step.target)
            if owner:
                return Looked(gitops_owner=owner)
            parameters = parse_parameters(action, step.parameters)
            state = await action.observe(self._actors, step.target, parameters)
            effects = await self._effects(state)
        except GitOwnedError as error:
            return Looked(gitops_owner=error.owner)
        except (ActionRefusedError, LostRaceError, NotFoundError, BadArgumentError) as error:
            refusal = Refusal("target_changed", str(error))
            return replace(await self.look_back(step), refusal=refusal)
        looked = _looked(effects, action.preview(state), owner)
        if state.target.uid != step.target.uid:
            text = f"{step.target} was deleted and made anew since the plan was shown"
            return replace(looked, refusal=Refusal("target_identity", text))
        if state.fingerprint != step.fingerprint:
            text = f"{step.target} is not as it was when the plan was shown; propose it again"
            return replace(looked, refusal=Refusal("target_changed", text))
        try:
            if dry_run:
                await self.dry_run(step)
        except (BackendUnavailableError, BackendDeniedError):
            raise
        except ToolError as error:
            return replace(looked, refusal=Refusal("dry_run_refused", str(error)))
        return looked

    async def look_back(self, step: Step) -> Looked:
        """Read what stands where a step was: its object may be gone, what it belongs to is not."""
        shown = step.effects or EffectSet(objects=(Reached(step.target),))
        found = [shown]
        for ref in dict.fromkeys([step.target, *shown.workloads()]):
            with suppress(ActionRefusedError, BadArgumentError, NotFoundError):
                found.append(await self._owner_tree(ref))
        return Looked(EffectSet.union(found))

    async def look_undo(self, step: Step) -> Looked:
        """Read the object of an undo step again. Raises BackendError when it cannot be read.

        Whether somebody changed it since, `bind_undo` finds.
        """
        action = self.action(step.action)
        try:
            parameters = parse_parameters(action, step.parameters)
            state = await action.observe(self._actors, step.target, parameters)
            looked = Looked(await self._effects(state))
        except (ActionRefusedError, LostRaceError, NotFoundError, BadArgumentError):
            return await self.look_back(step)
        if not step.target.uid or state.target.uid == step.target.uid:
            return looked
        text = f"{step.target} was deleted and made anew; undo it by hand"
        return replace(looked, refusal=Refusal("target_identity", text))

    async def bind_undo(self, step: Step, after: str) -> Bound:
        """Bind an undo step to its object; `after` is the fingerprint the step left behind.

        Raises LostRaceError when somebody else has changed the object since, or when the way back
        would touch more than the plan said.
        """
        action = self.action(step.action)
        parameters = parse_parameters(action, step.parameters)
        state = await action.observe(self._actors, step.target, parameters)
        if step.target.uid and state.target.uid != step.target.uid:
            raise LostRaceError(f"{step.target} was deleted and made anew; undo it by hand")
        moving = step.target.kind in MOVING_KINDS
        if after and state.fingerprint != after and not moving:
            raise LostRaceError(
                f"{step.target} was changed by somebody else after the step; undo it by hand"
            )
        effects = await self._effects(state)
        if step.effects is not None and (why := step.effects.excess(effects)):
            raise LostRaceError(f"{why}; undo it by hand")
        return replace(bind(action, state), effects=effects)

    async def _effects(self, state: TargetState) -> EffectSet:
        """Return what a step touches: as the action says, or whoever owns its target."""
        if state.effects is not None:
            return state.effects
        return await self._owner_tree(state.target)

    async def _owner_tree(self, target: WorkloadRef) -> EffectSet:
        if target.kind in NOT_IN_A_CLUSTER:
            return EffectSet(objects=(Reached(target),))
        return await owner_tree(self._actors.need_cluster(target.cluster), target)

    async def fingerprint_now(self, step: Step) -> str:
        """Return the fingerprint an undo step would find now, empty when it cannot be read."""
        action = self.action(step.action)
        try:
            parameters = parse_parameters(action, step.parameters)
            return (await action.observe(self._actors, step.target, parameters)).fingerprint
        except (ActionRefusedError, NotFoundError, BadArgumentError):
            return ""

    def _filled(
        self, action: Action, written: PlaybookAction, values: Mapping[str, str]
    ) -> tuple[WorkloadRef, dict[str, Any]]:
        try:
            target = templates.render(written.target, values)
            raw = templates.fill(written.parameters, values)
        except templates.TemplateError as error:
            raise BadArgumentError(str(error)) from error
        place = {"cluster": values["cluster"], "namespace": values["namespace"]}
        return target_of(action, target, **place), raw

    async def _gitops(self, action: Action, ref: WorkloadRef) -> str:
        """Return who writes the object from Git; a restarted pod comes back the same anyway."""
        if not isinstance(action, PatchAction) or action.subresource:
            return ""
        return gitops_owner(await self._actors.need_cluster(ref.cluster).get(ref))

    async def _git_change(self, action: Action, ref: WorkloadRef, raw: Mapping[str, Any]) -> str:
        """Return fields and values to commit to Git, empty when they cannot be told."""
        try:
            await action.observe(self._actors, ref, parse_parameters(action, raw))
        except GitOwnedError as error:
            return self._redactor.text(error.change)
        except (ActionRefusedError, NotFoundError, BadArgumentError, LostRaceError):
            return ""
        return ""

    async def _undo(
        self,
        index: int,
        written: PlaybookStep,
        action: Action,
        state: TargetState,
        effects: EffectSet,
        values: Mapping[str, str],
    ) -> Step | None:
        if written.undo is not None:
            other = self.action(written.undo.action)
            ref, raw = self._filled(other, written.undo, values)
            pinned = parse_parameters(other, raw).model_dump()
            spec: UndoSpec | None = UndoSpec(other.name, ref, pinned, written.name)
            effects = await self._effects_of_undo(other, ref, raw)
        else:
            spec = action.undo_of(state)
        if spec is None:
            return None
        return Step(
            name=f"Undo: {written.name}",
            action=spec.action,
            target=spec.target,
            parameters=dict(spec.parameters),
            timeout_seconds=written.timeout_seconds,
            fingerprint="",  # known only after the step: the undo is bound to what it left
            state_before={UNDOES: index},
            diff=(self._redactor.text(spec.summary),),
            effects=self._kept(effects),  # a way back touches what the step did, at most
        )

    def _kept(self, effects: EffectSet) -> EffectSet:
        """Return what of an effect set a plan keeps; guards judge the one that was just read."""
        return effects.without_secrets(self._redactor.text)

    async def _effects_of_undo(
        self, action: Action, ref: WorkloadRef, raw: Mapping[str, Any]
    ) -> EffectSet:
        """Return what a written way back touches; there may be nothing for it to do yet."""
        try:
            state = await action.observe(self._actors, ref, parse_parameters(action, raw))
        except (ActionRefusedError, LostRaceError):
            return await self._owner_tree(ref)
        return await self._effects(state)

    def _diff(self, preview: Preview) -> tuple[str, ...]:
        lines = [self._redactor.text(str(self._hidden(line))) for line in preview.diff]
        if len(lines) > LONGEST_DIFF:
            lines = [*lines[:LONGEST_DIFF], f"… and {len(lines) - LONGEST_DIFF} more"]
        return tuple(lines) or (self._redactor.text(preview.summary),)

    def clean(self, text: str) -> str:
        """Return text for people without secrets."""
        return self._redactor.text(text)

    def _hidden(self, line: DiffLine) -> DiffLine:
        """Hide both values of a line whose name alone says that they are secrets."""
        name = line.path.removesuffix(".value").rstrip("]")  # …env[DB_PASSWORD].value
        probe = f"{name}: {PROBE}"
        if PROBE in self._redactor.text(probe):
            before, after = map(self._redactor.text, (line.before, line.after))
            return replace(line, before=before, after=after)
        return replace(line, before=HIDDEN, after=HIDDEN)


def effects_of(bound: Sequence[BoundStep]) -> EffectSet:
    """Return everything that some steps and their ways back touch."""
    undo = [each.undo.effects for each in bound if each.undo is not None]
    looked = [each.looked.effects for each in bound]
    return EffectSet.union(each for each in (*looked, *undo) if each is not None)


def bound_of(step: Step) -> Bound:
    """Return exactly what was approved of a step."""
    return Bound(step.action, step.target, step.parameters, step.fingerprint, step.effects)


def _looked(effects: EffectSet, preview: Preview, owner: str) -> Looked:
    return Looked(effects, owner, preview.pods_affected, preview.pods_total)


def _scalars(state: TargetState) -> dict[str, Any]:
    """Keep what a person may read; a whole pod template may hold secrets and is left out."""
    return {
        name: value for name, value in state.fields.items() if isinstance(value, int | str | bool)
    }
