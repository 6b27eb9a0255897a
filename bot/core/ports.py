"""What the use cases need from outside: store, Slack, model. Small Protocols that state failure.

    async with store.begin() as tx:          one database transaction
        await tx.plans.move(record)          state …
        await tx.outbox.refresh("plan", id)  … what Slack must show …
        await tx.audit.append(event)         … and the audit row: all or nothing

An exception inside the block rolls everything back. Repositories raise `NotFoundError` for
`get`, return None for `find`, and `StaleError` when a compare-and-set lost.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from bot.domain.anomaly import Anomaly
from bot.domain.answer import Answer, Evidence
from bot.domain.approval import Approval
from bot.domain.audit import Event
from bot.domain.finding import Finding
from bot.domain.ids import (
    AnomalyId,
    ChannelId,
    EvidenceId,
    FindingId,
    IncidentId,
    PlanId,
    PostmortemId,
    RunId,
    Ts,
    UserId,
)
from bot.domain.incident import Incident, TimelineEntry
from bot.domain.place import Place
from bot.domain.plan import Plan, PlanStatus, StepRun
from bot.domain.postmortem import Postmortem
from tools.world import Baseline, Change, Labels, MetricName, ServiceName, Window


class StaleError(Exception):
    """A compare-and-set lost: somebody changed the row first. Re-read and decide again."""


class Clock(Protocol):
    """World and wall time (see bot.clock)."""

    def now(self) -> datetime:
        """Return world time."""
        ...

    def wall(self) -> datetime:
        """Return wall time."""
        ...

    def monotonic(self) -> float:
        """Return seconds for durations."""
        ...


# --- Slack in and out ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class InboxItem:
    """One acknowledged envelope, waiting to be worked on."""

    id: int
    dedupe_key: str  # event_id or trigger_id
    kind: str  # "event", "action", "command", "view", "shortcut"
    body: Mapping[str, Any]
    received_at: datetime
    attempts: int = 0


class Inbox(Protocol):
    """Envelopes committed before Slack is told yes."""

    async def add(self, dedupe_key: str, kind: str, body: Mapping[str, Any], at: datetime) -> bool:
        """Store an envelope; False when the key is known already."""
        ...

    async def claim(self, owner: str, at: datetime, lease: timedelta) -> InboxItem | None:
        """Take the oldest item nobody holds (or whose lease ran out); None when there is none."""
        ...

    async def renew(self, item_id: int, owner: str, until: datetime) -> bool:
        """Extend the lease of a claimed item; False when it is no longer ours."""
        ...

    async def done(self, item_id: int, at: datetime) -> None:
        """Finish an item."""
        ...

    async def failed(self, item_id: int, error: str, retry_at: datetime | None) -> None:
        """Note a failure; with no `retry_at` the item is parked for a person."""
        ...

    async def backlog(self) -> int:
        """Return how many items wait."""
        ...


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """One message that must be posted exactly once, then kept in step with its subject.

    `view` names a renderer of the Slack room and `ref` the subject's id; `body` carries what
    cannot be looked up. `ts` is None until posted; `dirty` asks for chat.update.
    """

    id: str
    view: str  # "finding", "plan", "notice", "digest", "postmortem", …
    ref: str
    channel: ChannelId
    thread_ts: Ts | None
    body: Mapping[str, Any]
    ts: Ts | None = None
    dirty: bool = False
    attempts: int = 0
    file_id: str = ""  # uploaded chart, so that it is uploaded once
    sent_at: datetime | None = None  # a post was attempted: look before posting again


class Outbox(Protocol):
    """What Slack must show."""

    async def post(
        self,
        key: str,
        view: str,
        ref: str,
        place: Place,
        body: Mapping[str, Any] | None = None,
        *,
        behind: str = "",
    ) -> str:
        """Ask for one message; the same key twice is one message. Returns the row's id.

        `behind` is the key of a row whose ts becomes this row's thread_ts once it is posted
        (a reply below a message that does not exist yet).
        """
        ...

    async def refresh(self, view: str, ref: str, body: Mapping[str, Any] | None = None) -> int:
        """Mark every message of this subject for a re-render; returns how many there are."""
        ...

    async def claim(self, owner: str, at: datetime, lease: timedelta) -> OutboxRow | None:
        """Take the next row to post or to update, in order per channel."""
        ...

    async def sending(self, row_id: str, at: datetime) -> None:
        """Commit that a post is about to be attempted."""
        ...

    async def posted(self, row_id: str, ts: Ts, at: datetime) -> None:
        """Commit where the message is."""
        ...

    async def updated(self, row_id: str, at: datetime) -> None:
        """Clear the dirty mark (unless it was set again meanwhile)."""
        ...

    async def uploaded(self, row_id: str, file_id: str) -> None:
        """Remember the uploaded chart."""
        ...

    async def failed(self, row_id: str, error: str, retry_at: datetime | None) -> None:
        """Note a failure; with no `retry_at` the row is parked for a person."""
        ...

    async def find(self, key: str) -> OutboxRow | None:
        """Return the row of a key."""
        ...

    async def of(self, view: str, ref: str) -> list[OutboxRow]:
        """Return the rows that show a subject."""
        ...

    async def at(self, channel: ChannelId, ts: Ts) -> OutboxRow | None:
        """Return the row that became this message."""
        ...

    async def backlog(self) -> int:
        """Return how many rows wait."""
        ...


# --- agent runs ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AgentRun:
    """One agent run: a question being answered in one thread by one process."""

    id: RunId
    place: Place
    trigger: str  # "mention", "dm", "assistant", "command", "detection", "terminal"
    question: str
    asked_by: UserId | None
    status: str  # "queued", "running", "done", "failed", "stopped", "orphaned"
    started_at: datetime
    owner: str = ""
    heartbeat_at: datetime | None = None
    stop_requested_at: datetime | None = None
    stream_ts: Ts | None = None  # committed right after the stream was started
    answer: Mapping[str, Any] | None = None  # plain JSON of the Answer
    finding: FindingId | None = None
    model: str = ""


class Runs(Protocol):
    """Agent runs; one running per thread."""

    async def start(self, run: AgentRun) -> bool:
        """Add a running run; False when the thread has one already (then queue the message)."""
        ...

    async def get(self, run_id: RunId) -> AgentRun:
        """Return a run."""
        ...

    async def running_in(self, place: Place) -> AgentRun | None:
        """Return the run that is at work in a thread."""
        ...

    async def save(self, run: AgentRun) -> None:
        """Replace a run's row."""
        ...

    async def heartbeat(self, run_id: RunId, at: datetime) -> AgentRun:
        """Renew and return the run: a stop may have been asked for."""
        ...

    async def request_stop(self, run_id: RunId, at: datetime) -> bool:
        """Ask a run to stop; False when it is over already."""
        ...

    async def orphans(self, before: datetime) -> list[AgentRun]:
        """Return running runs without a heartbeat since `before`."""
        ...

    async def take_over(self, run: AgentRun, owner: str, at: datetime) -> bool:
        """Make a run ours if its heartbeat is still the one in `run` (compare-and-set)."""
        ...

    async def queued(self, place: Place | None = None, trigger: str = "") -> list[AgentRun]:
        """Return queued runs, oldest first, of one thread or of one trigger when named."""
        ...


