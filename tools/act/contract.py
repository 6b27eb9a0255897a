"""What an action is: one change of the world that can be shown, tried, done, undone and proved.

    observe ──> TargetState ──preview──> Preview      (a person reads it; nothing was sent)
                  │
                  └──bind──> Bound ──dry_run──> (the server validates; nothing changed)
                               │
                               ├──execute(key)──> ActionResult ──undo_of──> UndoSpec
                               └──probe(key)───> done | not_done | unknown   (after a crash)

*TargetState* is the target as it was read, with a *fingerprint*: sha256 over the canonical JSON of
the fields the step reads or replaces. *Bound* is what was approved: action, target with its uid,
pinned parameters, fingerprint. `execute` reads again, refuses when the fingerprint moved and sends
the fresh resourceVersion as a JSON-patch `test`. *key* is the step's idempotency key; it is written
into the world with the change, so that `probe` can find it.

An action decides nothing about approval; whoever calls `execute` holds the permit.

An action that declares `idempotent = True` promises two things: its request sent twice with one key
has the effect of one, however late the first arrives, and its probe sees that effect. Only such a
request is ever sent again after a crash; every other one is told to a person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from foundation.nearest import nearest
from foundation.numbers import refuse_flag
from tools.act.effects import EffectSet
from tools.errors import ActionRefusedError, BadArgumentError, ToolError
from tools.ports import Clock, ClusterActor, ConfigHistory, HttpCaller
from tools.world import DiffLine, WorkloadRef


class Parameters(BaseModel):
    """Base of every action's parameters; unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_flag_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        return refuse_flag(value, cls.model_fields[info.field_name or ""].annotation)


class Pauses(Protocol):
    """The patience of one step: an action that watches its effect waits through it."""

    async def pause(self, seconds: float) -> bool:
        """Wait that long; False at once when the step's time would be over by then."""
        ...


class NoPauses:
    """Looks once and waits for nothing."""

    async def pause(self, seconds: float) -> bool:
        """Return False."""
        return False


def no_objection(effects: EffectSet) -> str:  # noqa: ARG001 - what it would be asked about
    """Return an empty string: nobody protects anything."""
    return ""


@dataclass(frozen=True, slots=True)
class Actors:
    """The acting identities an action may use, and what it needs besides; None = not configured."""

    clock: Clock
    cluster: ClusterActor | None = None  # of the only cluster, when `clusters` is empty
    http: HttpCaller | None = None
    clusters: Mapping[str, ClusterActor] = field(default_factory=lambda: MappingProxyType({}))
    config_history: ConfigHistory | None = None
    waiting: Pauses = field(default_factory=NoPauses)  # of the step that runs
    objection: Callable[[EffectSet], str] = no_objection  # why something must not be touched now

    def need_cluster(self, name: str = "") -> ClusterActor:
        """Return the acting identity of a cluster. Raises ActionRefusedError when there is none."""
        if self.clusters:
            if name not in self.clusters:
                raise ActionRefusedError(
                    f"no acting identity is configured for the cluster {name!r}."
                    f"{nearest(name, self.clusters)}"
                )
            return self.clusters[name]
        if self.cluster is None:
            raise ActionRefusedError(
                "no acting Kubernetes identity is configured; set KUBECONFIG_ACT to a kubeconfig "
                "that may change workloads (`python -m bot doctor` shows the state)"
            )
        return self.cluster

    def need_http(self) -> HttpCaller:
        """Return the HTTP caller. Raises ActionRefusedError when there is none."""
        if self.http is None:
            raise ActionRefusedError(
                "no HTTP endpoint is allowed; name the allowed hosts in the configuration first"
            )
        return self.http


@dataclass(frozen=True, slots=True)
class TargetState:
    """The target as it was read before a step."""

    target: WorkloadRef  # with uid; may be narrower than asked (the pod of a deployment)
    parameters: Mapping[str, Any]  # JSON, pinned: "previous revision" has become a ReplicaSet
    fields: Mapping[str, Any]  # JSON: what the step reads or replaces
    fingerprint: str  # of `fields`
    facts: Mapping[str, Any] = field(default_factory=dict)  # JSON for preview and undo
    effects: EffectSet | None = None  # everything the step touches; None: it does not say


@dataclass(frozen=True, slots=True)
class Preview:
    """What a step would do, computed without sending anything."""

    summary: str  # one sentence
    diff: tuple[DiffLine, ...]
    operations: tuple[Mapping[str, Any], ...]  # JSON patch, or one description of the call
    affected: tuple[WorkloadRef, ...]  # blast radius: objects that change or restart
    pods_affected: int = 0  # pods that restart or disappear
    pods_total: int = 0  # pods the target has


