"""Keep of a plan at work how often it was taken, since when it waits, which halt its undo answers.

The columns are empty in the rows that older versions wrote, and in those that one of them still
writes beside this version.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005_plans_at_work"
down_revision = "0004_who_asked"
branch_labels = None
depends_on = None

COLUMNS = (
    ("token", sa.Integer()),
    ("waits_since", sa.DateTime(timezone=True)),
    ("undo_halts", sa.Text()),
)


def upgrade() -> None:
    for name, kind in COLUMNS:
        op.add_column("plans", sa.Column(name, kind, nullable=True))


def downgrade() -> None:
    for name, _ in reversed(COLUMNS):
        op.drop_column("plans", name)
