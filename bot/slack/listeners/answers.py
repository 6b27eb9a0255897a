"""Buttons below an answer: feedback, evidence, propose a fix, stop."""

from __future__ import annotations

from dataclasses import replace

from bot.core.investigation.evidence_pages import turn_to
from bot.domain.ids import EvidenceId, RunId
from bot.domain.run import AgentRun
from bot.slack.blocks import answer as view
from bot.slack.blocks import papers
from bot.slack.blocks.text import Block, ours
from bot.slack.deeds import Deed, pack
from bot.slack.ids import FormId
from bot.slack.listeners.room import Room
from tools.errors import NotFoundError


async def helpful(room: Room, deed: Deed) -> None:
    """👍."""
    if await _admitted(room, deed) is not None:
        await _keep(room, deed, helpful=True)


async def unhelpful(room: Room, deed: Deed) -> None:
    """👎, kept at once; the form that follows may add why."""
    if await _admitted(room, deed) is not None:
        await _keep(room, deed, helpful=False)


async def ask_why(room: Room, deed: Deed) -> None:
    """Ask what was wrong with the answer."""
    form = papers.reason_form(FormId.ANSWER_UNHELPFUL, pack(deed, deed.value), room.texts(deed))
    await room.open_modal(deed, form)


async def explained(room: Room, deed: Deed) -> None:
    """The form's text."""
    if await _admitted(room, deed) is not None:
        await _keep(room, deed, helpful=False, why=deed.fields.get("reason", ""))


async def stop(room: Room, deed: Deed) -> None:
    """Stop the run before its next step."""
    run = await _admitted(room, deed)
    if run is None:
        return
    asked = await room.deps.reactions.stop(run.id, deed.user)
    await room.say_privately(deed, "slack.stopping" if asked else "slack.over_already")


async def propose(room: Room, deed: Deed) -> None:
    """Look for a playbook that fits the answer's causes."""
    run = await _admitted(room, deed)
    if run is None:
        return
    await room.say_privately(deed, "slack.proposing")
    told = await room.deps.proposals.for_answer(run.id, deed.user, deed.place)
    await room.whisper(deed, ours(told.message))
    room.outbox.wake()


async def evidence(room: Room, deed: Deed) -> None:
    """Show what the answer stands on."""
    run = await _admitted(room, deed)
    if run is None:
        return
    async with room.deps.store.begin() as tx:
        found = await tx.evidence.of_run(run.id)
    shown = view.evidence(
        found, room.texts(deed), room.config.link_hosts, run_id=run.id, carries=pack(deed, run.id)
    )
    await room.open_modal(deed, shown)


async def open_evidence(room: Room, deed: Deed) -> None:
    """Show the full result of one piece of evidence, over the list."""
    shown = await _page(room, deed)
    if shown is not None:
        await room.push_modal(deed, shown)


async def turn_evidence(room: Room, deed: Deed) -> None:
    """Turn the page."""
    shown = await _page(room, deed)
    if shown is not None:
        await room.turn_modal(deed, shown)


async def _page(room: Room, deed: Deed) -> Block | None:
    """Return the page a button names (`RUN-…/E3/2`), None after telling why not."""
    run_id, _, rest = deed.value.partition("/")
    evidence_id, _, number = rest.partition("/")
    run = await _admitted(room, replace(deed, value=run_id))
    if run is None:
        return None
    async with room.deps.store.begin() as tx:
        found = {each.id: each for each in await tx.evidence.of_run(run.id)}
    try:
        chosen = found.get(EvidenceId(evidence_id))
        if chosen is None:
            raise NotFoundError(f"{run.id} has no evidence {evidence_id!r}")
        page = await turn_to(chosen, int(number) if number.isdecimal() else 1)
    except NotFoundError as error:
        await room.say_privately(deed, "slack.gone", why=error)
        return None
    return view.evidence_page(chosen, page, room.texts(deed), run.id, pack(deed, run.id))


async def _admitted(room: Room, deed: Deed) -> AgentRun | None:
    try:
        async with room.deps.store.begin() as tx:
            run = await tx.runs.get(RunId(deed.value or deed.subject))
    except NotFoundError as error:
        await room.say_privately(deed, "slack.gone", why=error)
        return None
    return None if await room.admits(deed, deed.name) is None else run


async def _keep(room: Room, deed: Deed, *, helpful: bool, why: str = "") -> None:
    run_id = RunId(deed.value or deed.subject)
    await room.deps.reactions.rate(run_id, deed.user, helpful=helpful, why=why)
    await room.say_privately(deed, "slack.thanks")
