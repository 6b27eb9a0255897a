"""Keep alerts as what they are: until now each was dressed up as an anomaly with a made-up sigma.

The table `alerts` was never written to, so it is made anew. An alert that fires becomes a row of
its own and stays in the finding that told of it: nobody is told twice, nothing is called resolved.
"""

import hashlib
import json
from datetime import datetime

import sqlalchemy as sa
from alembic import op

revision = "0011_alerts"
down_revision = "0010_more_seals"
branch_labels = None
depends_on = None

REPLICA_LABELS = ("prometheus_replica", "__replica__")


def upgrade() -> None:
    op.drop_table("alerts")
    op.create_table(
        "alerts",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("id", "fingerprint")),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("service", "severity")),
        sa.Column("active", sa.Boolean(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("state", "state_body")),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("mac", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alerts")),
    )
    for name in ("fingerprint", "service", "started_at"):
        op.create_index(op.f(f"ix_alerts_{name}"), "alerts", [name])
    op.create_index(
        "ux_alerts_active",
        "alerts",
        ["fingerprint"],
        unique=True,
        sqlite_where=sa.text("active"),
        postgresql_where=sa.text("active"),
    )
    op.create_table(
        "heartbeats",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("heard_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_heartbeats")),
    )
    _move()


def _move() -> None:
    """Move alerts that fire out of the anomalies."""
    text = sa.Text()
    anomalies = sa.table(
        "anomalies",
        *(sa.column(name, text) for name in ("id", "category", "state", "state_body", "body")),
        sa.column("active", sa.Boolean()),
    )
    alerts = sa.table(
        "alerts",
        *(sa.column(name, text) for name in ("id", "fingerprint", "service", "severity")),
        *(sa.column(name, text) for name in ("state", "state_body", "body")),
        sa.column("active", sa.Boolean()),
        *(sa.column(name, sa.DateTime(timezone=True)) for name in ("started_at", "heard_at")),
    )
    findings = sa.table("findings", sa.column("id", text), sa.column("body", text))
    database = op.get_bind()
    sqlite = database.dialect.name == "sqlite"
    fires = sa.and_(anomalies.c.category == "alert", anomalies.c.active)
    moved: dict[str, str] = {}
    for row in database.execute(sa.select(anomalies).where(fires)).all():
        body = _alert_of(json.loads(row.body), row.id)
        times = {name: datetime.fromisoformat(body[name]) for name in ("started_at", "heard_at")}
        times = {name: at.replace(tzinfo=None) if sqlite else at for name, at in times.items()}
        state = "Acknowledged" if row.state == "Acknowledged" else "Firing"
        database.execute(
            sa.insert(alerts).values(
                id=body["id"],
                fingerprint=_fingerprint(body["name"], body["labels"]),
                service=body["service"],
                severity=body["severity"],
                active=True,
                state=state,
                state_body=row.state_body if state == "Acknowledged" else "{}",
                body=json.dumps(body),
                **times,
            )
        )
        moved[row.id] = body["id"]
        ended = {"active": False, "state": "Resolved"}
        ended |= {"state_body": json.dumps({"at": body["heard_at"]})}
        database.execute(sa.update(anomalies).where(anomalies.c.id == row.id).values(**ended))
    if not moved:
        return
    for row in database.execute(sa.select(findings)).all():
        body = json.loads(row.body)
        own = [moved[each] for each in body["anomalies"] if each in moved]
        if own:
            body["anomalies"] = [each for each in body["anomalies"] if each not in moved]
            body["alerts"] = own
            database.execute(
                sa.update(findings).where(findings.c.id == row.id).values(body=json.dumps(body))
            )


def _alert_of(anomaly: dict, name: str) -> dict:
    worst, labels = anomaly["worst"], anomaly["first"]["labels"]
    sigma = abs(worst["deviation_sigma"])
    cuts = ((5, "critical"), (4, "high"), (3, "medium"))
    said = dict(labels).get("severity", "")
    return {
        "id": name.replace("ANO-", "ALR-"),
        "name": anomaly["first"]["metric"],
        "service": anomaly["service"],
        "subject": "",
        "severity": next((word for cut, word in cuts if sigma >= cut), "low"),
        "severity_word": {"text": said, "known": True},
        "labels": labels,
        "annotations": [],
        "started_at": anomaly["first"]["started_at"],
        "heard_at": anomaly["latest"]["at"],
    }


def _fingerprint(name: str, labels: list) -> str:
    kept = sorted((k, v) for k, v in labels if k not in REPLICA_LABELS)
    text = "\0".join([name, *(f"{k}={v}" for k, v in kept)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def downgrade() -> None:
    op.drop_table("heartbeats")
    op.drop_table("alerts")
    op.create_table(
        "alerts",
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("status", "service")),
        sa.Column("finding", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "starts_at", name=op.f("pk_alerts")),
    )
    op.create_index(op.f("ix_alerts_service"), "alerts", ["service"])
    op.create_index(op.f("ix_alerts_status"), "alerts", ["status"])