class Conversation(Protocol):
    """The messages of a thread as the model saw them (plain JSON content blocks)."""

    async def history(self, place: Place, limit: int = 60) -> list[Mapping[str, Any]]:
        """Return `{"role", "content"}` messages, oldest first."""
        ...

    async def append(
        self, place: Place, role: str, content: Any, run_id: RunId, at: datetime
    ) -> None:
        """Add one message."""
        ...


class EvidenceStore(Protocol):
    """Tool calls with their results, numbered per thread."""

    async def add(
        self,
        place: Place,
        run_id: RunId,
        *,
        tool: str,
        arguments: Mapping[str, Any],
        summary: str,
        at: datetime,
        window: Window | None = None,
        query: str = "",
        link: str = "",
        payload: Any = None,
        failed: bool = False,
    ) -> Evidence:
        """Number and keep one tool call."""
        ...

    async def get(self, place: Place, evidence_id: EvidenceId) -> Evidence:
        """Return one piece of evidence of a thread."""
        ...

    async def of_run(self, run_id: RunId) -> list[Evidence]:
        """Return a run's evidence in order."""
        ...


@dataclass(frozen=True, slots=True)
class Spent:
    """Money and tokens spent since a time."""

    usd_micros: int
    input_tokens: int
    output_tokens: int
    runs: int


