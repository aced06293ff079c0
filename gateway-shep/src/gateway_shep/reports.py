"""Who used how much of which limit: of one case, and overdue by provider, step and clause. A file of its own beside the
register: it only reads what the gateway wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from statistics import median
from typing import Any

from pydantic import BaseModel, Field

from egovgateway.pipeline import Gateway
from egovkit.errors import EgovError
from egovkit.signatures.jws import peek_payload
from egovkit.signatures.receipt import RECEIPT_TYP
from gateway_shep import store

Group = tuple[str, str, str, str]


class Limit(BaseModel):
    """The limit a case is under now."""

    step: str | None
    clause: str | None
    due_at: datetime
    overdue_s: float


class Hop(BaseModel):
    """What a gateway's receipt says."""

    gateway: str
    received: str
    forwarded: str
    limit_s: float | None
    used_s: float | None


class Passage(BaseModel):
    """A measured envelope."""

    id: str
    type: str
    source: str
    recipient: str
    state: str
    received_at: datetime
    step: str | None
    clause: str | None
    limit_s: float | None
    used_s: float | None
    late: bool | None
    share: float | None = Field(description="used of the limit, 1 = all of it")
    hops: list[Hop]


class Budget(BaseModel):
    case_id: str
    regulation: str
    regulation_version: int | None
    channel: str
    provider: str | None
    ended: bool
    running: Limit | None
    items: list[Passage]


class OverdueLine(BaseModel):
    """Passages of one provider, regulation, step and clause."""

    key: str
    provider: str
    regulation: str
    step: str
    clause: str
    measured: int
    overdue: int
    worst_s: float
    limit_s: float | None
    median_share: float


class OverdueCase(BaseModel):
    """A case that waits beyond a limit; the limit's part is missing when it has just ended."""

    case_id: str
    provider: str | None
    step: str | None = None
    clause: str | None = None
    due_at: datetime | None = None
    overdue_s: float | None = None


class OverduePage(BaseModel):
    items: list[OverdueLine]
    next: str | None
    waiting: list[OverdueCase]


class Reports:
    """Reads of the gateway's own tables."""

    def __init__(self, gateway: Gateway) -> None:
        self._parts = gateway.parts

    async def budget(self, case_id: str) -> dict[str, Any]:
        """Every measured passage of a case with the gateways it went by; case.not_found."""
        async with self._parts.db.read() as conn:
            case = await store.case(conn, case_id)
            passages = await store.passages(conn, case_id)
        if case is None:
            raise EgovError("case.not_found")
        return {
            **{name: case[name] for name in ("case_id", "regulation", "regulation_version", "channel", "provider")},
            "ended": case["ended"],
            "running": _running(case, self._parts.clock.now()),
            "items": [_passage(row) for row in passages],
        }

    async def overdue(self, wanted: Mapping[str, Any], cursor: str | None, limit: int) -> dict[str, Any]:
        """Measured passages received in [from, to), in groups; then what waits for its number beyond the limit."""
        now = self._parts.clock.now()
        async with self._parts.db.read() as conn:
            rows = await store.measured(conn, wanted)
            waiting = await store.waiting(conn, wanted, now)
        groups = _grouped(rows)
        begin = (
            0 if cursor is None else next((n for n, g in enumerate(groups) if g["key"] == cursor), len(groups) - 1) + 1
        )
        page = groups[begin : begin + limit]
        return {
            "items": page,
            "next": page[-1]["key"] if begin + limit < len(groups) else None,
            "waiting": [{"case_id": row["case_id"], "provider": row["provider"], **(_running(row, now) or {})}
                        for row in waiting],
        }  # fmt: skip


def _running(case: store.Row, now: datetime) -> dict[str, Any] | None:
    """The limit a case is under right now."""
    if case["due_at"] is None or case["ended"]:
        return None
    over = (now - case["due_at"]).total_seconds()
    return {
        "step": case["due_step"], "clause": case["due_clause"], "due_at": case["due_at"],
        "overdue_s": round(max(0.0, over), 3),
    }  # fmt: skip


def _passage(row: store.Row) -> dict[str, Any]:
    found = {name: row[name] for name in ("id", "type", "source", "recipient", "state", "received_at")}
    found |= {name: row[name] for name in ("step", "clause", "limit_s", "used_s", "late")}
    found["share"] = _share(row)
    found["hops"] = [hop for token in row["receipts"].split(",") if (hop := _hop(token)) is not None]
    return found


def _hop(token: str) -> dict[str, Any] | None:
    """A gateway's receipt, read: its signature was checked when the envelope passed."""
    if not token:
        return None
    payload = peek_payload(token, RECEIPT_TYP)
    return {
        "gateway": payload["gateway"],
        "received": payload["received"],
        "forwarded": payload["forwarded"],
        "limit_s": payload.get("limit"),
        "used_s": payload.get("used"),
    }


def _share(row: store.Row) -> float | None:
    return None if not row["limit_s"] or row["used_s"] is None else round(row["used_s"] / row["limit_s"], 4)


def _grouped(rows: Sequence[store.Row]) -> list[dict[str, Any]]:
    """One line per provider, regulation, step and clause; those with the most overdue first."""
    groups: dict[Group, list[store.Row]] = {}
    for row in rows:
        key = (row["provider"] or "-", row["regulation"], row["step"] or "-", row["clause"] or "-")
        groups.setdefault(key, []).append(row)
    lines = [_line(key, members) for key, members in groups.items()]
    return sorted(lines, key=lambda line: (-line["overdue"], line["key"]))


def _line(key: Group, rows: Sequence[store.Row]) -> dict[str, Any]:
    provider, regulation, step, clause = key
    return {
        "key": "|".join(key),
        "provider": provider,
        "regulation": regulation,
        "step": step,
        "clause": clause,
        "measured": len(rows),
        "overdue": sum(bool(row["late"]) for row in rows),
        "worst_s": max(row["used_s"] for row in rows),
        "limit_s": rows[0]["limit_s"],
        "median_share": round(median(row["used_s"] / row["limit_s"] for row in rows), 4),
    }
