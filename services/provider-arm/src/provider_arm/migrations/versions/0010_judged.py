"""What was known of a signature when it was judged: numbered checks, revocation, stamp, root."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0010", "0009"


def upgrade() -> None:
    for table in ("cases", "documents", "hand_overs", "own_cases", "give_outs"):
        op.add_column(table, sa.Column("judged", sa.JSON))