class UsageLedger(Protocol):
    """What runs cost, for budgets per person, team and day."""

    async def add(self, run_id: RunId, user: UserId | None, answer: Answer, at: datetime) -> None:
        """Book one finished run."""
        ...

    async def spent(self, since: datetime, user: UserId | None = None) -> Spent:
        """Return what was spent, by one person or by all."""
        ...


# --- detection, incidents, plans ----------------------------------------------------------


class Anomalies(Protocol):
    """Anomalies by fingerprint."""

    async def active(self) -> list[Anomaly]:
        """Return every active anomaly."""
        ...

    async def get(self, anomaly_id: AnomalyId) -> Anomaly:
        """Return one anomaly."""
        ...

    async def save(self, anomaly: Anomaly) -> None:
        """Insert or replace. At most one active per fingerprint: StaleError otherwise."""
        ...

    async def list(
        self,
        *,
        active_only: bool = True,
        category: str = "",
        severity: str = "",
        since: datetime | None = None,
        limit: int = 200,
    ) -> list[Anomaly]:
        """Return anomalies, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Mute:
    """No new findings for a service, or one metric of it, until a time."""

    service: ServiceName
    metric: str  # empty: all metrics
    until: datetime
    by: UserId
    reason: str = ""


class Mutes(Protocol):
    """Mutes set by people."""

    async def add(self, mute: Mute) -> None:
        """Set a mute."""
        ...

    async def active(self, at: datetime) -> list[Mute]:
        """Return the mutes in force."""
        ...


class Findings(Protocol):
    """Findings."""

    async def save(self, finding: Finding) -> None:
        """Insert or replace."""
        ...

    async def get(self, finding_id: FindingId) -> Finding:
        """Return one."""
        ...

    async def open(self) -> list[Finding]:
        """Return findings not resolved, newest first."""
        ...

    async def list(self, since: datetime, until: datetime) -> list[Finding]:
        """Return findings opened in a span, oldest first."""
        ...

    async def latest_in(self, channel: ChannelId) -> Finding | None:
        """Return the newest finding of a channel."""
        ...


class Incidents(Protocol):
    """Incidents and their timelines."""

    async def next_id(self, year: int) -> IncidentId:
        """Return the next readable id of a year: INC-2026-0007."""
        ...

    async def save(self, incident: Incident) -> None:
        """Insert or replace."""
        ...

    async def get(self, incident_id: IncidentId) -> Incident:
        """Return one."""
        ...

    async def open(self) -> list[Incident]:
        """Return incidents not resolved, newest first."""
        ...

    async def latest_in(self, channel: ChannelId) -> Incident | None:
        """Return the newest incident of a channel."""
        ...

    async def at(self, place: Place) -> Incident | None:
        """Return the incident whose thread this is."""
        ...

    async def note(self, incident_id: IncidentId, entry: TimelineEntry) -> None:
        """Add a line to the timeline."""
        ...

    async def timeline(self, incident_id: IncidentId) -> list[TimelineEntry]:
        """Return the timeline, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """A plan with where it is in its life. `version` rises by one with every move."""

    plan: Plan
    status: PlanStatus
    approval: Approval
    version: int
    halted: bool = False  # a person asked to stop before the next step
    ended_at: datetime | None = None
    outcome: str = ""  # one sentence for people
    verify_until: datetime | None = None  # world time
    owner: str = ""  # the process that executes it
    heartbeat_at: datetime | None = None  # wall time


class Plans(Protocol):
    """Plans, approvals and steps. Every move is a compare-and-set on `version`."""

    async def add(self, record: PlanRecord) -> None:
        """Insert a new plan with its approval."""
        ...

    async def get(self, plan_id: PlanId) -> PlanRecord:
        """Return one."""
        ...

    async def move(self, record: PlanRecord) -> PlanRecord:
        """Save a record read at `record.version`; StaleError when it moved meanwhile.

        Returns the record with its new version.
        """
        ...

    async def of_finding(self, finding_id: FindingId) -> list[PlanRecord]:
        """Return the plans proposed for a finding."""
        ...

    async def last_action_on(self, target: str) -> datetime | None:
        """Return when (world time) a step last touched this object (`str(WorkloadRef)`)."""
        ...

    async def save_step(self, step: StepRun, target: str) -> None:
        """Insert or replace one step attempt (key: plan, undo, index)."""
        ...

    async def steps(self, plan_id: PlanId) -> list[StepRun]:
        """Return a plan's step attempts: forward ones by index, then undo ones."""
        ...

    async def list(self, statuses: Sequence[PlanStatus] = (), limit: int = 100) -> list[PlanRecord]:
        """Return plans, newest first; all statuses when none is named."""
        ...


