"""Remember of a message how often it was refused, since when, and where it belongs if not here."""

import sqlalchemy as sa
from alembic import op

revision = "0012_other_ways"
down_revision = "0011_alerts"
branch_labels = None
depends_on = None

INDEXES = {  # of what does not get where it belongs: the status asks for it often
    "ix_slack_outbox_troubled": ("slack_outbox", "troubled_at", "troubled_at IS NOT NULL"),
    "ix_slack_outbox_elsewhere": ("slack_outbox", "posted_at", "meant IS NOT NULL"),
    "ix_slack_inbox_parked": (
        "slack_inbox",
        "received_at",
        "done_at IS NULL AND parked_error IS NOT NULL",
    ),
}


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("slack_outbox", sa.Column("refused", big, nullable=True))
    when = sa.DateTime(timezone=True)
    op.add_column("slack_outbox", sa.Column("troubled_at", when, nullable=True))
    op.add_column("slack_outbox", sa.Column("meant", sa.Text(), nullable=True))
    for name, (table, column, where) in INDEXES.items():
        only = sa.text(where)
        op.create_index(op.f(name), table, [column], sqlite_where=only, postgresql_where=only)


def downgrade() -> None:
    for name, (table, *_) in INDEXES.items():
        op.drop_index(op.f(name), table_name=table)
    for column in ("meant", "troubled_at", "refused"):
        op.drop_column("slack_outbox", column)
