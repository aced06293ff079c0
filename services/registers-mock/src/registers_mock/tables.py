"""Tables; only the store (and the migrations) look here."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Date, Index, Integer, MetaData, String, Table, UniqueConstraint, and_

from egovkit.db import kit_tables
from egovregister.tables import register_tables

metadata = MetaData()
kit = kit_tables(metadata)
register = register_tables(metadata)

# The last number given; its row is the lock of a register in a region.
numbers = Table(
    "numbers",
    metadata,
    Column("register", String(40), primary_key=True),
    Column("region", String(64), primary_key=True),
    Column("last", Integer, nullable=False),
)

# Entries are only added; what changes of one is that it ends, once. Status and position are derived.
entries = Table(
    "entries",
    metadata,
    Column("register", String(40), primary_key=True),
    Column("region", String(64), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("person_iin", String(12), nullable=False, index=True),
    Column("related_iin", String(12), index=True),
    Column("since", Date, nullable=False),
    Column("until", Date),
    Column("leaving", String(16)),
    Column("category", String(20)),
    Column("family_size", Integer),
    Column("first_position", Integer),
    Column("case_id", String(36)),
    Column("details", JSON, nullable=False),
    UniqueConstraint("register", "case_id", name="entries_case"),  # a case gets one place
    Index("entries_list", "register", "region", "category", "number"),
)
# One person has one standing place in a queue; other registers have no positions.
_standing = and_(entries.c.until.is_(None), entries.c.first_position.is_not(None))
Index(
    "entries_standing", entries.c.register, entries.c.region, entries.c.person_iin, unique=True,
    sqlite_where=_standing, postgresql_where=_standing,
)  # fmt: skip

# Places that are free; no row = none.
places = Table(
    "places",
    metadata,
    Column("register", String(40), primary_key=True),
    Column("region", String(64), primary_key=True),
    Column("category", String(20), primary_key=True),
    Column("free", Integer, nullable=False),
)
