"""A plan's card: what exactly would be done, why now, how risky, the way back, who said what.

The card is redrawn from the record at every move; it never holds a state of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.core.ports import PlanRecord
from bot.domain.plans.approval import Approved, Expired, Pending, Rejected, Withdrawn, answers_of
from bot.domain.plans.plan import FOR_A_PERSON, Plan, PlanStatus, Step, StepPhase
from bot.domain.plans.plan_life import AtWork
from bot.domain.plans.policy import Ruling
from bot.domain.plans.risk import Tier
from bot.domain.plans.step_run import StepRun
from bot.locale import Texts
from bot.slack.blocks.rendered import Rendered
from bot.slack.blocks.text import (
    LONGEST_LINE,
    MOST_SECTION,
    Block,
    actions,
    button,
    called,
    code,
    confirm,
    context,
    cut,
    date,
    escape,
    header,
    middle_out,
    modal,
    one_line,
    ours,
    section,
    sections,
    text_input,
)
from bot.slack.ids import ActionId, FormId

MARKS = {
    StepPhase.INTENT: "⏳",
    StepPhase.SENT: "⏳",
    StepPhase.DONE: "✓",
    StepPhase.FAILED: "✗",
    StepPhase.UNKNOWN: "❔",
}
OVER = frozenset(  # no button of theirs moves what was shown
    {
        PlanStatus.REJECTED,
        PlanStatus.EXPIRED,
        PlanStatus.WITHDRAWN,
        PlanStatus.SUCCEEDED,
        PlanStatus.ROLLED_BACK,
        PlanStatus.FAILED,
    }
)
MOST_STEPS = 8
MOST_DIFF = 12
MOST_DIFF_TEXT = 2000  # characters of one step's lines, as Slack counts them
LONGEST_TARGET = 120  # characters in the dialog before a yes, which holds 300
MOST_TOUCHED = 8  # lines of who is hit: a yes is a yes to them


def render(
    record: PlanRecord,
    steps: Sequence[StepRun],
    ruling: Ruling | None,
    texts: Texts,
    incident: str = "",
) -> Rendered:
    """Return a plan's card; `ruling` None draws it without Approve.

    `incident` is the mrkdwn that names the incident it belongs to.
    """
    plan = record.plan
    status = texts.say(f"plan.status.{record.status.value}")
    title = texts.say("slack.plan.title", title=plan.title)
    blocks = [
        header(title),
        section(f"*{status}* · {one_line(plan.reason)}"),
        *sections(_steps(plan, steps, texts)),
    ]
    if not record.status.ended:
        blocks.append(section(_risk_short(plan, texts)))
        blocks += sections(_safety(plan, texts))
    undone = _undo_progress(plan, steps, texts)
    if undone:
        blocks.append(section(undone))
    belongs = texts.say("slack.incident.see", incident=incident) if incident else ""
    blocks.append(context(*_small_print(record, ruling, texts), belongs))
    if record.outcome:
        # how a plan at work ended quotes what targets answered; core names who withdrew one
        told = ours if record.status is PlanStatus.WITHDRAWN else escape
        blocks.append(section(told(record.outcome)))
    buttons = _buttons(record, ruling, texts)
    if buttons:
        blocks.append(actions(*buttons, block_id=plan.id))
    return Rendered(escape(f"{status}: {plan.title}. {record.outcome or plan.reason}"), blocks)


def brief(record: PlanRecord, link: str, texts: Texts) -> Rendered:
    """Return a plan as one live line in the thread of its incident; its card is elsewhere."""
    status = texts.say(f"plan.status.{record.status.value}")
    title = one_line(record.plan.title, 120)
    named = f"<{link}|{title.replace('|', '¦')}>" if link else f"*{title}* `{record.plan.id}`"
    mark = "👉" if record.status in FOR_A_PERSON else "📋"
    text = texts.say("slack.incident.brief", mark=mark, plan=named, status=status)
    blocks = [section(text)]
    if record.outcome:
        blocks.append(context(one_line(record.outcome)))
    return Rendered(text, blocks)


def must_not_be_shown(record: PlanRecord) -> bool:
    """Say whether a plan may be another one than it says: a yes would be given to what is hidden.

    Who exchanges a row, lets the card be drawn and puts the genuine row back has people say yes to
    what they never saw.
    """
    return not record.genuine and record.status not in OVER


def unproved(record: PlanRecord, texts: Texts) -> Rendered:
    """Return the card of a plan that nothing proves: nothing of it, and no button."""
    text = texts.say("slack.plan.unproved", id=escape(record.plan.id))
    return Rendered(text, [section(text)])


def diagnosis(body: Mapping[str, Any], texts: Texts) -> Rendered:
    """Return the card of what the bot must never do: to be read, without a button."""
    service = str(body["service"])
    title = texts.say("slack.diagnosis.title", title=body["title"], service=service)
    never = texts.say("slack.diagnosis.never", score=body["score"])
    parts = [
        f"*{never}*\n{escape(body['reason'])}",
        f"*{texts.say('slack.diagnosis.look')}*\n{escape(body['diagnosis'])}",
        _list(texts.say("slack.diagnosis.would"), body["would"], MOST_STEPS, texts),
        _list(texts.say("slack.diagnosis.risk"), body["lines"], MOST_STEPS, texts),
    ]
    blocks = [header(title), *(section(part) for part in parts if part)]
    if body["owners"]:
        named = ", ".join(called(owner) for owner in body["owners"])
        blocks.append(context(texts.say("slack.plan.owners", owners=named)))
    return Rendered(escape(f"{title}. {body['diagnosis']}"), blocks)


def details(record: PlanRecord, steps: Sequence[StepRun], texts: Texts) -> Block:
    """Return the modal with everything a yes covers."""
    plan = record.plan
    blocks = [section(_risk(plan, texts)), *sections(_safety(plan, texts, whole=True))]
    do, back = texts.say("slack.plan.step"), texts.say("slack.plan.undo_step")
    blocks += [section(_step_whole(step, do)) for step in plan.body.steps]
    blocks += [section(_step_whole(step, back)) for step in plan.body.undo]
    verify = [f"• {code(v.expression)} · {v.window_seconds} s" for v in plan.body.verify]
    if verify:
        blocks.append(section("\n".join([texts.say("slack.plan.verify"), *verify])))
    notes = [f"{MARKS[s.phase]} {s.key}: {escape(s.note)}" for s in steps if s.note]
    if notes:
        blocks.append(section("\n".join(notes)))
    blocks.append(context(f"{plan.id} · {plan.body.playbook_id}", f"sha256 {plan.digest[:16]}…"))
    return modal(texts.say("slack.plan.details"), blocks, close=texts.say("slack.close"))


def choice_form(plan: Plan, carries: str, texts: Texts) -> Block:
    """Return the form that makes a new plan of this one, with what it says now filled in."""
    inputs = [
        text_input(c.name, f"{c.name}: {c.label}", c.value, lines=False) for c in plan.choices
    ]
    return modal(
        texts.say("slack.form.edit_title"),
        [section(texts.say("slack.form.edit_note", id=plan.id)), *inputs],
        close=texts.say("slack.close"),
        callback=FormId.PLAN_EDIT,
        submit=texts.say("slack.button.propose_again"),
        carries=carries,
    )


def _steps(plan: Plan, runs: Sequence[StepRun], texts: Texts) -> list[str]:
    """Return a part for each step."""
    phases = {r.position.index: r for r in runs if not r.position.undo}
    lines = []
    for i, step in enumerate(plan.body.steps[:MOST_STEPS]):
        run = phases.get(i)
        mark = MARKS[run.phase] if run else f"{i + 1}."
        line = f"{mark} *{one_line(step.name)}* {code(step.action)} → {_target(step)}"
        lines.append(f"{line}\n```{_diff(step.diff, MOST_DIFF)}```" if step.diff else line)
    more = len(plan.body.steps) - MOST_STEPS
    if more > 0:
        lines.append(texts.say("slack.more", count=more))
    return lines or [escape(plan.title)]


def _target(step: Step) -> str:
    return code(middle_out(str(step.target), LONGEST_LINE))


def _diff(lines: Sequence[str], most: int) -> str:
    """Return lines as code that nothing in them ends, and that leaves room for the step's name."""
    kept: list[str] = []
    room = MOST_DIFF_TEXT
    for line in lines[:most]:
        shown = escape(cut(line, 200)).replace("```", "'''")  # what hid between the marks is gone
        room -= len(shown) + 1
        if room < 0:
            break
        kept.append(shown)
    return "\n".join([*kept, "…"] if len(kept) < len(lines) else kept)