class StoredChanges(Protocol):
    """Deployments told by webhook and the bot's own actions."""

    async def add(self, change: Change, dedupe_key: str) -> bool:
        """Store one change; False when the key is known."""
        ...

    async def recent(self, window: Window, services: Sequence[str] = ()) -> list[Change]:
        """Return changes in the window, newest first."""
        ...


class BaselineRows(Protocol):
    """Learned baselines."""

    async def find(self, metric: MetricName, labels: Labels) -> Baseline | None:
        """Return a series' baseline."""
        ...

    async def save(self, baselines: Sequence[Baseline]) -> None:
        """Replace the baselines of these series."""
        ...

    async def all(self) -> list[Baseline]:
        """Return all."""
        ...


class Digests(Protocol):
    """Which digest slots were told, so that a slot is told once."""

    async def take(self, channel: ChannelId, slot: datetime, at: datetime) -> bool:
        """Claim a slot; False when it was told already."""
        ...

    async def last(self, channel: ChannelId) -> datetime | None:
        """Return the newest slot told in a channel."""
        ...


class Postmortems(Protocol):
    """Postmortem drafts and published ones."""

    async def save(self, postmortem: Postmortem) -> None:
        """Insert or replace."""
        ...

    async def get(self, postmortem_id: PostmortemId) -> Postmortem:
        """Return one."""
        ...

    async def of_incident(self, incident_id: IncidentId) -> Postmortem | None:
        """Return an incident's postmortem."""
        ...


@dataclass(frozen=True, slots=True)
class Feedback:
    """A person's 👍 or 👎 on an answer."""

    run_id: RunId
    by: UserId
    helpful: bool
    at: datetime
    text: str = ""


class FeedbackRows(Protocol):
    """Feedback on answers; a person's last word counts."""

    async def save(self, feedback: Feedback) -> None:
        """Insert or replace a person's feedback on a run."""
        ...


class Charts(Protocol):
    """PNG charts by id, kept until they are uploaded and for the record."""

    async def save(self, chart_id: str, png: bytes, alt_text: str, at: datetime) -> None:
        """Keep one chart."""
        ...

    async def get(self, chart_id: str) -> tuple[bytes, str]:
        """Return a chart's PNG and alternative text."""
        ...


class Flags(Protocol):
    """Switches that people set at run time: halt, freeze, dry run."""

    async def get(self, name: str) -> str:
        """Return a flag's value, empty when unset."""
        ...

    async def set(self, name: str, value: str, by: str, at: datetime) -> None:
        """Set a flag; an empty value clears it."""
        ...


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token of the REST API. It belongs to one Slack user; only its hash is stored."""

    id: str
    user: UserId
    name: str
    created_at: datetime
    revoked_at: datetime | None = None


class ApiTokens(Protocol):
    """API tokens."""

    async def add(self, token: ApiToken, sha256: str) -> None:
        """Store a token's hash."""
        ...

    async def find(self, sha256: str) -> ApiToken | None:
        """Return the live token of this hash."""
        ...

    async def list(self) -> list[ApiToken]:
        """Return all tokens."""
        ...

    async def revoke(self, token_id: str, at: datetime) -> bool:
        """Revoke a token; False when there is none by that id."""
        ...


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One audit row as stored; `seal` is empty until the leader sealed it."""

    seq: int
    event: Event
    private_sha256: str
    seal: str


@dataclass(frozen=True, slots=True)
class ChainReport:
    """Result of verifying the chain. `broken_at` is the first bad row, None when all are good."""

    rows: int
    sealed: int
    broken_at: int | None
    reason: str = ""


class Audit(Protocol):
    """The audit chain."""

    async def append(self, event: Event) -> None:
        """Add a row in this transaction, unsealed."""
        ...

    async def seal(self, key: bytes, limit: int = 2000) -> int:
        """Seal unsealed rows in order (leader only); returns how many."""
        ...

    async def verify(self, key: bytes) -> ChainReport:
        """Walk the chain from its start."""
        ...

    async def tail(self, limit: int = 50, subject: str = "") -> list[AuditRow]:
        """Return the newest rows, oldest first, about one subject if named."""
        ...

    async def since(self, start: datetime, end: datetime) -> list[AuditRow]:
        """Return rows of a span of world time, oldest first."""
        ...


class Leases(Protocol):
    """Named leases in wall time: leadership, thread locks."""

    async def acquire(self, name: str, owner: str, at: datetime, ttl: timedelta) -> bool:
        """Take or renew a lease; False while another owner holds it."""
        ...

    async def release(self, name: str, owner: str) -> None:
        """Give a lease back."""
        ...


class Transaction(Protocol):
    """All repositories inside one transaction."""

    inbox: Inbox
    outbox: Outbox
    runs: Runs
    conversation: Conversation
    evidence: EvidenceStore
    usage: UsageLedger
    anomalies: Anomalies
    mutes: Mutes
    findings: Findings
    incidents: Incidents
    plans: Plans
    changes: StoredChanges
    baselines: BaselineRows
    digests: Digests
    postmortems: Postmortems
    feedback: FeedbackRows
    charts: Charts
    flags: Flags
    tokens: ApiTokens
    audit: Audit
    leases: Leases


class Store(Protocol):
    """The database. A transaction commits when its block ends without an exception."""

    def begin(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction. Write transactions on SQLite are BEGIN IMMEDIATE."""
        ...

    async def healthy(self) -> bool:
        """Say whether the database answers."""
        ...


