"""All repositories over one database transaction."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncConnection

from bot.core import ports
from bot.domain.keyring import Keyring
from bot.store import documents as _documents  # noqa: F401 - declares its table
from bot.store.audit import SqlAudit
from bot.store.detection.alerts import SqlAlerts
from bot.store.detection.anomalies import SqlAnomalies
from bot.store.detection.baselines import SqlBaselines
from bot.store.detection.changes import SqlChanges
from bot.store.detection.findings import SqlFindings
from bot.store.detection.incidents import SqlIncidents
from bot.store.detection.mutes import SqlMutes
from bot.store.flags import SqlFlags
from bot.store.investigation.charts import SqlCharts
from bot.store.investigation.conversation import SqlConversation
from bot.store.investigation.evidence import SqlEvidence
from bot.store.investigation.feedback import SqlFeedback
from bot.store.investigation.runs import SqlRuns
from bot.store.investigation.usage import SqlUsage
from bot.store.leases import SqlLeases
from bot.store.remediation.config_versions import SqlConfigVersions
from bot.store.remediation.plans import SqlPlans
from bot.store.reports.digests import SqlDigests
from bot.store.reports.postmortems import SqlPostmortems
from bot.store.session import Session
from bot.store.slack.inbox import SqlInbox
from bot.store.slack.outbox import SqlOutbox
from bot.store.tokens import SqlTokens


class SqlTransaction:
    """The port `Transaction`."""

    def __init__(self, connection: AsyncConnection, keyring: Keyring) -> None:
        session = Session(connection)
        self.audit: ports.Audit = SqlAudit(session, keyring)
        self.inbox: ports.Inbox = SqlInbox(session, keyring, self.audit)
        self.outbox: ports.Outbox = SqlOutbox(session, keyring, self.audit)
        self.runs: ports.Runs = SqlRuns(session, keyring, self.audit)
        self.conversation: ports.Conversation = SqlConversation(session)
        self.evidence: ports.EvidenceStore = SqlEvidence(session)
        self.usage: ports.UsageLedger = SqlUsage(session)
        self.alerts: ports.Alerts = SqlAlerts(session, keyring)
        self.anomalies: ports.Anomalies = SqlAnomalies(session, keyring)
        self.mutes: ports.Mutes = SqlMutes(session)
        self.findings: ports.Findings = SqlFindings(session, keyring)
        self.incidents: ports.Incidents = SqlIncidents(session)
        self.plans: ports.Plans = SqlPlans(session, keyring)
        self.changes: ports.ChangeRows = SqlChanges(session)
        self.config_versions: ports.ConfigVersions = SqlConfigVersions(session)
        self.baselines: ports.BaselineRows = SqlBaselines(session)
        self.digests: ports.Digests = SqlDigests(session)
        self.postmortems: ports.Postmortems = SqlPostmortems(session)
        self.feedback: ports.FeedbackRows = SqlFeedback(session)
        self.charts: ports.Charts = SqlCharts(session)
        self.flags: ports.Flags = SqlFlags(session)
        self.tokens: ports.ApiTokens = SqlTokens(session, keyring, self.audit)
        self.leases: ports.Leases = SqlLeases(session)
