"""Room for seals of messages, agent runs, anomalies and findings.

They are empty in rows that older versions wrote: `bot.store.adoption` seals those once.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010_more_seals"
down_revision = "0009_read_under"
branch_labels = None
depends_on = None

TABLES = ("slack_outbox", "agent_runs", "anomalies", "findings")


def upgrade() -> None:
    for table in TABLES:
        op.add_column(table, sa.Column("mac", sa.Text(), nullable=True))


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_column(table, "mac")