# --- the model ----------------------------------------------------------------------------


class ModelUnavailableError(Exception):
    """Claude is not configured, unreachable, overloaded or out of quota; fall back."""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of prose."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolUse:
    """One complete tool call the model asks for."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class TurnEnd:
    """The end of one model turn. `content` is plain JSON, kept verbatim (thinking included)."""

    stop_reason: str
    content: Sequence[Mapping[str, Any]]
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    usd_micros: int
    model: str


ModelEvent = TextDelta | ToolUse | TurnEnd


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One request to the model."""

    system: str
    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Any]  # tools.contract.Tool
    max_tokens: int
    allow_tools: bool = True  # False on the last step: answer now


class Model(Protocol):
    """A tool-calling language model."""

    name: str

    def turn(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        """Stream one turn; ends with exactly one TurnEnd. Raises ModelUnavailableError."""
        ...


# --- where an answer appears while it is made ----------------------------------------------


@dataclass(frozen=True, slots=True)
class StepUpdate:
    """One visible step of a run: a tool call as a person reads it."""

    id: str
    title: str
    status: str  # "in_progress", "complete", "error"
    details: str = ""
    output: str = ""


class Reply(Protocol):
    """Where an answer appears while it is made: a Slack stream, a terminal, or nowhere.

    A dead Slack never fails a run: implementations report and go on; the answer is in the store.
    """

    async def step(self, update: StepUpdate) -> None:
        """Show a step's progress."""
        ...

    async def say(self, text: str) -> None:
        """Show a released piece of prose."""
        ...

    async def finish(self, run: AgentRun, answer: Answer) -> None:
        """Complete the message with its chart and buttons."""
        ...

    async def fail(self, run: AgentRun, text: str) -> None:
        """Complete the message with an apology that says what to do."""
        ...


# --- people -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Person:
    """One Slack user as the directory knows them."""

    id: UserId
    name: str
    email: str = ""
    guest: bool = False  # restricted or single-channel
    external: bool = False  # from outside the workspace
    deleted: bool = False
    bot: bool = False
    groups: tuple[str, ...] = ()  # user-group ids


class Directory(Protocol):
    """Who people are. Raises `NotFoundError` for an unknown id."""

    async def person(self, user: UserId) -> Person:
        """Return a person, from a cache at most five minutes old."""
        ...

    async def by_email(self, email: str) -> Person | None:
        """Return the person with this e-mail."""
        ...


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of one run and of a day; None is no limit."""

    max_steps: int = 12
    max_tokens: int = 200_000
    seconds: float = 180.0
    usd_micros_per_turn: int | None = 1_000_000
    usd_micros_per_person_day: int | None = 10_000_000
    usd_micros_per_day: int | None = 50_000_000


@dataclass(frozen=True, slots=True)
class Message:
    """A channel message as history tells it, for postmortems."""

    at: datetime
    by: str
    text: str
    extra: Mapping[str, Any] = field(default_factory=dict)


class ChannelHistory(Protocol):
    """The channel's own messages."""

    async def messages(self, place: Place, since: datetime, until: datetime) -> list[Message]:
        """Return people's messages in a thread or channel, oldest first."""
        ...
