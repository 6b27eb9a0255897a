"""All repositories over one database transaction."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.core import ports
from bot.store import later as _later  # noqa: F401 - declares its tables
from bot.store.anomalies import SqlAnomalies
from bot.store.audit import SqlAudit
from bot.store.baselines import SqlBaselines
from bot.store.changes import SqlChanges
from bot.store.charts import SqlCharts
from bot.store.config_versions import SqlConfigVersions
from bot.store.conversation import SqlConversation
from bot.store.digests import SqlDigests
from bot.store.evidence import SqlEvidence
from bot.store.feedback import SqlFeedback
from bot.store.findings import SqlFindings
from bot.store.flags import SqlFlags
from bot.store.inbox import SqlInbox
from bot.store.incidents import SqlIncidents
from bot.store.leases import SqlLeases
from bot.store.mutes import SqlMutes
from bot.store.outbox import SqlOutbox
from bot.store.plans import SqlPlans
from bot.store.postmortems import SqlPostmortems
from bot.store.runs import SqlRuns
from bot.store.session import Session
from bot.store.tokens import SqlTokens
from bot.store.usage import SqlUsage


class SqlTransaction:
    """The port `Transaction`."""

    def __init__(self, connection: AsyncConnection) -> None:
        session = Session(connection)
        self.inbox: ports.Inbox = SqlInbox(session)
        self.outbox: ports.Outbox = SqlOutbox(session)
        self.runs: ports.Runs = SqlRuns(session)
        self.conversation: ports.Conversation = SqlConversation(session)
        self.evidence: ports.EvidenceStore = SqlEvidence(session)
        self.usage: ports.UsageLedger = SqlUsage(session)
        self.anomalies: ports.Anomalies = SqlAnomalies(session)
        self.mutes: ports.Mutes = SqlMutes(session)
        self.findings: ports.Findings = SqlFindings(session)
        self.incidents: ports.Incidents = SqlIncidents(session)
        self.plans: ports.Plans = SqlPlans(session)
        self.changes: ports.StoredChanges = SqlChanges(session)
        self.config_versions: ports.ConfigVersions = SqlConfigVersions(session)
        self.baselines: ports.BaselineRows = SqlBaselines(session)
        self.digests: ports.Digests = SqlDigests(session)
        self.postmortems: ports.Postmortems = SqlPostmortems(session)
        self.feedback: ports.FeedbackRows = SqlFeedback(session)
        self.charts: ports.Charts = SqlCharts(session)
        self.flags: ports.Flags = SqlFlags(session)
        self.tokens: ports.ApiTokens = SqlTokens(session)
        self.audit: ports.Audit = SqlAudit(session)
        self.leases: ports.Leases = SqlLeases(session)
