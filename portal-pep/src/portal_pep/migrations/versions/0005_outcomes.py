"""What a result is (the service, or the reasoned answer of refusal), how long it holds, and why a term changed."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0005", "0004"


def upgrade() -> None:
    op.add_column("cases", sa.Column("outcome", sa.String(12)))
    op.add_column("cases", sa.Column("term_change", sa.JSON))
    op.add_column("results", sa.Column("outcome", sa.String(12)))
    op.add_column("results", sa.Column("variant", sa.String(40)))
    op.add_column("results", sa.Column("valid_until", sa.Date))
    # Until now every result was the service itself.
    op.execute("UPDATE cases SET outcome = 'positive' WHERE state = 'completed'")
    op.execute("UPDATE results SET outcome = 'positive' WHERE kind = 'result'")
