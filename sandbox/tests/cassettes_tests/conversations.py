"""A question to the person register and its answer, as they pass."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from egovkit.clock import HandClock
from egovkit.envelope import Envelope
from egovkit.ids import SystemIds
from egovlaw.identifiers import synthetic_iin
from sandbox.composition import CENTRE, PERSONS

BEGAN = datetime(2026, 1, 15, 4, tzinfo=UTC)
ALICE, BORIS, ANNA = (synthetic_iin(n) for n in (1, 2, 3))
_ids = SystemIds(HandClock(BEGAN))


def identity() -> str:
    return _ids.new()


CASE = identity()


def question(iin: str, *, case: str = CASE, **changes: Any) -> Envelope:
    trail = [
        {"step": "C1", "outcome": "ok", "at": "2026-01-15T03:59:58.000Z", "writer": "con-arm/1", "position": 7,
         "hash": "a" * 64}
    ]  # fmt: skip
    data = {
        "criterion": {"iin": iin},
        "official": f"operator-{identity()[-4:]}",
        "purpose_ru": "Заявление",
        "clause": "8 5)",
        "trail": trail,
    }
    known: dict[str, Any] = {
        "id": identity(),
        "source": CENTRE,
        "type": "kz.egov.query.person.v1",
        "subject": case,
        "time": BEGAN,
        "dataschema": "urn:egov:schema:query.person.v1",
        "recipient": PERSONS,
        "regulation": "atyrau-housing-queue",
        "channel": "centre",
        "step": "C3",
        "region": "atyrau",
        "caseseq": 1,
        "data": data,
        "traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01",
    }
    return Envelope(**{**known, **changes})


def answer(asked: Envelope, **changes: Any) -> Envelope:
    """Nobody was found, half a second later."""
    data = {
        "result": {"code": "00000", "name_ru": "Обработан", "name_kk": "Өңделді"},
        "answered_at": "2026-01-15T04:00:00.500Z",
        "persons": [],
    }
    known: dict[str, Any] = {
        "id": identity(),
        "source": PERSONS,
        "type": "kz.egov.answer.person.v1",
        "subject": asked.subject,
        "time": datetime(2026, 1, 15, 4, 0, 0, 500_000, tzinfo=UTC),
        "dataschema": "urn:egov:schema:answer.person.v1",
        "recipient": asked.source,
        "caseseq": 0,
        "data": data,
        "correlationid": asked.id,
        "causationid": asked.id,
        **{name: getattr(asked, name) for name in ("regulation", "channel", "step", "region", "traceparent")},
    }
    return Envelope(**{**known, **changes})
