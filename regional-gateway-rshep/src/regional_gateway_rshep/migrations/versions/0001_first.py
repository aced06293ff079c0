"""The first shape of РШЭП's database."""

from __future__ import annotations

from egovgateway.migrations import create_gateway_tables

revision, down_revision = "0001", None


def upgrade() -> None:
    create_gateway_tables(revision=1)
