"""Tables; only the store (and the migrations) look here."""

from __future__ import annotations

from sqlalchemy import MetaData

from egovkit.db import kit_tables

metadata = MetaData()
kit = kit_tables(metadata)
