"""Tables; only the store (and the migrations) look here."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Date, MetaData, String, Table, Text, UniqueConstraint

from egovkit.db import BigId, UtcDateTime, kit_tables
from egovregister.tables import register_tables

metadata = MetaData()
kit = kit_tables(metadata)
register = register_tables(metadata)

# Deeds are only added; what changes of one is that it is revoked, once. Its status is derived.
attorneys = Table(
    "attorneys",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("registry_number", String(60), nullable=False),
    Column("date", Date, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("deed", JSON, nullable=False),
    Column("revoked_on", Date),
    Column("revoke_reason", Text),
    UniqueConstraint("registry_number", "date", name="attorneys_deed"),
)

# Who is in a deed, by number: what it is found by.
parties = Table(
    "parties",
    metadata,
    Column("attorney_id", BigId, primary_key=True, autoincrement=False),
    Column("role", String(16), primary_key=True),
    Column("iin", String(12), primary_key=True, index=True),
)
