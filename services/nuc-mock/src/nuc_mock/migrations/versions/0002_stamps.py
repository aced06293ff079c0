"""Time stamps that were given."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import BigId, UtcDateTime

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    op.create_table(
        "stamps",
        sa.Column("serial", BigId, primary_key=True, autoincrement=True),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("digest", sa.String(8), nullable=False),
        sa.Column("imprint", sa.LargeBinary, nullable=False),
        sqlite_autoincrement=True,
    )
