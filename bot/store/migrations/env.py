"""Alembic's entrance: runs on the connection, and inside the transaction, of `SqlStore`."""

from alembic import context

from bot.store import transaction as _transaction  # noqa: F401 - declares every table
from bot.store.schema import Base

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=connection.dialect.name == "sqlite",  # SQLite alters tables by copying them
)
with context.begin_transaction():
    context.run_migrations()
