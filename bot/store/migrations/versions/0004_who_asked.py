"""Keep with a question what it is asked with: the asker's name, language and time zone."""

import sqlalchemy as sa
from alembic import op

revision = "0004_who_asked"
down_revision = "0003_facts_of_plans"
branch_labels = None
depends_on = None

COLUMNS = ("asker_name", "locale", "timezone")


def upgrade() -> None:
    for name in COLUMNS:  # nullable: a process of the version before goes on writing rows
        op.add_column("agent_runs", sa.Column(name, sa.Text(), nullable=True))


def downgrade() -> None:
    for name in reversed(COLUMNS):
        op.drop_column("agent_runs", name)