def _step_whole(step: Step, label: str) -> str:
    values = ", ".join(f"{k}={v}" for k, v in step.parameters.items())
    lines = [
        f"*{label}: {escape(step.name)}*",
        f"{code(step.action)} → {_target(step)} {code(values)}",
    ]
    if step.diff:
        lines.append(f"```{_diff(step.diff, 60)}```")
    return "\n".join(lines)


def _risk_short(plan: Plan, texts: Texts) -> str:
    """Return the score and what it asks for; how it is made up stands in the details."""
    tier = texts.say(f"slack.tier.{plan.tier.value}")
    return texts.say("slack.plan.risk_short", score=f"{plan.risk.score:.2f}", tier=tier)


def _risk(plan: Plan, texts: Texts) -> str:
    risk = plan.risk
    head = texts.say(
        "slack.plan.risk",
        score=f"{risk.score:.2f}",
        tier=texts.say(f"slack.tier.{plan.tier.value}"),
        severity=f"{risk.severity:.2f}",
        urgency=f"{risk.urgency:.2f}",
        impact=f"{risk.impact:.2f}",
        complexity=f"{risk.complexity:.2f}",
    )
    return "\n".join([head, *(f"• {escape(line)}" for line in risk.lines)])


def _safety(plan: Plan, texts: Texts, *, whole: bool = False) -> list[str]:
    most = 30 if whole else 4
    parts = [
        _list(
            texts.say("slack.plan.blast_radius"),
            _touched(plan, texts),
            max(most, MOST_TOUCHED),
            texts,
        ),
        _list(texts.say("slack.plan.dry_run"), plan.dry_run, most, texts),
        _list(
            texts.say("slack.plan.way_back"),
            [f"{s.name} ({s.action} → {s.target})" for s in plan.body.undo],
            most,
            texts,
        )
        or texts.say("slack.plan.no_way_back"),
    ]
    return [part for part in parts if part]


