"""Buttons below an answer: feedback, evidence, propose a fix, stop."""

from __future__ import annotations

from bot.core.investigation.evidence_pages import turn_to
from bot.core.ports import Transaction
from bot.domain.ids import EvidenceId, RunId
from bot.domain.run import AgentRun
from bot.slack.blocks import answer as view
from bot.slack.blocks.reason_form import reason_form
from bot.slack.blocks.text import Block, ours
from bot.slack.ids import FormId
from bot.slack.interactions import Interaction, pack
from bot.slack.listeners.listener import About
from bot.slack.listeners.room import Room
from tools.errors import NotFoundError


async def of_button(tx: Transaction, given: Interaction) -> About[AgentRun]:
    """Return the run that a button or a form names."""
    run = await tx.runs.get(RunId(given.value or given.subject))
    return About(run, run.id)


async def of_page(tx: Transaction, click: Interaction) -> About[AgentRun]:
    """Return the run of a page that a button names (`RUN-…/E3/2`)."""
    run = await tx.runs.get(RunId(click.value.partition("/")[0]))
    return About(run, run.id)


async def helpful(room: Room, click: Interaction, run: AgentRun) -> None:
    """👍."""
    await _rate(room, click, run, helpful=True)


async def unhelpful(room: Room, click: Interaction, run: AgentRun) -> None:
    """👎, kept at once; the form that opens beside it may add why."""
    await _rate(room, click, run, helpful=False)


async def ask_why(room: Room, click: Interaction) -> None:
    """Ask what was wrong with the answer."""
    form = reason_form(FormId.ANSWER_UNHELPFUL, pack(click, click.value), room.texts(click))
    await room.open_modal(click, form)


async def explained(room: Room, form: Interaction, run: AgentRun) -> None:
    """The form's text."""
    await _rate(room, form, run, helpful=False, why=form.fields.get("reason", ""))


async def stop(room: Room, click: Interaction, run: AgentRun) -> None:
    """Stop the run before its next step."""
    asked = await room.deps.reactions.stop(run.id, click.user)
    await room.say_privately(click, "slack.stopping" if asked else "slack.over_already")


async def propose(room: Room, click: Interaction, run: AgentRun) -> None:
    """Look for a playbook that fits the answer's causes."""
    await room.say_privately(click, "slack.proposing")
    proposed = await room.deps.proposals.for_answer(run.id, click.user, click.place)
    await room.whisper(click, ours(proposed.message))
    room.outbox.wake()


async def evidence(room: Room, click: Interaction, run: AgentRun) -> None:
    """Show what the answer stands on."""
    async with room.deps.store.begin() as tx:
        found = await tx.evidence.of_run(run.id)
    shown = view.evidence(
        found, room.texts(click), room.config.link_hosts, run_id=run.id, carries=pack(click, run.id)
    )
    await room.open_modal(click, shown)


async def open_evidence(room: Room, click: Interaction, run: AgentRun) -> None:
    """Show the full result of one piece of evidence, over the list."""
    shown = await _page(room, click, run)
    if shown is not None:
        await room.push_modal(click, shown)


async def turn_evidence(room: Room, click: Interaction, run: AgentRun) -> None:
    """Turn the page."""
    shown = await _page(room, click, run)
    if shown is not None:
        await room.turn_modal(click, shown)


async def _page(room: Room, click: Interaction, run: AgentRun) -> Block | None:
    """Return the page a button names, None after telling why not."""
    evidence_id, _, number = click.value.partition("/")[2].partition("/")
    async with room.deps.store.begin() as tx:
        found = {each.id: each for each in await tx.evidence.of_run(run.id)}
    try:
        chosen = found.get(EvidenceId(evidence_id))
        if chosen is None:
            raise NotFoundError(f"{run.id} has no evidence {evidence_id!r}")
        page = await turn_to(chosen, int(number) if number.isdecimal() else 1)
    except NotFoundError as error:
        await room.say_privately(click, "slack.gone", why=error)
        return None
    return view.evidence_page(chosen, page, room.texts(click), run.id, pack(click, run.id))


async def _rate(
    room: Room, given: Interaction, run: AgentRun, *, helpful: bool, why: str = ""
) -> None:
    await room.deps.reactions.rate(run.id, given.user, helpful=helpful, why=why)
    await room.say_privately(given, "slack.thanks")
