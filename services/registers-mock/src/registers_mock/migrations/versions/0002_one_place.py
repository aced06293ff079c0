"""One person has one standing place in one queue, whoever asks at the same time."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"

STANDING = sa.text("until IS NULL AND first_position IS NOT NULL")


def upgrade() -> None:
    op.create_index(
        "entries_standing",
        "entries",
        ["register", "region", "person_iin"],
        unique=True,
        sqlite_where=STANDING,
        postgresql_where=STANDING,
    )
