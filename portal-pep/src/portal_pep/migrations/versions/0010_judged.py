"""What was known of a signature when it was judged, whole: numbered checks, revocation, stamp, root.

What was kept of results before was the signer alone; it is taken away, since no check can be made up afterwards.
"""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0010", "0009"


def upgrade() -> None:
    op.add_column("cases", sa.Column("judged", sa.JSON))
    op.add_column("results", sa.Column("judged", sa.JSON))
    op.drop_column("results", "check")