def _touched(plan: Plan, texts: Texts) -> Sequence[str]:
    """Return who is hit: objects, pods by who owns them with their number, Services before them."""
    effects = plan.body.effects()
    if effects is None:
        return plan.blast_radius  # an older version's plan says no more
    say = texts.say
    return [
        *(str(each.ref) for each in effects.objects),
        *(say("slack.plan.scales", ref=each.ref) for each in effects.scaled),
        *(say("slack.plan.pods", count=b.maximum, owner=b.owner) for b in effects.pods),
        *(say("slack.plan.behind", service=each) for each in effects.served_by()),
        *(say("slack.plan.unread", ref=each.ref) for each in effects.foreign()),
    ]


def _list(label: str, lines: Sequence[str], most: int, texts: Texts) -> str:
    if not lines:
        return ""
    shown: list[str] = []
    room = MOST_SECTION - 200  # for the label and what is not shown
    for line in lines[:most]:
        told = f"• {one_line(line)}"
        room -= len(told) + 1
        if room < 0:
            break
        shown.append(told)
    if len(lines) > len(shown):
        shown.append(texts.say("slack.more", count=len(lines) - len(shown)))
    return "\n".join([f"*{label}*", *shown])


def _undo_progress(plan: Plan, runs: Sequence[StepRun], texts: Texts) -> str:
    phases = {r.position.index: r.phase for r in runs if r.position.undo}
    lines = [
        f"{MARKS[phases[i]]} {escape(step.name)}"
        for i, step in enumerate(plan.body.undo)
        if i in phases
    ]
    return "\n".join([f"*{texts.say('slack.plan.way_back')}*", *lines]) if lines else ""


def _small_print(record: PlanRecord, ruling: Ruling | None, texts: Texts) -> list[str]:
    plan = record.plan
    answers = answers_of(record.approval)
    lines = [
        texts.say("slack.plan.said_yes", user=f"<@{yes.by}>", at=date(yes.at)) for yes in answers
    ]
    match record.approval:
        case Rejected(by=by, reason=reason, at=at):
            lines.append(
                texts.say(
                    "slack.plan.said_no", user=f"<@{by}>", at=date(at), reason=one_line(reason)
                )
            )
        case Expired(at=at):
            lines.append(texts.say("slack.plan.expired_at", at=date(at)))
        case Withdrawn(why=why, at=at):
            lines.append(texts.say("slack.plan.withdrawn", why=ours(why), at=date(at)))
        case Pending(needed=needed):
            lines += _waiting(record, ruling, needed - len(answers), texts)
        case Approved():
            pass
    if isinstance(record.approval, Approved) and record.approval.glass:
        lines.append(texts.say("slack.plan.glass", reason=one_line(record.approval.glass)))
    if isinstance(record.state, AtWork) and record.state.stop_asked:
        lines.append(texts.say("slack.plan.stopping"))
    asked = f"<@{plan.requested_by}>" if plan.requested_by else texts.say("slack.the_bot")
    lines.append(texts.say("slack.plan.asked_by", user=asked, id=plan.id))
    if plan.owners:
        named = ", ".join(called(owner) for owner in plan.owners)
        lines.append(texts.say("slack.plan.owners", owners=named))
    return lines


