"""A finding: what is abnormal, why, what is coming, what it resembles, and what to do."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from bot.domain.anomaly import Acknowledged, FalseAlarm
from bot.domain.finding import Finding
from bot.domain.incident import Incident
from bot.domain.signal import Signal, alerts_in
from bot.locale import Texts
from bot.slack.blocks.markdown import markdown
from bot.slack.blocks.rendered import Rendered
from bot.slack.blocks.text import (
    Block,
    actions,
    button,
    code,
    confirm,
    context,
    date,
    escape,
    header,
    one_line,
    prose,
    section,
    select,
)
from bot.slack.ids import ActionId
from tools.units import format_value
from tools.world import Severity

EMOJI = {
    Severity.LOW: "🔵",
    Severity.MEDIUM: "🟡",
    Severity.HIGH: "🟠",
    Severity.CRITICAL: "🔴",
}
MOST_LINES = 8
MOST_ALERTS, LONGEST_ALERT = 3, 600  # alerts whose own words are shown, and how much of each
MOST_GAPS, LONGEST_GAP = 3, 60  # one short line says what was not seen; the store says it all
MUTE_HOURS = ("1", "4", "24")


def render(
    finding: Finding,
    signals: Sequence[Signal],
    incident: Incident | None,
    texts: Texts,
    hosts: Collection[str] = (),
    link: str = "",
) -> Rendered:
    """Return a finding's message; `link` is the address of its incident's card."""
    title = _title(finding, incident, texts)
    blocks = [header(title)]
    if finding.conclusion:
        blocks.append(prose(markdown(finding.conclusion, hosts)))
    else:  # the agent run has not concluded yet: what the detector knows
        blocks += [section(_causes(finding, texts))] if finding.causes else []
        blocks.append(section(_lines(finding, texts)))
    words = _alerts(finding, signals, texts)
    blocks += [section(words)] if words else []
    chart_at = len(blocks)
    told = (_breaches(finding, texts), _similar(finding, texts))
    blocks += [section(text) for text in told if text]
    blocks.append(context(*_small_print(finding, signals, incident, texts, link)))
    buttons = _buttons(finding, signals, texts)
    if buttons:
        blocks.append(actions(*buttons, block_id=finding.id))
    return Rendered(_notification(finding, title), blocks, finding.chart, chart_at)


def _title(finding: Finding, incident: Incident | None, texts: Texts) -> str:
    what = incident.title if incident else finding.service
    if finding.resolved_at is not None:
        return texts.say("slack.finding.title_resolved", title=what)
    severity = texts.say(f"slack.severity.{finding.severity.value}")
    return f"{EMOJI[finding.severity]} {severity} · {what}"


def _notification(finding: Finding, title: str) -> str:
    """The conclusion first: what a phone shows must be enough to decide whether to get up."""
    lead = finding.conclusion.partition("\n")[0].replace("**", "").strip()
    if not lead and finding.causes:
        lead = finding.causes[0].cause
    return escape(f"{title}. {lead}" if lead else f"{title}. {' '.join(finding.lines[:1])}")


def _lines(finding: Finding, texts: Texts) -> str:
    shown = [f"• {one_line(line)}" for line in finding.lines[:MOST_LINES]]
    more = len(finding.lines) - len(shown)
    if more > 0:
        shown.append(texts.say("slack.more", count=more))
    return "\n".join(shown) or escape(finding.service)


def _alerts(finding: Finding, signals: Sequence[Signal], texts: Texts) -> str:
    """What alerts say themselves beyond the lines above: their description, their runbook."""
    lines: list[str] = []
    for alert in alerts_in(signals):
        said = [alert.summary] if finding.conclusion else []
        said = [one_line(each, LONGEST_ALERT) for each in (*said, alert.description) if each]
        if alert.runbook:
            said.append(texts.say("slack.finding.runbook", runbook=code(alert.runbook[:300])))
        if said:
            lines.append("\n".join([f"📟 *{one_line(alert.name, 100)}*", *said]))
    more = len(lines) - MOST_ALERTS
    shown = lines[:MOST_ALERTS]
    return "\n".join([*shown, texts.say("slack.more", count=more)] if more > 0 else shown)


def _causes(finding: Finding, texts: Texts) -> str:
    lines = [
        texts.say(
            "slack.finding.cause", cause=one_line(c.cause), confidence=f"{c.confidence:.0%}",
            evidence=_cited(c.evidence),
        )
        for c in finding.causes[:3]
    ]  # fmt: skip
    return "\n".join([texts.say("slack.finding.causes"), *lines])


def _cited(evidence: Sequence[str]) -> str:
    return f" [{', '.join(evidence)}]" if evidence else ""


def _breaches(finding: Finding, texts: Texts) -> str:
    return "\n".join(
        texts.say(
            "slack.finding.breach",
            metric=one_line(b.metric),
            threshold=format_value(b.threshold, b.unit),
            value=format_value(b.value, b.unit),
            at=date(b.at),
        )
        for b in finding.breaches[:3]
    )


def _similar(finding: Finding, texts: Texts) -> str:
    cases = [f"• {one_line(c.title)} ({escape(c.kind)})" for c in finding.similar[:3]]
    return "\n".join([texts.say("slack.finding.similar"), *cases]) if cases else ""


def _gaps(finding: Finding, texts: Texts) -> str:
    if not finding.gaps:
        return ""
    shown = [one_line(gap, LONGEST_GAP) for gap in finding.gaps[:MOST_GAPS]]
    more = len(finding.gaps) - len(shown)
    return texts.say("slack.finding.gaps", gaps="; ".join([*shown, f"+{more}"] if more else shown))


def _small_print(
    finding: Finding,
    signals: Sequence[Signal],
    incident: Incident | None,
    texts: Texts,
    link: str,
) -> list[str]:
    since = min((a.started_at for a in signals), default=finding.opened_at)
    lines = [
        texts.say("slack.finding.since", service=code(finding.service), since=date(since)),
        f"{finding.id}" + (f" · {_named(incident, link)}" if incident else ""),
        _gaps(finding, texts),
        *(f"⚠️ {one_line(note)}" for note in finding.notes[:MOST_GAPS]),
    ]
    if finding.resolved_at is not None:
        lines.append(texts.say("slack.finding.resolved_at", at=date(finding.resolved_at)))
    for word, by, at in _said(signals):
        lines.append(texts.say(word, user=f"<@{by}>", at=date(at)))
    return lines


def _named(incident: Incident, link: str) -> str:
    """Return the incident with the way to its card."""
    name = f"{incident.id} {incident.priority.value}"
    return f"<{link}|{name}>" if link else name


def _said(signals: Sequence[Signal]) -> list[tuple[str, str, datetime]]:
    """Who acknowledged it or called it a false alarm, each once."""
    said: dict[tuple[str, str], datetime] = {}
    for signal in signals:
        if isinstance(signal.state, Acknowledged):
            said.setdefault(("slack.finding.acknowledged", signal.state.by), signal.state.at)
        if isinstance(signal.state, FalseAlarm):
            said.setdefault(("slack.finding.false_alarm", signal.state.by), signal.state.at)
    return [(word, by, at) for (word, by), at in said.items()]


def _buttons(finding: Finding, signals: Sequence[Signal], texts: Texts) -> list[Block]:
    if finding.resolved_at is not None:
        return []
    made: list[Block] = []
    active = [a for a in signals if a.active]
    if finding.plan is None:
        text = texts.say("slack.button.propose")
        made.append(button(text, ActionId.FINDING_PROPOSE, finding.id, "primary"))
    if any(not isinstance(a.state, Acknowledged) for a in active):
        made.append(
            button(texts.say("slack.button.acknowledge"), ActionId.ANOMALY_ACKNOWLEDGE, finding.id)
        )
    options = {h: texts.say("slack.finding.mute_hours", hours=h) for h in MUTE_HOURS}
    made.append(select(texts.say("slack.button.mute"), ActionId.ANOMALY_MUTE, options))
    if active:
        made.append(
            button(
                texts.say("slack.button.false_alarm"),
                ActionId.ANOMALY_FALSE_ALARM,
                finding.id,
                confirm=confirm(
                    texts.say("slack.button.false_alarm"),
                    texts.say("slack.finding.false_alarm_confirm"),
                    texts.say("slack.yes"),
                    texts.say("slack.no"),
                ),
            )
        )
    if finding.incident is None:
        text = texts.say("slack.button.declare")
        made.append(button(text, ActionId.INCIDENT_DECLARE, finding.id))
    return made
