"""Run by Alembic; shared by all services. The connection and its transaction belong to `egovkit.db.migrate`."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
