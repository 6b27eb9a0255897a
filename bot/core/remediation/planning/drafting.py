"""Filling in a draft: variables, bare actions, preconditions, choices, what counts as success."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.core.remediation.binding import BoundStep
from bot.domain.plans.guards import Refusal
from bot.domain.plans.plan import Choice
from foundation.nearest import nearest
from playbooks.loader import Library, Loaded
from playbooks.patterns import fits
from playbooks.schema import Playbook, PlaybookStep
from playbooks.triggers import TriggerFacts, parse
from tools.act.contract import Action, Actors
from tools.errors import ActionRefusedError, BadArgumentError, NotFoundError
from tools.world import ProposalDraft, ServiceSpec

BARE = "action:"  # prefix of the playbook id of a plan made of one action
WORKLOAD_KINDS = frozenset({"Pod", "Deployment", "StatefulSet", "DaemonSet"})
DEFAULT_WINDOW_SECONDS = 600  # world time, where a playbook says nothing


@dataclass(frozen=True, slots=True)
class Variables:
    """Fills the variables of a playbook from the service and the cluster."""

    actors: Actors
    actions: Mapping[str, Action]

    async def of(
        self, playbook: Playbook, draft: ProposalDraft, spec: ServiceSpec, finding: str
    ) -> dict[str, str]:
        """Return every variable the playbook needs. Raises ToolError that says what is missing."""
        written = bool(playbook.trigger_conditions)  # a bare action's values stand in its step
        values = self._chosen(playbook, draft) if written else {}
        first = spec.workloads[0] if spec.workloads else None
        values |= {
            "service": spec.name,
            "namespace": spec.namespace,
            "cluster": first.cluster if first else "default",
            "finding": finding,
        }
        if first is not None:
            values |= {"workload": first.name, "kind": first.kind}
        if playbook.variables() & {"target_pod", "target_node"}:
            values |= await self._worst_pod(spec)
        return values

    def _chosen(self, playbook: Playbook, draft: ProposalDraft) -> dict[str, str]:
        for name in draft.parameters:
            if name not in playbook.parameters:
                raise BadArgumentError(
                    f"playbook {playbook.id!r} has no parameter {name!r}."
                    f"{nearest(name, playbook.parameters)}"
                )
        values = {}
        for name, each in playbook.parameters.items():
            value = draft.parameters.get(name, each.default)
            if value is None:
                raise BadArgumentError(
                    f"playbook {playbook.id!r} needs {name!r}: {each.description}"
                )
            if not fits(each.pattern, value):
                raise BadArgumentError(
                    f"{name} {value!r} must match {each.pattern!r} ({each.description})"
                )
            values[name] = value
        return values

    async def _worst_pod(self, spec: ServiceSpec) -> dict[str, str]:
        """Return the pod that is worst off, as the action pod_restart chooses it, and its node."""
        if not spec.workloads:
            raise ActionRefusedError(f"service {spec.name!r} names no workload in services.yaml")
        action = self.actions["pod_restart"]
        state = await action.observe(self.actors, spec.workloads[0], action.parameters())
        pod = await self.actors.need_cluster(state.target.cluster).get(state.target)
        node = str((pod.get("spec") or {}).get("nodeName") or "")
        return {"target_pod": state.target.name, "target_node": node}


def bare(
    draft: ProposalDraft, spec: ServiceSpec, actions: Mapping[str, Action], library: Library
) -> Loaded:
    """Return a playbook of one action on the service's own workload.

    Only actions on workloads: what calls URLs, nodes or databases needs a written playbook.
    """
    name = draft.playbook_id.removeprefix(BARE)
    action = actions.get(name)
    if action is None:
        hint = nearest(draft.playbook_id, [*library, *actions])
        raise NotFoundError(f"there is no playbook or action {draft.playbook_id!r}.{hint}")
    if not WORKLOAD_KINDS & set(action.kinds):
        raise ActionRefusedError(
            f"{name!r} alone cannot be proposed; name a playbook that uses it: "
            + (", ".join(k for k, v in library.items() if name in v.playbook.actions()) or "none")
        )
    if not spec.workloads:
        raise ActionRefusedError(f"service {spec.name!r} names no workload in services.yaml")
    chosen = dict(sorted(draft.parameters.items()))
    step = PlaybookStep(
        name=name.replace("_", " ").capitalize(),
        action=name,
        target="{{ kind }}/{{ workload }}",
        parameters=chosen,
    )
    playbook = Playbook.model_construct(
        id=draft.playbook_id,
        name=name.replace("_", " ").capitalize(),
        description=f"One {name} of the service's workload",
        trigger_conditions=(),
        steps=(step,),
    )
    digest = hashlib.sha256(f"{BARE}{name}".encode()).hexdigest()
    return Loaded(playbook, digest, "")


def precondition(playbook: Playbook, facts: TriggerFacts) -> Refusal | None:
    """Return the first precondition that does not hold, or cannot be judged."""
    for text in playbook.preconditions:
        value = parse(text).evaluate(facts)
        if value is not True:
            state = "does not hold" if value is False else "cannot be judged: no data"
            return Refusal("precondition", f"precondition {text!r} {state}")
    return None


def refuse_twins(bound: Sequence[BoundStep]) -> None:
    """Raise ActionRefusedError when two steps act on one object."""
    seen: set[str] = set()
    for each in bound:
        name = str(each.step.target)
        if name in seen:
            raise ActionRefusedError(
                f"two steps act on {name}; the second would not find it as it was shown: "
                "make two playbooks of them"
            )
        seen.add(name)


def choices_of(
    playbook: Playbook, draft: ProposalDraft, actions: Mapping[str, Action]
) -> tuple[Choice, ...]:
    """Return what a person may choose otherwise: the playbook's parameters, or the action's own."""
    if playbook.trigger_conditions:
        return tuple(
            Choice(
                name=name,
                label=each.description,
                value=draft.parameters.get(name, each.default or ""),
                pattern=each.pattern,
            )
            for name, each in playbook.parameters.items()
        )
    action = actions[playbook.steps[0].action]
    return tuple(
        Choice(
            name=name,
            label=field.description or name.replace("_", " "),
            value=draft.parameters.get(name, "" if field.is_required() else str(field.default)),
        )
        for name, field in action.parameters.model_fields.items()
    )
