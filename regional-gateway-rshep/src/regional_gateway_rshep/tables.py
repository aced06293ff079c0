"""РШЭП's tables: those every gateway has. `cases` is its routing table. Seen by the store alone."""

from __future__ import annotations

from sqlalchemy import MetaData

from egovgateway.tables import gateway_tables, webhook_tables

metadata = MetaData()
gateway = gateway_tables(metadata)
webhooks = webhook_tables(metadata)
