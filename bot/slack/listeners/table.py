"""The one table of listeners: what each name of Slack leads to, and the right it needs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bot.core.ports import BRAKE
from bot.slack.ids import ActionId, Command, EventType, FormId, ShortcutId, Subcommand
from bot.slack.interactions import ACTION, COMMAND, EVENT, SHORTCUT, VIEW, Interaction
from bot.slack.listeners import (
    answers,
    asking,
    commands,
    findings,
    home,
    incidents,
    plans,
    postmortems,
)
from bot.slack.listeners.listener import Listener, nothing
from foundation.nearest import nearest


class Table:
    """Listeners by kind and name."""

    def __init__(self, listeners: Iterable[Listener[Any]]) -> None:
        """Raises ValueError when a name has two listeners."""
        self._rows: dict[tuple[str, str], Listener[Any]] = {}
        for each in listeners:
            if (each.kind, each.name) in self._rows:
                raise ValueError(f"{each.kind} {each.name!r} has two listeners")
            self._rows[each.kind, each.name] = each

    def find(self, interaction: Interaction) -> Listener[Any] | None:
        """Return the listener of an interaction; of a command, that of its first word if any."""
        worded = (interaction.kind, f"{interaction.name} {interaction.word}")
        named = (interaction.kind, interaction.name)
        return self._rows.get(worded) or self._rows.get(named)

    def rows(self, kind: str) -> list[Listener[Any]]:
        """Return every row of a kind."""
        return [row for (of, _), row in self._rows.items() if of == kind]

    def names(self, kind: str) -> frozenset[str]:
        """Return every name of a kind."""
        return frozenset(str(row.name) for row in self.rows(kind))

    def nearest(self, interaction: Interaction) -> str:
        """Return what the person may have meant."""
        return nearest(interaction.name, self.names(interaction.kind))


EVENTS = (
    Listener(
        EVENT, EventType.MENTION, nothing,
        right="mention", heeds=asking.by_a_person, work=asking.mentioned,
    ),
    Listener(
        EVENT, EventType.MESSAGE, nothing,
        right="ask", heeds=asking.to_us_alone, work=asking.messaged,
    ),
    Listener(
        EVENT, EventType.HOME, nothing, right="home", heeds=home.is_ours, work=home.opened,
    ),
    Listener(
        EVENT, EventType.ASSISTANT_STARTED, nothing,
        right="assistant", work=asking.assistant_started,
    ),
    Listener(
        EVENT, EventType.AGENT_STOPPED, nothing,
        right="answer.stop", lane=BRAKE, work=asking.stopped,
    ),
    Listener(EVENT, EventType.ASSISTANT_CONTEXT, nothing, right=None),
)  # fmt: skip

BRAKES = frozenset({Subcommand.HALT, Subcommand.FREEZE})  # words that overtake
RELEASES = frozenset({Subcommand.RESUME, Subcommand.UNFREEZE})  # words that must not come late

COMMANDS = (
    Listener(COMMAND, Command.ASK, nothing, right="command.ask", work=asking.commanded),
    Listener(
        COMMAND, Command.POSTMORTEM, nothing,
        right="command.postmortem", work=postmortems.commanded,
    ),
    Listener(COMMAND, Command.SRE, nothing, right=None, work=commands.unknown),
    *(
        Listener(
            COMMAND, f"{Command.SRE} {word}", nothing,
            right=f"sre.{word}", lane=BRAKE if word in BRAKES else "", fresh=word in RELEASES,
            unkept=commands.halt_by_hand if word is Subcommand.HALT else None, work=work,
        )
        for word, work in {
            Subcommand.HELP: commands.show_help,
            Subcommand.STATUS: commands.status,
            Subcommand.PLANS: commands.plans,
            Subcommand.DIGEST: commands.digest,
            Subcommand.INCIDENTS: incidents.listed,
            Subcommand.INCIDENT: incidents.commanded,
            Subcommand.MUTE: commands.mute,
            Subcommand.UNMUTE: commands.unmute,
            Subcommand.HALT: commands.halt,
            Subcommand.RESUME: commands.resume,
            Subcommand.FREEZE: commands.freeze,
            Subcommand.UNFREEZE: commands.unfreeze,
            Subcommand.RELOAD: commands.reload,
        }.items()
    ),
)  # fmt: skip

SHORTCUTS = (
    Listener(SHORTCUT, ShortcutId.ASK, nothing, work=asking.about_message),
    Listener(SHORTCUT, ShortcutId.POSTMORTEM, nothing, work=postmortems.from_message),
)

BUTTONS = (
    Listener(ACTION, ActionId.PLAN_APPROVE, plans.of_card, lane=BRAKE, work=plans.approve),
    Listener(ACTION, ActionId.PLAN_REJECT, plans.of_card, lane=BRAKE, quick=plans.ask_why),
    Listener(ACTION, ActionId.PLAN_DETAILS, plans.of_card, quick=plans.details),
    Listener(ACTION, ActionId.PLAN_STOP, plans.of_card, lane=BRAKE, work=plans.stop),
    Listener(ACTION, ActionId.PLAN_DONE, plans.of_card, fresh=True, work=plans.resolve),
    Listener(ACTION, ActionId.PLAN_UNDONE, plans.of_card, fresh=True, work=plans.resolve),
    Listener(ACTION, ActionId.PLAN_RETRY, plans.of_card, fresh=True, work=plans.resolve),
    Listener(ACTION, ActionId.PLAN_UNDO, plans.of_card, fresh=True, work=plans.undo),
    Listener(ACTION, ActionId.PLAN_PROPOSE_AGAIN, plans.of_card, work=plans.propose_again),
    Listener(ACTION, ActionId.PLAN_EDIT, plans.of_card, quick=plans.open_choices),
    Listener(ACTION, ActionId.PLAN_BREAK_GLASS, plans.of_card, quick=plans.ask_for_glass),
    Listener(
        ACTION, ActionId.ANOMALY_ACKNOWLEDGE, findings.of_button, work=findings.acknowledge
    ),
    Listener(ACTION, ActionId.ANOMALY_MUTE, findings.of_choice, work=findings.mute),
    Listener(
        ACTION, ActionId.ANOMALY_FALSE_ALARM, findings.of_button, work=findings.false_alarm
    ),
    Listener(ACTION, ActionId.FINDING_PROPOSE, findings.of_button, work=findings.propose),
    Listener(ACTION, ActionId.INCIDENT_DECLARE, findings.of_button, work=findings.declare),
    Listener(ACTION, ActionId.INCIDENT_TAKE, incidents.of_card, work=incidents.take),
    Listener(ACTION, ActionId.INCIDENT_JOIN, incidents.of_card, work=incidents.join),
    Listener(ACTION, ActionId.INCIDENT_RESOLVE, incidents.of_card, work=incidents.resolve),
    Listener(ACTION, ActionId.INCIDENT_REOPEN, incidents.of_card, work=incidents.reopen),
    Listener(ACTION, ActionId.INCIDENT_MORE, incidents.of_choice, quick=incidents.more),
    Listener(ACTION, ActionId.ANSWER_HELPFUL, answers.of_button, work=answers.helpful),
    Listener(
        ACTION, ActionId.ANSWER_UNHELPFUL, answers.of_button,
        work=answers.unhelpful, beside=answers.ask_why,
    ),
    Listener(ACTION, ActionId.ANSWER_STOP, answers.of_button, work=answers.stop),
    Listener(ACTION, ActionId.ANSWER_PROPOSE, answers.of_button, work=answers.propose),
    Listener(ACTION, ActionId.EVIDENCE_SHOW, answers.of_button, quick=answers.evidence),
    Listener(ACTION, ActionId.EVIDENCE_OPEN, answers.of_page, quick=answers.open_evidence),
    Listener(ACTION, ActionId.EVIDENCE_PREVIOUS, answers.of_page, quick=answers.turn_evidence),
    Listener(ACTION, ActionId.EVIDENCE_NEXT, answers.of_page, quick=answers.turn_evidence),
    Listener(ACTION, ActionId.POSTMORTEM_EDIT, postmortems.of_draft, quick=postmortems.open_form),
    Listener(ACTION, ActionId.POSTMORTEM_PUBLISH, postmortems.of_draft, work=postmortems.publish),
)  # fmt: skip

FORMS = (
    Listener(
        VIEW, FormId.PLAN_REJECT, plans.of_card,
        lane=BRAKE, check=plans.reason_given, work=plans.reject,
    ),
    Listener(VIEW, FormId.PLAN_EDIT, plans.of_card, check=plans.choices_fit, work=plans.edit),
    Listener(
        VIEW, FormId.PLAN_BREAK_GLASS, plans.of_card,
        check=plans.reason_given, work=plans.break_glass,
    ),
    Listener(
        VIEW, FormId.INCIDENT_STATUS, incidents.of_card,
        check=incidents.something_said, work=incidents.send_status,
    ),
    Listener(
        VIEW, FormId.INCIDENT_HAND_OVER, incidents.of_card,
        check=incidents.somebody_chosen, work=incidents.hand_over,
    ),
    Listener(VIEW, FormId.INCIDENT_SEVERITY, incidents.of_card, work=incidents.severity),
    Listener(
        VIEW, FormId.INCIDENT_NOTE, incidents.of_card,
        check=incidents.something_said, work=incidents.note,
    ),
    Listener(VIEW, FormId.INCIDENT_MERGE, incidents.of_card, work=incidents.merge),
    Listener(VIEW, FormId.ANSWER_UNHELPFUL, answers.of_button, work=answers.explained),
    Listener(
        VIEW, FormId.POSTMORTEM_EDIT, postmortems.of_draft,
        check=postmortems.complete, work=postmortems.edit,
    ),
)  # fmt: skip

LISTENERS = Table((*EVENTS, *COMMANDS, *SHORTCUTS, *BUTTONS, *FORMS))
