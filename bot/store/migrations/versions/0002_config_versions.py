"""Keep earlier versions of config maps: Kubernetes has no history of them."""

import sqlalchemy as sa
from alembic import op

revision = "0002_config_versions"
down_revision = "0001_first"
branch_labels = None
depends_on = None


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null)


def upgrade() -> None:
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "config_versions",
        sa.Column("id", big, nullable=False),
        _text("cluster"),
        _text("namespace"),
        _text("name"),
        _text("uid"),
        _text("sha256"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        _text("data", null=True),
        _text("withheld"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_config_versions")),
    )
    op.create_index(
        "ix_config_versions_map", "config_versions", ["cluster", "namespace", "name", "id"]
    )


def downgrade() -> None:
    op.drop_table("config_versions")
