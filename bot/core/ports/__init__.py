"""What the use cases need from outside: store, Slack, model, people. Protocols that state failure.

    clock          world and wall time: the one that the tools know (`tools.ports`)
    slack          inbox, outbox, channels and their own messages
    people         directory and API tokens
    model          one streamed turn of a language model
    investigation  agent runs: conversation, evidence, cost, the reply while it is made
    detection      anomalies, alerts, findings, incidents, baselines, changes
    remediation    plans and config map versions
    reports        digest slots, postmortems
    installation   its name, its language, its files
    store          one transaction over all repositories; flags, audit, leases

Everything is imported from here; the modules keep one subject each.
"""

from bot.core.ports.detection import (
    Alerts,
    Anomalies,
    Arrays,
    BaselineRows,
    ChangeRows,
    Findings,
    Incidents,
    LearnedMetric,
    Mute,
    Mutes,
    Snapshots,
)
from bot.core.ports.installation import VERSION, Environment, FileLayout, Installation
from bot.core.ports.investigation import (
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
from bot.core.ports.remediation import ConfigVersions, PlanRecord, Plans, Touch
from bot.core.ports.reports import Digests, Postmortems
from bot.core.ports.slack import (
    BRAKE,
    ChannelHistory,
    Channels,
    Detour,
    HeldBack,
    Inbox,
    InboxItem,
    Message,
    Outbox,
    OutboxRow,
)
from bot.core.ports.store import (
    Audit,
    AuditBrokenError,
    AuditRow,
    ChainReport,
    Flag,
    Flags,
    Leases,
    Sealed,
    StaleError,
    Store,
    Transaction,
)
from tools.ports import Clock

__all__ = [
    "BRAKE",
    "VERSION",
    "Alerts",
    "Anomalies",
    "ApiToken",
    "ApiTokens",
    "Arrays",
    "Audit",
    "AuditBrokenError",
    "AuditRow",
    "BaselineRows",
    "Budget",
    "ChainReport",
    "ChangeRows",
    "ChannelHistory",
    "Channels",
    "Charts",
    "Clock",
    "ConfigVersions",
    "Conversation",
    "Detour",
    "Digests",
    "Directory",
    "Environment",
    "EvidenceStore",
    "Feedback",
    "FeedbackRows",
    "FileLayout",
    "Findings",
    "Flag",
    "Flags",
    "HeldBack",
    "Inbox",
    "InboxItem",
    "Incidents",
    "Installation",
    "LearnedMetric",
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
    "Sealed",
    "Snapshots",
    "Spent",
    "StaleError",
    "StepUpdate",
    "Store",
    "TextDelta",
    "ToolUse",
    "Touch",
    "Transaction",
    "TurnEnd",
    "UsageLedger",
]
