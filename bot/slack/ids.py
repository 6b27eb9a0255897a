"""Every name that Slack sends back to us: buttons, forms, commands, shortcuts.

A name is also the right it needs (`bot.domain.access.RIGHTS`); a button's value is a plain id.
"""

from __future__ import annotations

from enum import StrEnum


class ActionId(StrEnum):
    """Buttons and selects."""

    PLAN_APPROVE = "plan.approve"
    PLAN_REJECT = "plan.reject"
    PLAN_DETAILS = "plan.details"
    PLAN_STOP = "plan.stop"
    PLAN_DONE = "plan.done"
    PLAN_UNDONE = "plan.undone"
    PLAN_RETRY = "plan.retry"
    PLAN_UNDO = "plan.undo"
    PLAN_PROPOSE_AGAIN = "plan.propose_again"
    PLAN_EDIT = "plan.edit"
    PLAN_BREAK_GLASS = "plan.break_glass"
    ANOMALY_ACKNOWLEDGE = "anomaly.acknowledge"
    ANOMALY_MUTE = "anomaly.mute"
    ANOMALY_FALSE_ALARM = "anomaly.false_alarm"
    FINDING_PROPOSE = "finding.propose"
    INCIDENT_DECLARE = "incident.declare"
    INCIDENT_TAKE = "incident.take"
    INCIDENT_JOIN = "incident.join"
    INCIDENT_RESOLVE = "incident.resolve"
    INCIDENT_REOPEN = "incident.reopen"
    INCIDENT_MORE = "incident.more"
    ANSWER_HELPFUL = "answer.helpful"
    ANSWER_UNHELPFUL = "answer.unhelpful"
    ANSWER_STOP = "answer.stop"
    ANSWER_PROPOSE = "answer.propose"
    EVIDENCE_SHOW = "evidence.show"
    EVIDENCE_OPEN = "evidence.open"
    EVIDENCE_PREVIOUS = "evidence.previous"
    EVIDENCE_NEXT = "evidence.next"
    POSTMORTEM_EDIT = "postmortem.edit"
    POSTMORTEM_PUBLISH = "postmortem.publish"


class FormId(StrEnum):
    """Modals with inputs; each sends in what the button of the same name opened."""

    PLAN_REJECT = "plan.reject"
    PLAN_EDIT = "plan.edit"
    PLAN_BREAK_GLASS = "plan.break_glass"
    ANSWER_UNHELPFUL = "answer.unhelpful"
    POSTMORTEM_EDIT = "postmortem.edit"
    INCIDENT_STATUS = "incident.status"
    INCIDENT_HAND_OVER = "incident.hand_over"
    INCIDENT_SEVERITY = "incident.severity"
    INCIDENT_NOTE = "incident.note"
    INCIDENT_MERGE = "incident.merge"


class Command(StrEnum):
    """Slash commands."""

    SRE = "/sre"
    ASK = "/ask"
    POSTMORTEM = "/postmortem"


class Subcommand(StrEnum):
    """First words after `/sre`; the right of each is `sre.<word>`."""

    HELP = "help"
    STATUS = "status"
    PLANS = "plans"
    DIGEST = "digest"
    INCIDENTS = "incidents"
    INCIDENT = "incident"
    MUTE = "mute"
    UNMUTE = "unmute"
    HALT = "halt"
    RESUME = "resume"
    FREEZE = "freeze"
    UNFREEZE = "unfreeze"
    RELOAD = "reload"


class ShortcutId(StrEnum):
    """Message shortcuts."""

    ASK = "message.ask"
    POSTMORTEM = "message.postmortem"


class EventType(StrEnum):
    """Events the room listens to."""

    MENTION = "app_mention"
    MESSAGE = "message"
    HOME = "app_home_opened"
    AGENT_STOPPED = "agent_session_stopped"
    ASSISTANT_STARTED = "assistant_thread_started"
    ASSISTANT_CONTEXT = "assistant_thread_context_changed"
