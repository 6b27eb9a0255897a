"""Create every table of the first issue.

Migrations expand, then contract: a new column or table comes nullable or with a default in one
release and is filled; what it replaces goes in a later one, when no running replica reads it.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001_first"
down_revision = None
branch_labels = None
depends_on = None


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null)


def _time(name: str, *, null: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=null)


def _big(name: str, *, null: bool = False) -> sa.Column[int]:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column(name, big, nullable=null)


def _integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.Integer(), nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _real(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Float(), nullable=False)


def _binary(name: str) -> sa.Column[bytes]:
    return sa.Column(name, sa.LargeBinary(), nullable=False)


def _where(condition: str) -> dict[str, Any]:
    """Make an index partial on both databases."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    _slack()
    _agent()
    _detection()
    _incidents()
    _plans()
    _house()


def _slack() -> None:
    op.create_table(
        "slack_inbox",
        _big("id"),
        _text("dedupe_key"),
        _text("kind"),
        _text("body"),
        _time("received_at"),
        _integer("attempts"),
        _text("owner"),
        _time("lease_until", null=True),
        _time("retry_at", null=True),
        _text("last_error"),
        _text("parked_error", null=True),
        _time("done_at", null=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slack_inbox")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_slack_inbox_dedupe_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_slack_inbox_open",
        "slack_inbox",
        ["id"],
        **_where("done_at IS NULL AND parked_error IS NULL"),
    )
    op.create_table(
        "slack_outbox",
        _big("seq"),
        _text("id"),
        _text("key"),
        _text("view"),
        _text("ref"),
        _text("channel"),
        _text("thread_ts", null=True),
        _text("behind"),
        _text("body"),
        _text("ts", null=True),
        _integer("revision"),
        _integer("claimed"),
        _integer("shown"),
        _integer("attempts"),
        _text("file_id"),
        _text("owner"),
        _time("lease_until", null=True),
        _time("retry_at", null=True),
        _text("last_error"),
        _flag("parked"),
        _time("sent_at", null=True),
        _time("posted_at", null=True),
        _time("updated_at", null=True),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_slack_outbox")),
        sa.UniqueConstraint("id", name=op.f("uq_slack_outbox_id")),
        sa.UniqueConstraint("key", name=op.f("uq_slack_outbox_key")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_slack_outbox_dirty", "slack_outbox", ["seq"], **_where("shown < revision"))
    op.create_index("ix_slack_outbox_subject", "slack_outbox", ["view", "ref"])
    op.create_index(
        "ix_slack_outbox_unposted", "slack_outbox", ["channel", "seq"], **_where("ts IS NULL")
    )
    op.create_index("ux_slack_outbox_message", "slack_outbox", ["channel", "ts"], unique=True)


def _agent() -> None:
    op.create_table(
        "agent_runs",
        _text("id"),
        _text("place"),
        _text("channel"),
        _text("thread_ts", null=True),
        _text("trigger"),
        _text("question"),
        _text("asked_by", null=True),
        _text("status"),
        _time("started_at"),
        _text("owner"),
        _time("heartbeat_at", null=True),
        _time("stop_requested_at", null=True),
        _text("stream_ts", null=True),
        _text("answer", null=True),
        _text("finding", null=True),
        _text("model"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_runs")),
    )
    op.create_index(op.f("ix_agent_runs_started_at"), "agent_runs", ["started_at"])
    op.create_index(
        "ux_agent_runs_running",
        "agent_runs",
        ["place"],
        unique=True,
        **_where("status = 'running'"),
    )
    op.create_table(
        "messages",
        _big("id"),
        _text("place"),
        _text("role"),
        _text("content"),
        _text("run_id"),
        _time("at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_messages")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_messages_place", "messages", ["place", "id"])
    op.create_index(op.f("ix_messages_run_id"), "messages", ["run_id"])
    op.create_table(
        "evidence",
        _big("seq"),
        _text("place"),
        _integer("number"),
        _text("run_id"),
        _text("tool"),
        _time("at"),
        _text("body"),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_evidence")),
        sa.UniqueConstraint("place", "number", name=op.f("uq_evidence_place_number")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_evidence_run_id"), "evidence", ["run_id"])
    op.create_table(
        "usage",
        _text("run_id"),
        _text("user", null=True),
        _time("at"),
        _text("mode"),
        _integer("steps"),
        _big("input_tokens"),
        _big("output_tokens"),
        _big("cached_tokens"),
        _big("usd_micros"),
        _real("seconds"),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_usage")),
    )
    op.create_index(op.f("ix_usage_at"), "usage", ["at"])
    op.create_index(op.f("ix_usage_user"), "usage", ["user"])
    op.create_table(
        "feedback",
        _text("run_id"),
        _text("by"),
        _flag("helpful"),
        _time("at"),
        _text("text"),
        sa.PrimaryKeyConstraint("run_id", "by", name=op.f("pk_feedback")),
    )
    op.create_table(
        "charts",
        _text("id"),
        _binary("png"),
        _text("alt_text"),
        _time("at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_charts")),
    )
    op.create_index(op.f("ix_charts_at"), "charts", ["at"])


def _detection() -> None:
    op.create_table(
        "anomalies",
        _text("id"),
        _text("fingerprint"),
        _text("service"),
        _text("category"),
        _text("metric"),
        _text("severity"),
        _flag("active"),
        _text("state"),
        _text("state_body"),
        _time("started_at"),
        _time("latest_at"),
        _text("body"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_anomalies")),
    )
    op.create_index(op.f("ix_anomalies_service"), "anomalies", ["service"])
    op.create_index(op.f("ix_anomalies_started_at"), "anomalies", ["started_at"])
    op.create_index(
        "ux_anomalies_active", "anomalies", ["fingerprint"], unique=True, **_where("active")
    )
    op.create_table(
        "baselines",
        _text("metric"),
        _text("labels"),
        _time("learned_at"),
        _real("history_seconds"),
        _binary("profile"),
        _binary("spread"),
        _text("body"),
        sa.PrimaryKeyConstraint("metric", "labels", name=op.f("pk_baselines")),
    )
    op.create_table(
        "alerts",
        _text("fingerprint"),
        _time("starts_at"),
        _time("ends_at", null=True),
        _text("status"),
        _text("service"),
        _text("finding", null=True),
        _text("body"),
        sa.PrimaryKeyConstraint("fingerprint", "starts_at", name=op.f("pk_alerts")),
    )
    op.create_index(op.f("ix_alerts_service"), "alerts", ["service"])
    op.create_index(op.f("ix_alerts_status"), "alerts", ["status"])
    op.create_table(
        "mutes",
        _text("service"),
        _text("metric"),
        _time("until"),
        _text("by"),
        _text("reason"),
        sa.PrimaryKeyConstraint("service", "metric", name=op.f("pk_mutes")),
    )
    op.create_index(op.f("ix_mutes_until"), "mutes", ["until"])
    op.create_table(
        "changes",
        _big("id"),
        _text("dedupe_key"),
        _time("at"),
        _text("service"),
        _text("kind"),
        _text("body"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_changes")),
        sa.UniqueConstraint("dedupe_key", name=op.f("uq_changes_dedupe_key")),
    )
    op.create_index(op.f("ix_changes_at"), "changes", ["at"])
    op.create_index(op.f("ix_changes_service"), "changes", ["service"])
    op.create_table(
        "findings",
        _text("id"),
        _text("service"),
        _text("severity"),
        _time("opened_at"),
        _time("resolved_at", null=True),
        _text("channel"),
        _text("body"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_findings")),
    )
    op.create_index(op.f("ix_findings_channel"), "findings", ["channel"])
    op.create_index(op.f("ix_findings_opened_at"), "findings", ["opened_at"])
    op.create_index(op.f("ix_findings_service"), "findings", ["service"])


def _incidents() -> None:
    op.create_table(
        "incidents",
        _text("id"),
        _text("priority"),
        _text("service"),
        _text("place"),
        _text("channel"),
        _time("declared_at"),
        _time("resolved_at", null=True),
        _text("body"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incidents")),
    )
    op.create_index(op.f("ix_incidents_channel"), "incidents", ["channel"])
    op.create_index(op.f("ix_incidents_declared_at"), "incidents", ["declared_at"])
    op.create_index(op.f("ix_incidents_place"), "incidents", ["place"])
    op.create_index(op.f("ix_incidents_service"), "incidents", ["service"])
    op.create_table(
        "timeline",
        _big("id"),
        _text("incident"),
        _time("at"),
        _text("text"),
        _text("source"),
        _text("by"),
        _text("ref"),
        sa.ForeignKeyConstraint(["incident"], ["incidents.id"], name=op.f("fk_timeline_incident")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_timeline")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_timeline_incident", "timeline", ["incident", "at", "id"])
    op.create_table(
        "postmortems",
        _text("id"),
        _text("incident"),
        _time("drafted_at"),
        _time("published_at", null=True),
        _text("body"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_postmortems")),
    )
    op.create_index(op.f("ix_postmortems_incident"), "postmortems", ["incident"])
    op.create_table(
        "action_items",
        _text("postmortem"),
        _integer("position"),
        _text("text"),
        _text("owner"),
        _text("due"),
        sa.ForeignKeyConstraint(
            ["postmortem"], ["postmortems.id"], name=op.f("fk_action_items_postmortem")
        ),
        sa.PrimaryKeyConstraint("postmortem", "position", name=op.f("pk_action_items")),
    )
    op.create_table(
        "digest_slots",
        _text("channel"),
        _time("slot"),
        _time("told_at"),
        sa.PrimaryKeyConstraint("channel", "slot", name=op.f("pk_digest_slots")),
    )
    op.create_table(
        "documents",
        _text("id"),
        _text("kind"),
        _text("title"),
        _text("path"),
        _text("sha256"),
        _time("indexed_at"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_documents")),
    )
    op.create_index(op.f("ix_documents_kind"), "documents", ["kind"])


def _plans() -> None:
    op.create_table(
        "plans",
        _text("id"),
        _text("status"),
        _text("service"),
        _text("finding", null=True),
        _text("channel"),
        _text("digest"),
        _time("created_at"),
        _time("expires_at"),
        _integer("version"),
        _flag("halted"),
        _time("ended_at", null=True),
        _text("outcome"),
        _time("verify_until", null=True),
        _text("owner"),
        _time("heartbeat_at", null=True),
        _text("body"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plans")),
    )
    op.create_index(op.f("ix_plans_created_at"), "plans", ["created_at"])
    op.create_index(op.f("ix_plans_finding"), "plans", ["finding"])
    op.create_index(op.f("ix_plans_service"), "plans", ["service"])
    op.create_index(op.f("ix_plans_status"), "plans", ["status"])
    op.create_table(
        "approvals",
        _text("plan_id"),
        _text("state"),
        _text("body"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_approvals_plan_id")),
        sa.PrimaryKeyConstraint("plan_id", name=op.f("pk_approvals")),
    )
    op.create_index(op.f("ix_approvals_state"), "approvals", ["state"])
    op.create_table(
        "plan_steps",
        _text("plan_id"),
        _flag("undo"),
        _integer("index"),
        _text("target"),
        _text("phase"),
        _text("key"),
        _time("intent_at", null=True),
        _time("sent_at", null=True),
        _time("ended_at", null=True),
        _text("note"),
        sa.ForeignKeyConstraint(["plan_id"], ["plans.id"], name=op.f("fk_plan_steps_plan_id")),
        sa.PrimaryKeyConstraint("plan_id", "undo", "index", name=op.f("pk_plan_steps")),
        sa.UniqueConstraint("key", name=op.f("uq_plan_steps_key")),
    )
    op.create_index(op.f("ix_plan_steps_target"), "plan_steps", ["target"])


def _house() -> None:
    op.create_table(
        "counters",
        _text("name"),
        _big("value"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_counters")),
    )
    op.create_table(
        "flags",
        _text("name"),
        _text("value"),
        _text("by"),
        _time("at"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_flags")),
    )
    op.create_table(
        "leases",
        _text("name"),
        _text("owner"),
        _time("until"),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "api_tokens",
        _text("id"),
        _text("user"),
        _text("name"),
        _text("sha256"),
        _time("created_at"),
        _time("revoked_at", null=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_tokens")),
        sa.UniqueConstraint("sha256", name=op.f("uq_api_tokens_sha256")),
    )
    op.create_index(op.f("ix_api_tokens_user"), "api_tokens", ["user"])
    op.create_table(
        "audit",
        _big("seq"),
        _text("kind"),
        _time("at"),
        _text("actor"),
        _text("subject"),
        _text("private_sha256"),
        _text("payload"),
        _big("seal_no", null=True),
        _text("seal"),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit")),
        sa.UniqueConstraint("seal_no", name=op.f("uq_audit_seal_no")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_at"), "audit", ["at"])
    op.create_index(op.f("ix_audit_kind"), "audit", ["kind"])
    op.create_index(op.f("ix_audit_subject"), "audit", ["subject"])
    op.create_index("ix_audit_unsealed", "audit", ["seq"], **_where("seal_no IS NULL"))
    op.create_table(
        "audit_private",
        _big("seq"),
        _text("text"),
        sa.ForeignKeyConstraint(["seq"], ["audit.seq"], name=op.f("fk_audit_private_seq")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_audit_private")),
    )
    op.create_table(
        "audit_head",
        _big("id"),
        _big("seal_no"),
        _text("seal"),
        _text("proof"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_head")),
    )


TABLES = (
    "slack_inbox",
    "slack_outbox",
    "agent_runs",
    "messages",
    "evidence",
    "usage",
    "feedback",
    "charts",
    "anomalies",
    "baselines",
    "alerts",
    "mutes",
    "changes",
    "findings",
    "incidents",
    "timeline",
    "postmortems",
    "action_items",
    "digest_slots",
    "documents",
    "plans",
    "approvals",
    "plan_steps",
    "counters",
    "flags",
    "leases",
    "api_tokens",
    "audit",
    "audit_private",
    "audit_head",
)


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
