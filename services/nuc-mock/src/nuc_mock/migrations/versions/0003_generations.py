"""Keys of the issuing authority after the first, lists of changes, renewed certificates."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import UtcDateTime

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    op.add_column("authorities", sa.Column("last_base", sa.BigInteger, nullable=False, server_default="0"))
    op.add_column("authorities", sa.Column("base_before", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "generations",
        sa.Column("generation", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("thumbprint", sa.String(43), nullable=False),
        sa.Column("since", UtcDateTime, nullable=False),
    )
    op.create_table(
        "other_lists",
        sa.Column("name", sa.String(24), primary_key=True),
        sa.Column("der", sa.LargeBinary, nullable=False),
    )
    op.add_column("certificates", sa.Column("generation", sa.Integer, nullable=False, server_default="1"))
    op.add_column("certificates", sa.Column("changed_in", sa.BigInteger))
    op.add_column("certificates", sa.Column("renews", sa.String(40)))
    # Lists of before this revision know no changes: the next one is published by time, whatever it would have been.
    op.execute("UPDATE authorities SET next_update = this_update WHERE name = 'issuing'")
