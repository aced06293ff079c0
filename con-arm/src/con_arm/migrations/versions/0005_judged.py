"""What was known of a signature when it was judged, whole: numbered checks, revocation, stamp, root.

What was kept of results before was the signer alone; it is taken away, since no check can be made up afterwards.
"""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0005", "0004"


def upgrade() -> None:
    for table in ("cases", "results", "hand_overs"):
        op.add_column(table, sa.Column("judged", sa.JSON))
    op.drop_column("results", "check")
