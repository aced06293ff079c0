"""What was decided before the result, a commission's opinion, and the internal procedure."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import UtcDateTime

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    op.add_column("cases", sa.Column("decision", sa.JSON(none_as_null=True)))
    with op.batch_alter_table("tasks") as tasks:
        tasks.add_column(sa.Column("step", sa.String(40), nullable=False, server_default=""))
        tasks.add_column(sa.Column("term", sa.String(40)))
        tasks.drop_constraint("uq_tasks_case_kind", type_="unique")
        tasks.create_unique_constraint("uq_tasks_case_kind_step", ["case_id", "kind", "step"])
    with op.batch_alter_table("tasks") as tasks:
        tasks.alter_column("step", server_default=None)
    op.create_table(
        "procedures",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("lodged", sa.String(20), nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("executor", sa.String(36)),
        sa.Column("draft", sa.JSON, nullable=False),
    )
    op.create_table(
        "opinions",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("positive", sa.Boolean, nullable=False),
        sa.Column("text_ru", sa.Text, nullable=False),
        sa.Column("text_kk", sa.Text, nullable=False),
        sa.Column("given_by", sa.String(36), nullable=False),
        sa.Column("given_at", UtcDateTime, nullable=False),
    )
