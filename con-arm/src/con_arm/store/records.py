"""What happened to a case."""

from __future__ import annotations

from con_arm.tables import origin
from egovorigin.store.records import Records

records = Records(origin.history)
