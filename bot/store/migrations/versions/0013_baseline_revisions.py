"""Number the saves of baselines, so that a cycle reads what changed and not a gigabyte."""

import sqlalchemy as sa
from alembic import op

revision = "0013_baseline_revisions"
down_revision = "0012_other_ways"
branch_labels = None
depends_on = None

INDEX = "ix_baselines_revision"


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("baselines", sa.Column("revision", big, nullable=False, server_default="0"))
    op.create_index(op.f(INDEX), "baselines", ["revision", "metric", "learned_at"])


def downgrade() -> None:
    op.drop_index(op.f(INDEX), table_name="baselines")
    op.drop_column("baselines", "revision")