def _waiting(record: PlanRecord, ruling: Ruling | None, missing: int, texts: Texts) -> list[str]:
    plan = record.plan
    if record.status is PlanStatus.HELD:
        return [texts.say("slack.plan.held")]
    if ruling is not None and not ruling.may_be_approved:
        return [texts.say("slack.plan.reading_only", why=escape(ruling.why))]
    role = texts.say(f"slack.role.{ruling.role.value}") if ruling else ""
    return [
        texts.say("slack.plan.who", role=role, count=missing),
        texts.say("slack.plan.expires", at=date(plan.expires_at)),
    ]


def _buttons(record: PlanRecord, ruling: Ruling | None, texts: Texts) -> list[Block]:
    plan = record.plan
    see = button(texts.say("slack.button.details"), ActionId.PLAN_DETAILS, plan.id)
    match record.status:
        case PlanStatus.WAITING:
            no = button(texts.say("slack.button.reject"), ActionId.PLAN_REJECT, plan.id, "danger")
            return [*_yes(plan, ruling, texts), no, *_edit(plan, texts), see]
        case PlanStatus.HELD | PlanStatus.APPROVED | PlanStatus.RUNNING | PlanStatus.VERIFYING:
            stop = button(texts.say("slack.button.stop"), ActionId.PLAN_STOP, plan.id, "danger")
            return [stop, see]
        case PlanStatus.OUTCOME_UNKNOWN:
            return [
                _told(plan, ActionId.PLAN_DONE, texts),
                _told(plan, ActionId.PLAN_UNDONE, texts),
                _told(plan, ActionId.PLAN_RETRY, texts, "danger"),
                see,
            ]
        case PlanStatus.HALTED | PlanStatus.UNVERIFIED if plan.body.undo:
            return [_take_back(plan, texts), see]
        case PlanStatus.EXPIRED:
            text = texts.say("slack.button.propose_again")
            return [button(text, ActionId.PLAN_PROPOSE_AGAIN, plan.id, "primary"), see]
        case _:
            return [see]


def _told(plan: Plan, action: ActionId, texts: Texts, style: str = "") -> Block:
    """Return the button of one word about an unknown outcome; it says first what follows."""
    word = action.value.partition(".")[2]
    label = texts.say(f"slack.button.{word}")
    asked = confirm(
        texts.say("slack.plan.told_title"),
        texts.say(f"slack.plan.told.{word}"),
        label,
        texts.say("slack.no"),
        style or "primary",
    )
    return button(label, action, plan.id, style, confirm=asked)


def _take_back(plan: Plan, texts: Texts) -> Block:
    """Return the button that undoes; it says first what would be done."""
    first, more = plan.body.undo[0], len(plan.body.undo) - 1
    target = middle_out(str(first.target), LONGEST_TARGET)
    what = f"{first.action} → {target}" + (f" (+{more})" if more else "")
    asked = confirm(
        texts.say("slack.plan.undo_title"),
        texts.say("slack.plan.undo_confirm", what=what),
        texts.say("slack.button.undo"),
        texts.say("slack.no"),
    )
    return button(texts.say("slack.button.undo"), ActionId.PLAN_UNDO, plan.id, confirm=asked)


def _yes(plan: Plan, ruling: Ruling | None, texts: Texts) -> list[Block]:
    """Return the buttons that let a plan run; none where policy only shows it."""
    if ruling is None or not ruling.may_be_approved or plan.tier is Tier.CRITICAL:
        return []
    if not ruling.glass:
        return [_approve(plan, texts)]
    alone = texts.say("slack.button.break_glass")
    return [_approve(plan, texts), button(alone, ActionId.PLAN_BREAK_GLASS, plan.id, "danger")]


def _edit(plan: Plan, texts: Texts) -> list[Block]:
    if not plan.choices:
        return []
    return [button(texts.say("slack.button.edit_plan"), ActionId.PLAN_EDIT, plan.id)]


def _approve(plan: Plan, texts: Texts) -> Block:
    first = plan.body.steps[0]
    more = len(plan.body.steps) - 1
    target = middle_out(str(first.target), LONGEST_TARGET)  # what follows it must be read, too
    what = f"{first.action} → {target}" + (f" (+{more})" if more else "")
    return button(
        texts.say("slack.button.approve"),
        ActionId.PLAN_APPROVE,
        plan.id,
        "primary",
        confirm=confirm(
            texts.say("slack.plan.confirm_title"),
            texts.say("slack.plan.confirm", what=what),
            texts.say("slack.button.approve"),
            texts.say("slack.no"),
        ),
    )
