"""Buttons of a plan's card. Every answer goes through core, which judges the person again."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from bot.core.ports import PlanRecord
from bot.core.remediation.approvals import Approvals, Said
from bot.domain.ids import PlanId
from bot.slack.blocks import papers
from bot.slack.blocks import plan as card
from bot.slack.blocks.text import ours
from bot.slack.deeds import Deed, pack
from bot.slack.ids import FormId
from bot.slack.listeners.room import Room
from tools.errors import NotFoundError

Answer = Callable[[Approvals, PlanId], Awaitable[Said]]
SHORTEST_REASON = 3


async def approve(room: Room, deed: Deed) -> None:
    """Say yes."""
    await _answer(room, deed, lambda desk, plan: desk.approve(plan, deed.user, deed.channel))


async def stop(room: Room, deed: Deed) -> None:
    """Stop before the next step."""
    await _answer(room, deed, lambda desk, plan: desk.stop(plan, deed.user, deed.channel))


async def undo(room: Room, deed: Deed) -> None:
    """Take back what a halted plan did."""
    await _answer(room, deed, lambda desk, plan: desk.undo(plan, deed.user, deed.channel))


async def resolve(room: Room, deed: Deed) -> None:
    """Say what became of a step whose outcome is unknown."""
    verdict = deed.name.partition(".")[2]
    await _answer(
        room,
        deed,
        lambda desk, plan: desk.resolve_unknown(plan, deed.user, verdict, deed.channel),
    )


async def propose_again(room: Room, deed: Deed) -> None:
    """Ask for an expired plan anew."""
    await _answer(room, deed, lambda desk, plan: desk.propose_again(plan, deed.user, deed.channel))


async def ask_why(room: Room, deed: Deed) -> None:
    """Open the form that asks for the reason of a rejection."""
    if await _admitted(room, deed) is not None:
        carries = pack(deed, deed.value)
        form = papers.reason_form(FormId.PLAN_REJECT, carries, room.texts(deed))
        await room.open_modal(deed, form)


async def ask_for_glass(room: Room, deed: Deed) -> None:
    """Open the form that asks why one approver alone must be enough."""
    if await _admitted(room, deed) is not None:
        carries = pack(deed, deed.value)
        form = papers.reason_form(FormId.PLAN_BREAK_GLASS, carries, room.texts(deed))
        await room.open_modal(deed, form)


async def open_choices(room: Room, deed: Deed) -> None:
    """Open the form with what may be chosen otherwise."""
    record = await _admitted(room, deed)
    if record is None:
        return
    if not record.plan.choices:
        await room.say_privately(deed, "plan.edit_nothing", id=record.plan.id)
        return
    form = card.choice_form(record.plan, pack(deed, deed.value), room.texts(deed))
    await room.open_modal(deed, form)


async def choices_fit(room: Room, deed: Deed) -> dict[str, str]:
    """Say which value is not one that the playbook takes."""
    try:
        async with room.deps.store.begin() as tx:
            record = await tx.plans.get(PlanId(deed.subject))
    except NotFoundError:
        return {}  # the answer tells that it is gone
    texts, wrong = room.texts(deed), {}
    for choice in record.plan.choices:
        value = _chosen(deed, choice.name)
        said = f"{choice.name}={value}"
        if re.fullmatch(choice.pattern, value) is None:
            wrong[choice.name] = texts.say("slack.form.choice_wrong", pattern=choice.pattern)
        elif room.deps.redactor.text(said) != said:
            wrong[choice.name] = texts.say("slack.form.choice_secret")
    return wrong


async def reason_given(room: Room, deed: Deed) -> dict[str, str]:
    """Say what is wrong with the form."""
    if len(deed.fields.get("reason", "").strip()) >= SHORTEST_REASON:
        return {}
    return {"reason": room.texts(deed).say("slack.form.reason_needed")}


async def reject(room: Room, deed: Deed) -> None:
    """Say no, with the form's reason."""
    reason = room.deps.redactor.text(deed.fields.get("reason", "").strip())
    await _answer(room, deed, lambda desk, plan: desk.reject(plan, deed.user, reason, deed.channel))


async def break_glass(room: Room, deed: Deed) -> None:
    """Let one yes be enough, with the form's reason."""
    reason = room.deps.redactor.text(deed.fields.get("reason", "").strip())
    await _answer(
        room, deed, lambda desk, plan: desk.break_glass(plan, deed.user, reason, deed.channel)
    )


async def edit(room: Room, deed: Deed) -> None:
    """Propose the plan with the form's values."""
    values = {name: _chosen(deed, name) for name in deed.fields}
    await _answer(room, deed, lambda desk, plan: desk.edit(plan, deed.user, values, deed.channel))


async def details(room: Room, deed: Deed) -> None:
    """Show everything a yes covers."""
    record = await _admitted(room, deed)
    if record is None:
        return
    async with room.deps.store.begin() as tx:
        steps = await tx.plans.steps(record.plan.id)
    await room.open_modal(deed, card.details(record, steps, room.texts(deed)))


def _chosen(deed: Deed, name: str) -> str:
    return deed.fields.get(name, "").strip()


async def _admitted(room: Room, deed: Deed) -> PlanRecord | None:
    """Return the plan if it exists and the person has the right of the button for its service."""
    plan_id = PlanId(deed.value or deed.subject)
    try:
        async with room.deps.store.begin() as tx:
            record = await tx.plans.get(plan_id)
    except NotFoundError as error:
        await room.say_privately(deed, "slack.gone", why=error)
        return None
    person = await room.admits(deed, deed.name, record.plan.service)
    return None if person is None else record


async def _answer(room: Room, deed: Deed, answer: Answer) -> None:
    record = await _admitted(room, deed)
    if record is None:
        return
    said = await answer(room.deps.plans, record.plan.id)
    await room.whisper(deed, ours(said.text))
    room.outbox.wake()