@dataclass(frozen=True, slots=True)
class Bound:
    """Exactly what was approved for one step."""

    action: str
    target: WorkloadRef  # with uid
    parameters: Mapping[str, Any]
    fingerprint: str
    effects: EffectSet | None = None  # what it may touch; None in plans of older versions


@dataclass(frozen=True, slots=True)
class ActionResult:
    """A step that took effect: what the server answered."""

    detail: str  # one sentence
    target: WorkloadRef
    fingerprint: str = ""  # of the same fields after the step; an undo is bound to it
    response: Mapping[str, Any] = field(default_factory=dict)  # small JSON for the audit


class StoppedShortError(ToolError):
    """A step stopped before something that it must not touch; what it did until then stays."""

    def __init__(self, message: str, result: ActionResult) -> None:
        """Keep what was done beside why no more was."""
        super().__init__(message)
        self.result = result


@dataclass(frozen=True, slots=True)
class UndoSpec:
    """The way back of one step: another action on the same object, known before the step runs."""

    action: str
    target: WorkloadRef
    parameters: Mapping[str, Any]
    summary: str


class Probe(StrEnum):
    """What the world says of a step whose answer was lost."""

    DONE = "done"
    NOT_DONE = "not_done"
    UNKNOWN = "unknown"


@runtime_checkable
class Action(Protocol):
    """One kind of change.

    `observe` raises NotFoundError, BadArgumentError and ActionRefusedError (owned by GitOps,
    nothing to do). `dry_run` and `execute` raise LostRaceError when the target is no longer as it
    was bound, BackendDeniedError, BackendRefusedError and, only `execute`, OutcomeUnknownError and
    StoppedShortError.
    """

    @property
    def name(self) -> str:
        """Name as playbooks write it."""
        ...

    @property
    def floor(self) -> float:
        """Lowest risk score a step of this kind may have, in [0, 1]."""
        ...

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of target it accepts; a bare name means the first one."""
        ...

    @property
    def parameters(self) -> type[Parameters]:
        """Model of its parameters."""
        ...

    async def observe(
        self, actors: Actors, target: WorkloadRef, parameters: Parameters
    ) -> TargetState:
        """Read the target and pin the parameters."""
        ...

    def preview(self, state: TargetState) -> Preview:
        """Say what the step would do to this state."""
        ...

    async def dry_run(self, actors: Actors, bound: Bound) -> None:
        """Let the server validate the step; nothing changes."""
        ...

    async def execute(self, actors: Actors, bound: Bound, key: str) -> ActionResult:
        """Do it once. Never repeats a request that may have been received."""
        ...

    def undo_of(self, state: TargetState) -> UndoSpec | None:
        """Return the way back to `state`, or None when there is none (or none is needed)."""
        ...

    async def probe(self, actors: Actors, bound: Bound, key: str) -> Probe:
        """Look in the world whether the step with this key took effect."""
        ...


def is_idempotent(action: Action) -> bool:
    """Say whether a request without a visible effect may be sent again; who is silent says no."""
    return getattr(action, "idempotent", False) is True


def bind(action: Action, state: TargetState) -> Bound:
    """Return the step that an approval of this state covers."""
    return Bound(action.name, state.target, state.parameters, state.fingerprint, state.effects)


def parse_parameters(action: Action, raw: Mapping[str, Any]) -> Parameters:
    """Validate parameters of a playbook step. Raises BadArgumentError naming value and field."""
    try:
        return action.parameters.model_validate(dict(raw))
    except ValidationError as error:
        known = list(action.parameters.model_fields)
        lines = []
        for each in error.errors(include_url=False):
            name = ".".join(map(str, each["loc"])) or "parameters"
            hint = nearest(name, known) if each["type"] == "extra_forbidden" else ""
            lines.append(f"{name}: {each['msg']} (got {each['input']!r}).{hint}")
        raise BadArgumentError(f"{action.name}: {' '.join(lines)}") from error


def target_of(action: Action, text: str, *, cluster: str, namespace: str) -> WorkloadRef:
    """Read `name`, `Kind/name` or `namespace/Kind/name` as a target of this action."""
    parts = text.strip().split("/")
    if not all(parts) or len(parts) > 3:
        raise BadArgumentError(
            f"{action.name}: {text!r} is no target; write name, Kind/name or namespace/Kind/name"
        )
    kind = parts[-2] if len(parts) > 1 else action.kinds[0]
    by_lower = {known.lower(): known for known in action.kinds}
    if kind.lower() not in by_lower:
        raise BadArgumentError(
            f"{action.name} cannot act on a {kind!r}.{nearest(kind, action.kinds)}"
        )
    where = parts[0] if len(parts) == 3 else namespace
    return WorkloadRef(cluster, where, by_lower[kind.lower()], parts[-1])
