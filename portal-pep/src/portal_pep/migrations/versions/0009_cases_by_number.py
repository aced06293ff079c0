"""Results are found by their number alone: by whoever verifies a document."""

from alembic import op

revision, down_revision = "0009", "0008"


def upgrade() -> None:
    op.create_index("cases_by_number", "cases", ["number"])
