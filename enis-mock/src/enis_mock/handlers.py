"""Bus in: one function per message. HANDLERS is the index."""

from __future__ import annotations

from egovregister.handlers import register_handlers

HANDLERS = register_handlers("query.attorney")
