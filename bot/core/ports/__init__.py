"""What the use cases need from outside: store, Slack, model, people. Protocols that state failure.

    clock      world and wall time
    slack      inbox, outbox, the channel's own messages
    runs       agent runs: conversation, evidence, cost, the reply while it is made
    decisions  anomalies, findings, incidents, plans, digests, postmortems
    model      one streamed turn of a language model
    people     directory and API tokens
    store      one transaction over all repositories; flags, audit, leases

Everything is imported from here; the modules keep one subject each.
"""

from bot.core.ports.clock import Clock
from bot.core.ports.decisions import (
    Anomalies,
    BaselineRows,
    ConfigVersions,
    Digests,
    Findings,
    Incidents,
    Mute,
    Mutes,
    PlanRecord,
    Plans,
    Postmortems,
    StoredChanges,
)
from bot.core.ports.model import (
    Model,
    ModelEvent,
    ModelRequest,
    ModelUnavailableError,
    TextDelta,
    ToolUse,
    TurnEnd,
)
from bot.core.ports.people import ApiToken, ApiTokens, Directory, Person
from bot.core.ports.runs import (
    AgentRun,
    Budget,
    Charts,
    Conversation,
    EvidenceStore,
    Feedback,
    FeedbackRows,
    Reply,
    Runs,
    Spent,
    StepUpdate,
    UsageLedger,
)
from bot.core.ports.slack import ChannelHistory, Inbox, InboxItem, Message, Outbox, OutboxRow
from bot.core.ports.store import (
    Audit,
    AuditRow,
    ChainReport,
    Flag,
    Flags,
    Leases,
    StaleError,
    Store,
    Transaction,
)

__all__ = [
    "AgentRun",
    "Anomalies",
    "ApiToken",
    "ApiTokens",
    "Audit",
    "AuditRow",
    "BaselineRows",
    "Budget",
    "ChainReport",
    "ChannelHistory",
    "Charts",
    "Clock",
    "ConfigVersions",
    "Conversation",
    "Digests",
    "Directory",
    "EvidenceStore",
    "Feedback",
    "FeedbackRows",
    "Findings",
    "Flag",
    "Flags",
    "Inbox",
    "InboxItem",
    "Incidents",
    "Leases",
    "Message",
    "Model",
    "ModelEvent",
    "ModelRequest",
    "ModelUnavailableError",
    "Mute",
    "Mutes",
    "Outbox",
    "OutboxRow",
    "Person",
    "PlanRecord",
    "Plans",
    "Postmortems",
    "Reply",
    "Runs",
    "Spent",
    "StaleError",
    "StepUpdate",
    "Store",
    "StoredChanges",
    "TextDelta",
    "ToolUse",
    "Transaction",
    "TurnEnd",
    "UsageLedger",
]
