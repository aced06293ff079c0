"""Answers to the survey (cl. 15 of act 427), and who looked at what came back."""

import sqlalchemy as sa
from alembic import op

from egovkit.db import BigId, UtcDateTime

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "surveys",
        sa.Column("case_id", sa.String(36), primary_key=True),
        sa.Column("regulation", sa.String(80), nullable=False),
        sa.Column("regulation_version", sa.Integer, nullable=False),
        sa.Column("given_at", UtcDateTime, nullable=False),
        sa.Column("changed_at", UtcDateTime, nullable=False),
    )
    op.create_index("surveys_regulation", "surveys", ["regulation", "regulation_version", "given_at", "case_id"])
    op.create_table(
        "survey_answers",
        sa.Column("case_id", sa.String(36), nullable=False),
        sa.Column("question", sa.String(60), nullable=False),
        sa.Column("option", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("case_id", "question", name="survey_answers_pk"),
    )
    op.create_table(
        "reads",
        sa.Column("id", BigId, primary_key=True, autoincrement=True),
        sa.Column("case_id", sa.String(36), nullable=False),
        sa.Column("account_id", sa.String(36), nullable=False),
        sa.Column("at", UtcDateTime, nullable=False),
        sa.Column("what", sa.String(16), nullable=False),
    )
    op.create_index("reads_case", "reads", ["case_id", "id"])
    op.create_index("cases_number", "cases", ["account_id", "number"])
