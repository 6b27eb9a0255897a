"""Say of an envelope which lane of the inbox it goes: the brake overtakes what people talk."""

import sqlalchemy as sa
from alembic import op

revision = "0008_lanes"
down_revision = "0007_who_shares"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("slack_inbox", sa.Column("lane", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("slack_inbox", "lane")
