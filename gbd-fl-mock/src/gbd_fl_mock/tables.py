"""Tables; only the store (and the migrations) look here."""

from __future__ import annotations

from sqlalchemy import JSON, Column, Date, Index, Integer, MetaData, String, Table, Text

from egovkit.db import UtcDateTime, kit_tables
from egovregister.tables import register_tables

metadata = MetaData()
kit = kit_tables(metadata)
register = register_tables(metadata)

# What the register says of a person from a day on. Rows are only added; the last one whose day has come counts.
versions = Table(
    "versions",
    metadata,
    Column("iin", String(12), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("valid_from", Date, nullable=False),
    Column("recorded_at", UtcDateTime, nullable=False),
    Column("reason", Text, nullable=False),
    Column("surname", String(120)),  # names are folded, to be compared; NULL = the person has none
    Column("name", String(120)),
    Column("patronymic", String(120)),
    Column("birth_date", Date, nullable=False),
    Column("person", JSON, nullable=False),
    Index("versions_names", "birth_date", "surname", "name"),
)

# Every number a person's documents ever had; whether he has it on a day says the version of that day.
document_numbers = Table(
    "document_numbers",
    metadata,
    Column("number", String(40), primary_key=True),
    Column("iin", String(12), primary_key=True),
)
