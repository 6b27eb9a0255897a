"""Keep with a message how much of whose data the model might read when it was said."""

import sqlalchemy as sa
from alembic import op

revision = "0009_read_under"
down_revision = "0008_lanes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("read_under", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("messages", "read_under")
