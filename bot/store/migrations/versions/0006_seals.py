"""Room for seals: of every audit row, plan, waiting envelope and token; scopes and ends of tokens.

All columns are empty in rows that older versions wrote: `bot.store.adoption` seals once what may be
sealed, and what may not is told as unproved.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006_seals"
down_revision = "0005_plans_at_work"
branch_labels = None
depends_on = None

COLUMNS = (
    ("audit", "mac", sa.Text()),
    ("plans", "mac", sa.Text()),
    ("slack_inbox", "mac", sa.Text()),
    ("api_tokens", "mac", sa.Text()),
    ("api_tokens", "scope", sa.Text()),
    ("api_tokens", "expires_at", sa.DateTime(timezone=True)),
)


def upgrade() -> None:
    for table, name, kind in COLUMNS:
        op.add_column(table, sa.Column(name, kind, nullable=True))
    op.create_index("ix_audit_mac", "audit", ["mac"], unique=True)


def downgrade() -> None:
    op.drop_index("ix_audit_mac", "audit")
    for table, name, _ in reversed(COLUMNS):
        op.drop_column(table, name)
