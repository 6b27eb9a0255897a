"""An incident's live card: how bad, what and since when, why, who has it, and the one thing to do.

The card is redrawn from the story at every move and never holds a state of its own. Everything
behind the first lines is a button away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.core.incidents.story import Story
from bot.core.incidents.telling import cause_text, lasted, signal_text, state_text
from bot.domain.incident import Declared, Incident, InHand, MergedInto, Priority
from bot.locale import Texts
from bot.slack.blocks.rendered import Rendered
from bot.slack.blocks.text import (
    Block,
    actions,
    button,
    called,
    channel_named,
    code,
    confirm,
    context,
    date,
    escape,
    header,
    modal,
    one_line,
    section,
    select,
    text_input,
)
from bot.slack.ids import ActionId, FormId

EMOJI = {Priority.P0: "🔴", Priority.P1: "🟠", Priority.P2: "🟡", Priority.P3: "🔵"}
MOST_SIGNALS = 2
MOST_PEOPLE = 8
MORE = ("catch_up", "status", "hand_over", "severity", "note", "merge")


def render(
    story: Story, now: datetime, texts: Texts, links: Mapping[str, str] | None = None
) -> Rendered:
    """Return the card; `links` maps ids of plans to the addresses of their cards."""
    incident = story.incident
    title = _title(incident, texts)
    first = [_when(incident, now, texts), *_what(story, texts)]
    blocks = [header(title), section("\n".join([*first, one_line(cause_text(story, texts))]))]
    todo = _todo(story, links or {}, texts)
    blocks += [section(todo)] if todo else []
    blocks.append(context(*_small_print(story, texts)))
    buttons = _buttons(incident, texts)
    if buttons:
        blocks.append(actions(*buttons, block_id=incident.id))
    spoken = first[1] if len(first) > 1 else first[0]
    return Rendered(f"{escape(title)}. {spoken}", blocks)


def _title(incident: Incident, texts: Texts) -> str:
    state = state_text(incident, texts)
    mark = EMOJI[incident.priority] if incident.open else "✅"
    if isinstance(incident.state, MergedInto):
        mark = "🔀"
    return f"{mark} {incident.priority.value} · {state} · {incident.title}"


def _when(incident: Incident, now: datetime, texts: Texts) -> str:
    since, span = date(incident.started_at), lasted(incident, now, texts)
    key = "slack.incident.lasts" if incident.open else "slack.incident.lasted"
    return texts.say(key, service=code(incident.service), since=since, lasted=span)


def _what(story: Story, texts: Texts) -> list[str]:
    return [f"• {one_line(signal_text(each, texts))}" for each in story.signals[:MOST_SIGNALS]]


def _todo(story: Story, links: Mapping[str, str], texts: Texts) -> str:
    """Return the one thing to do now."""
    incident = story.incident
    match incident.state:
        case MergedInto(into=into):
            return texts.say("slack.incident.look_there", into=escape(into))
        case _ if not incident.open:
            return ""
        case _ if story.waiting:
            plan = story.waiting[0].plan
            named = _linked(plan.id, plan.title, links)
            return texts.say("slack.incident.answer", plan=named)
        case Declared():
            by = date(incident.respond_by)
            return texts.say("slack.incident.take_it", by=by)
        case InHand(lead=lead):
            return texts.say("slack.incident.has_it", user=called(lead))
        case _:
            return ""


def _linked(name: str, title: str, links: Mapping[str, str]) -> str:
    shown = one_line(title, 120)
    address = links.get(name)
    return f"<{address}|{shown.replace('|', '¦')}>" if address else f"*{shown}* `{escape(name)}`"


def _small_print(story: Story, texts: Texts) -> list[str]:
    incident = story.incident
    say = texts.say
    lines = [
        say(
            "slack.incident.counts",
            id=escape(incident.id),
            findings=len(story.findings),
            plans=len(story.plans),
            questions=story.questions,
        )
    ]
    if incident.call is not None and incident.call.in_card:
        named = " ".join(called(each) for each in incident.call.names)
        lines.append(say("slack.incident.called", names=named))
    if incident.lead is not None:
        key = "slack.incident.lead" if incident.open else "slack.incident.had"
        lines.append(say(key, user=called(incident.lead)))
    others = [each for each in incident.people if each != incident.lead][:MOST_PEOPLE]
    if others:
        lines.append(say("slack.incident.people", users=" ".join(map(called, others))))
    if incident.room:
        lines.append(say("slack.incident.room", channel=channel_named(incident.room)))
    if incident.open and incident.quiet:
        lines.append(say("slack.incident.quiet"))
    elif incident.open and incident.next_update_at is not None:
        lines.append(say("slack.incident.next_update", at=date(incident.next_update_at)))
    return lines


def _buttons(incident: Incident, texts: Texts) -> list[Block]:
    say = texts.say
    match incident.state:
        case MergedInto():
            return []
        case Declared():
            first = button(say("slack.button.take"), ActionId.INCIDENT_TAKE, incident.id, "primary")
        case InHand():
            first = button(say("slack.button.join"), ActionId.INCIDENT_JOIN, incident.id)
        case _:
            again = button(say("slack.button.reopen"), ActionId.INCIDENT_REOPEN, incident.id)
            return [again, _more(("catch_up", "status"), texts)]
    over = button(
        say("slack.button.resolve"),
        ActionId.INCIDENT_RESOLVE,
        incident.id,
        confirm=confirm(
            say("slack.incident.resolve_title", id=incident.id),
            say("slack.incident.resolve_confirm"),
            say("slack.button.resolve"),
            say("slack.no"),
        ),
    )
    return [first, over, _more(MORE, texts)]


def _more(words: Sequence[str], texts: Texts) -> Block:
    """Return the select with all that is needed less often."""
    named = {word: texts.say(f"slack.incident.more.{word}") for word in words}
    return select(texts.say("slack.button.more"), ActionId.INCIDENT_MORE, named)


# --- forms -----------------------------------------------------------------------------------


def status_form(draft: str, where: str, carries: str, texts: Texts) -> Block:
    """Return the form in which a person edits what stakeholders will read, and sends it."""
    return modal(
        texts.say("slack.form.status_title"),
        [
            section(texts.say("slack.form.status_note", channel=where)),
            text_input("text", texts.say("slack.form.status_label"), draft),
        ],
        close=texts.say("slack.close"),
        callback=FormId.INCIDENT_STATUS,
        submit=texts.say("slack.send"),
        carries=carries,
    )


def hand_over_form(carries: str, texts: Texts) -> Block:
    """Return the form that asks who has it from now on."""
    return modal(
        texts.say("slack.form.hand_over_title"),
        [_person(texts)],
        close=texts.say("slack.close"),
        callback=FormId.INCIDENT_HAND_OVER,
        submit=texts.say("slack.button.hand_over"),
        carries=carries,
    )


def severity_form(incident: Incident, carries: str, texts: Texts) -> Block:
    """Return the form that asks how serious it is."""
    options = {p.value: texts.say(f"slack.incident.severity.{p.value}") for p in Priority}
    element = select(texts.say("slack.form.severity_label"), "choice", options)
    element["initial_option"] = next(
        each for each in element["options"] if each["value"] == incident.priority.value
    )
    return modal(
        texts.say("slack.form.severity_title"),
        [_input("priority", texts.say("slack.form.severity_label"), element)],
        close=texts.say("slack.close"),
        callback=FormId.INCIDENT_SEVERITY,
        submit=texts.say("slack.save"),
        carries=carries,
    )


def note_form(carries: str, texts: Texts) -> Block:
    """Return the form for a line of the timeline."""
    return modal(
        texts.say("slack.form.note_title"),
        [text_input("text", texts.say("slack.form.note_label"))],
        close=texts.say("slack.close"),
        callback=FormId.INCIDENT_NOTE,
        submit=texts.say("slack.save"),
        carries=carries,
    )


def merge_form(others: Sequence[Incident], carries: str, texts: Texts) -> Block:
    """Return the form that asks which other open incident this one is a part of."""
    options = {str(each.id): f"{each.id} {each.title}" for each in others[:100]}
    element = select(texts.say("slack.form.merge_label"), "choice", options)
    return modal(
        texts.say("slack.form.merge_title"),
        [
            section(texts.say("slack.form.merge_note")),
            _input("into", texts.say("slack.form.merge_label"), element),
        ],
        close=texts.say("slack.close"),
        callback=FormId.INCIDENT_MERGE,
        submit=texts.say("slack.button.merge"),
        carries=carries,
    )


def _person(texts: Texts) -> Block:
    label = texts.say("slack.form.hand_over_label")
    return _input("user", label, {"type": "users_select", "action_id": "choice"})


def _input(block_id: str, label: str, element: Block) -> Block:
    return {
        "type": "input",
        "block_id": block_id,
        "label": {"type": "plain_text", "text": label},
        "element": element,
    }


# --- lines -----------------------------------------------------------------------------------


def line(incident: Incident, texts: Texts) -> str:
    """Return an incident as one line of a list."""
    return texts.say(
        "slack.incident.line",
        mark=EMOJI[incident.priority],
        priority=incident.priority.value,
        id=escape(incident.id),
        title=one_line(incident.title, 120),
        state=state_text(incident, texts),
        since=date(incident.started_at),
        who=called(incident.lead) if incident.lead else "–",
    )


def state_of(incident: Incident, texts: Texts) -> str:
    """Return the state in a word or two, as plain text."""
    return state_text(incident, texts)
