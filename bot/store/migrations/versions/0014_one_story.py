"""Give incidents a state, and what belongs to each a row of its own.

What an older version left open counts as reminded of: nobody is called for what is old. What is
found by its findings and plans becomes a part of its incident.
"""

import json
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0014_one_story"
down_revision = "0013_baseline_revisions"
branch_labels = None
depends_on = None

MINUTES = {"P0": 15, "P1": 60, "P2": 240, "P3": 1440}  # as they were when this was written


def upgrade() -> None:
    when = sa.DateTime(timezone=True)
    op.create_table(
        "incident_parts",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("ref", sa.Text(), nullable=False),
        sa.Column("incident", sa.Text(), nullable=False),
        sa.Column("at", when, nullable=False),
        sa.ForeignKeyConstraint(
            ["incident"], ["incidents.id"], name=op.f("fk_incident_parts_incident_incidents")
        ),
        sa.PrimaryKeyConstraint("kind", "ref", name=op.f("pk_incident_parts")),
    )
    op.create_index(op.f("ix_incident_parts_incident"), "incident_parts", ["incident"])
    link = op.get_bind()
    for name, body in link.execute(sa.text("SELECT id, body FROM incidents")).all():
        _put(link, name, _newer(json.loads(body)))
    parts: dict[tuple[str, str], tuple[str, str]] = {}
    for name, body in link.execute(sa.text("SELECT id, body FROM findings")).all():
        finding = json.loads(body)
        if not (incident := finding.get("incident")):
            continue
        at = finding["opened_at"]
        parts["finding", name] = (incident, at)
        parts |= {("alert", each): (incident, at) for each in finding.get("alerts") or ()}
        if finding.get("plan"):
            parts["plan", finding["plan"]] = (incident, at)
    known = {row[0] for row in link.execute(sa.text("SELECT id FROM incidents"))}
    table = sa.table("incident_parts", *(sa.column(each) for each in ("kind", "ref", "incident")),
                     sa.column("at", when))  # fmt: skip
    rows = [
        {"kind": kind, "ref": ref, "incident": incident, "at": _time(at, link)}
        for (kind, ref), (incident, at) in parts.items()
        if incident in known
    ]
    if rows:
        op.bulk_insert(table, rows)


def downgrade() -> None:
    link = op.get_bind()
    for name, body in link.execute(sa.text("SELECT id, body FROM incidents")).all():
        plain = json.loads(body)
        state = plain.pop("state", {})
        plain["resolved_at"] = state.get("resolved_at") or state.get("merged_at")
        for key in ("respond_by", "people", "call", "room", "next_update_at", "quiet"):
            plain.pop(key, None)
        _put(link, name, plain)
    op.drop_index(op.f("ix_incident_parts_incident"), table_name="incident_parts")
    op.drop_table("incident_parts")


def _newer(plain: dict[str, object]) -> dict[str, object]:
    """Return an incident as this version keeps it."""
    ended = plain.pop("resolved_at", None)
    declared = datetime.fromisoformat(str(plain["declared_at"]))
    due = declared + timedelta(minutes=MINUTES[str(plain["priority"])])
    plain["respond_by"] = due.isoformat()
    plain["state"] = (
        {"resolved_at": ended, "resolved_by": None, "had_by": None}
        if ended
        else {"reminded_at": due.isoformat()}
    )
    plain["people"] = [plain["declared_by"]] if plain.get("declared_by") else []
    return plain


def _put(link: sa.Connection, name: str, plain: dict[str, object]) -> None:
    text = json.dumps(plain, ensure_ascii=True, separators=(",", ":"))
    link.execute(sa.text("UPDATE incidents SET body = :body WHERE id = :id"),
                 {"body": text, "id": name})  # fmt: skip


def _time(text: str, link: sa.Connection) -> datetime:
    """Return a point in time as the database keeps it: SQLite knows no zone."""
    at = datetime.fromisoformat(text).astimezone(UTC)
    return at.replace(tzinfo=None) if link.dialect.name == "sqlite" else at
