"""The one table of listeners: what each name of Slack leads to.

quick   while the trigger lives (about 3 s): open a modal
check   of a form, while it waits: errors by input
work    from the inbox: everything else, tried again when it fails
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from bot.slack.deeds import ACTION, COMMAND, EVENT, FORM, SHORTCUT, Deed
from bot.slack.ids import ActionId, Command, EventType, FormId, ShortcutId
from bot.slack.listeners import answers, asking, commands, findings, home, plans, postmortems
from bot.slack.listeners.room import Room
from foundation.nearest import nearest

Work = Callable[[Room, Deed], Awaitable[None]]
Check = Callable[[Room, Deed], Awaitable[dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Listener:
    """One row: a kind and a name of Slack, and what happens."""

    kind: str
    name: str
    work: Work | None = None
    quick: Work | None = None
    check: Check | None = None


class Table:
    """Listeners by kind and name."""

    def __init__(self, listeners: Iterable[Listener]) -> None:
        """Raises ValueError when a name has two listeners."""
        self._rows: dict[tuple[str, str], Listener] = {}
        for each in listeners:
            if (each.kind, each.name) in self._rows:
                raise ValueError(f"{each.kind} {each.name!r} has two listeners")
            self._rows[each.kind, each.name] = each

    def find(self, deed: Deed) -> Listener | None:
        """Return the listener of a deed."""
        return self._rows.get((deed.kind, deed.name))

    def names(self, kind: str) -> frozenset[str]:
        """Return every name of a kind."""
        return frozenset(str(name) for of, name in self._rows if of == kind)

    def nearest(self, deed: Deed) -> str:
        """Return what the person may have meant."""
        return nearest(deed.name, self.names(deed.kind))


LISTENERS = Table(
    (
        Listener(EVENT, EventType.MENTION, asking.mentioned),
        Listener(EVENT, EventType.MESSAGE, asking.messaged),
        Listener(EVENT, EventType.HOME, home.opened),
        Listener(EVENT, EventType.ASSISTANT_STARTED, asking.assistant_started),
        Listener(EVENT, EventType.ASSISTANT_CONTEXT),
        Listener(COMMAND, Command.SRE, commands.sre),
        Listener(COMMAND, Command.ASK, asking.commanded),
        Listener(COMMAND, Command.POSTMORTEM, postmortems.commanded),
        Listener(SHORTCUT, ShortcutId.ASK, asking.about_message),
        Listener(SHORTCUT, ShortcutId.POSTMORTEM, postmortems.from_message),
        Listener(ACTION, ActionId.PLAN_APPROVE, plans.approve),
        Listener(ACTION, ActionId.PLAN_REJECT, quick=plans.ask_why),
        Listener(ACTION, ActionId.PLAN_DETAILS, quick=plans.details),
        Listener(ACTION, ActionId.PLAN_STOP, plans.stop),
        Listener(ACTION, ActionId.PLAN_DONE, plans.resolve),
        Listener(ACTION, ActionId.PLAN_UNDONE, plans.resolve),
        Listener(ACTION, ActionId.PLAN_RETRY, plans.resolve),
        Listener(ACTION, ActionId.PLAN_UNDO, plans.undo),
        Listener(ACTION, ActionId.PLAN_PROPOSE_AGAIN, plans.propose_again),
        Listener(ACTION, ActionId.PLAN_EDIT, quick=plans.open_choices),
        Listener(ACTION, ActionId.PLAN_BREAK_GLASS, quick=plans.ask_for_glass),
        Listener(ACTION, ActionId.ANOMALY_ACKNOWLEDGE, findings.acknowledge),
        Listener(ACTION, ActionId.ANOMALY_MUTE, findings.mute),
        Listener(ACTION, ActionId.ANOMALY_FALSE_ALARM, findings.false_alarm),
        Listener(ACTION, ActionId.FINDING_PROPOSE, findings.propose),
        Listener(ACTION, ActionId.INCIDENT_DECLARE, findings.declare),
        Listener(ACTION, ActionId.ANSWER_HELPFUL, answers.helpful),
        Listener(ACTION, ActionId.ANSWER_UNHELPFUL, answers.unhelpful, quick=answers.ask_why),
        Listener(ACTION, ActionId.ANSWER_STOP, answers.stop),
        Listener(ACTION, ActionId.ANSWER_PROPOSE, answers.propose),
        Listener(ACTION, ActionId.EVIDENCE_SHOW, quick=answers.evidence),
        Listener(ACTION, ActionId.EVIDENCE_OPEN, quick=answers.open_evidence),
        Listener(ACTION, ActionId.EVIDENCE_PREVIOUS, quick=answers.turn_evidence),
        Listener(ACTION, ActionId.EVIDENCE_NEXT, quick=answers.turn_evidence),
        Listener(ACTION, ActionId.POSTMORTEM_EDIT, quick=postmortems.open_form),
        Listener(ACTION, ActionId.POSTMORTEM_PUBLISH, postmortems.publish),
        Listener(FORM, FormId.PLAN_REJECT, plans.reject, check=plans.reason_given),
        Listener(FORM, FormId.PLAN_EDIT, plans.edit, check=plans.choices_fit),
        Listener(FORM, FormId.PLAN_BREAK_GLASS, plans.break_glass, check=plans.reason_given),
        Listener(FORM, FormId.ANSWER_UNHELPFUL, answers.explained),
        Listener(FORM, FormId.POSTMORTEM_EDIT, postmortems.edit, check=postmortems.complete),
    )
)
