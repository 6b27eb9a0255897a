"""Keep who asked for an undo, what a step left behind, and that it was sent twice, as facts.

Until now they stood in sentences and in the audit. The columns are empty in the rows that older
versions wrote, and in those that one of them still writes beside this version:
`bot.store.remediation.older_rows` tells these in today's nouns.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003_facts_of_plans"
down_revision = "0002_config_versions"
branch_labels = None
depends_on = None

COLUMNS = (
    ("plans", "undo_asked_by", sa.Text()),
    ("plans", "undo_asked_at", sa.DateTime(timezone=True)),
    ("plan_steps", "sent_again", sa.Boolean()),
    ("plan_steps", "fingerprint", sa.Text()),
)


def upgrade() -> None:
    for table, name, kind in COLUMNS:
        op.add_column(table, sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    for table, name, _ in reversed(COLUMNS):
        op.drop_column(table, name)
