"""Keep with a question that another run answers which run that is: both pay for the answer."""

import sqlalchemy as sa
from alembic import op

revision = "0007_who_shares"
down_revision = "0006_seals"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agent_runs", sa.Column("merged_into", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("agent_runs", "merged_into")
