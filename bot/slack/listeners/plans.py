"""Buttons of a plan's card. Every answer goes through core, which judges the person again."""

from __future__ import annotations

from bot.core.ports import PlanRecord, Transaction
from bot.core.remediation.answers.approvals import Said
from bot.domain.access import named_holders
from bot.domain.ids import PlanId
from bot.slack.blocks import plan as card
from bot.slack.blocks.reason_form import reason_form
from bot.slack.blocks.text import ours
from bot.slack.ids import FormId
from bot.slack.interactions import Interaction, pack
from bot.slack.listeners.listener import About
from bot.slack.listeners.room import Room
from foundation.blanks import visible
from playbooks.patterns import fits
from tools.errors import NotFoundError

SHORTEST_REASON = 3


async def of_card(tx: Transaction, given: Interaction) -> About[PlanRecord]:
    """Return the plan that a button or a form names."""
    record = await tx.plans.get(PlanId(given.value or given.subject))
    return About(record, record.plan.id, record.plan.service)


async def approve(room: Room, click: Interaction, record: PlanRecord) -> None:
    """Say yes."""
    plans, plan = room.deps.plans, record.plan.id
    said = await plans.approve(plan, click.user, click.channel)
    await _tell(room, click, said, record)


async def stop(room: Room, click: Interaction, record: PlanRecord) -> None:
    """Stop before the next step."""
    plans, plan = room.deps.plans, record.plan.id
    await _tell(room, click, await plans.stop(plan, click.user, click.channel))


async def undo(room: Room, click: Interaction, record: PlanRecord) -> None:
    """Take back what a halted plan did."""
    plans, plan = room.deps.plans, record.plan.id
    await _tell(room, click, await plans.undo(plan, click.user, click.channel))


async def resolve(room: Room, click: Interaction, record: PlanRecord) -> None:
    """Say what became of a step whose outcome is unknown."""
    plans, plan, verdict = room.deps.plans, record.plan.id, click.name.partition(".")[2]
    said = await plans.resolve_unknown(plan, click.user, verdict, click.channel)
    await _tell(room, click, said)


async def propose_again(room: Room, click: Interaction, record: PlanRecord) -> None:
    """Ask for an expired plan anew."""
    plans, plan = room.deps.plans, record.plan.id
    await _tell(room, click, await plans.propose_again(plan, click.user, click.channel))


async def ask_why(room: Room, click: Interaction, _: PlanRecord) -> None:
    """Open the form that asks for the reason of a rejection."""
    carries = pack(click, click.value)
    form = reason_form(FormId.PLAN_REJECT, carries, room.texts(click))
    await room.open_modal(click, form)


async def ask_for_glass(room: Room, click: Interaction, _: PlanRecord) -> None:
    """Open the form that asks why one approver alone must be enough."""
    carries = pack(click, click.value)
    form = reason_form(FormId.PLAN_BREAK_GLASS, carries, room.texts(click))
    await room.open_modal(click, form)


async def open_choices(room: Room, click: Interaction, record: PlanRecord) -> None:
    """Open the form with what may be chosen otherwise."""
    if not record.plan.choices:
        await room.say_privately(click, "plan.edit_nothing", id=record.plan.id)
        return
    form = card.choice_form(record.plan, pack(click, click.value), room.texts(click))
    await room.open_modal(click, form)


async def choices_fit(room: Room, form: Interaction) -> dict[str, str]:
    """Say which value is not one that the playbook takes."""
    try:
        async with room.deps.store.begin() as tx:
            record = await tx.plans.get(PlanId(form.subject))
    except NotFoundError:
        return {}  # the answer tells that it is gone
    texts, wrong = room.texts(form), {}
    for choice in record.plan.choices:
        value = _chosen(form, choice.name)
        said = f"{choice.name}={value}"
        if not fits(choice.pattern, value):
            wrong[choice.name] = texts.say("slack.form.choice_wrong", pattern=choice.pattern)
        elif room.deps.redactor.text(said) != said:
            wrong[choice.name] = texts.say("slack.form.choice_secret")
    return wrong


async def reason_given(room: Room, form: Interaction) -> dict[str, str]:
    """Say what is wrong with the form."""
    if len(visible(form.fields.get("reason", ""))) >= SHORTEST_REASON:
        return {}
    return {"reason": room.texts(form).say("slack.form.reason_needed")}


async def reject(room: Room, form: Interaction, record: PlanRecord) -> None:
    """Say no, with the form's reason."""
    reason = form.fields.get("reason", "").strip()
    plans, plan = room.deps.plans, record.plan.id
    await _tell(room, form, await plans.reject(plan, form.user, reason, form.channel))


async def break_glass(room: Room, form: Interaction, record: PlanRecord) -> None:
    """Let one yes be enough, with the form's reason."""
    reason = form.fields.get("reason", "").strip()
    plans, plan = room.deps.plans, record.plan.id
    await _tell(room, form, await plans.break_glass(plan, form.user, reason, form.channel))


async def edit(room: Room, form: Interaction, record: PlanRecord) -> None:
    """Propose the plan with the form's values."""
    values = {name: _chosen(form, name) for name in form.fields}
    plans, plan = room.deps.plans, record.plan.id
    await _tell(room, form, await plans.edit(plan, form.user, values, form.channel))


async def details(room: Room, click: Interaction, record: PlanRecord) -> None:
    """Show everything a yes covers."""
    if card.must_not_be_shown(record):
        await room.say_privately(click, "slack.plan.unproved", id=record.plan.id)
        return
    async with room.deps.store.begin() as tx:
        steps = await tx.plans.steps(record.plan.id)
    await room.open_modal(click, card.details(record, steps, room.texts(click)))


def _chosen(form: Interaction, name: str) -> str:
    return form.fields.get(name, "").strip()


async def _tell(
    room: Room, given: Interaction, said: Said, record: PlanRecord | None = None
) -> None:
    """Tell what an answer came to, and whom to ask where a role is missing; redraw the card."""
    ask: list[str] = []
    if record is not None and said.refused_by == "access":
        role, access = room.deps.ruling(record).role, room.deps.access()
        names = named_holders(role, access, record.plan.place.channel, record.plan.service)
        ask = room.whom_to_ask(given, names)
    await room.whisper(given, " ".join([ours(said.text), *ask]))
    room.outbox.wake()
