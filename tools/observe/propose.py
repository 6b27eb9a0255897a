"""Tools that propose. They hand a draft to the plan desk; nothing here can act or approve."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import BaseModel, ConfigDict, Field

from tools.contract import Risk, ToolResult, tool
from tools.errors import BadArgumentError
from tools.observe.asking import service_of
from tools.ports import PlanDesk
from tools.world import Catalogue, ProposalDraft


class NameValue(BaseModel):
    """One named parameter; strict schemas have no free-form objects."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="Name of the parameter, as the playbook declares it.")
    value: str = Field(description="Its value as text.")


@tool(risk=Risk.PROPOSE)
async def propose_plan(
    desk: PlanDesk, catalogue: Catalogue, /, playbook: str, service: str, reason: str
) -> ToolResult:
    """Propose a fix for people to approve. It runs nothing; a plan card with buttons is shown.

    Propose only when evidence supports the cause, at most one plan per cause, and say in the answer
    that a person must decide.

    Args:
        playbook: Id of a playbook or name of an action, e.g. deployment_rollback, pod_restart.
        service: Service name or alias that is changed (the cause, not the victim).
        reason: Why, in one or two sentences, citing evidence like [E2].
    """
    return await _propose(desk, catalogue, playbook, service, reason, [])


@tool(risk=Risk.PROPOSE)
async def run_playbook(
    desk: PlanDesk,
    catalogue: Catalogue,
    /,
    playbook_id: str,
    service: str,
    reason: str,
    parameters: list[NameValue] = [],  # noqa: B006 - never changed; pydantic copies it
) -> ToolResult:
    """Propose running a playbook with parameters. Despite its name it only proposes.

    Args:
        playbook_id: Id of the playbook.
        service: Service name or alias that is changed.
        reason: Why, in one or two sentences, citing evidence like [E2].
        parameters: Values for the playbook's parameters; empty for its defaults.
    """
    return await _propose(desk, catalogue, playbook_id, service, reason, parameters)


async def _propose(
    desk: PlanDesk,
    catalogue: Catalogue,
    playbook: str,
    service: str,
    reason: str,
    parameters: list[NameValue],
) -> ToolResult:
    if not reason.strip():
        raise BadArgumentError("reason is empty; say why, citing evidence")
    names = [each.name for each in parameters]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BadArgumentError(f"parameter {twice[0]!r} is given twice")
    draft = ProposalDraft(
        playbook_id=playbook.strip(),
        service=service_of(catalogue, service).name,
        reason=reason.strip(),
        parameters={each.name: each.value for each in parameters},
    )
    receipt = await desk.propose(draft)
    if receipt.plan_id is None:
        text = f"no plan: refused by {receipt.refused_by or 'the plan desk'}. {receipt.summary}"
    else:
        text = f"plan {receipt.plan_id} ({receipt.tier}) waits for people. {receipt.summary}"
    return ToolResult(text, {"draft": asdict(draft), **asdict(receipt)}, value=receipt)
