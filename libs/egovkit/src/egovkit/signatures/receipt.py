"""A gateway's receipt: its signed word that these bytes passed, where they stand in its journal, and what was
left of the limit.

A compact JWS of typ `egov-receipt+jws`; the journal's head inside it makes a cut tail of the journal visible
later.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from egovkit.errors import EgovError
from egovkit.signatures.custody import KeyCustody
from egovkit.signatures.jws import sign_compact, verify_compact
from egovkit.signatures.keys import Certificate

__all__ = ["RECEIPT_TYP", "Receipt", "issue_receipt", "read_receipt"]

RECEIPT_TYP = "egov-receipt+jws"

_HEX = re.compile(r"[0-9a-f]{64}")
_NAMES = frozenset(
    {
        "id",
        "sha256",
        "gateway",
        "writer",
        "position",
        "head",
        "received",
        "forwarded",
        "limit",
        "used",
        "step",
        "refused",
    }
)


@dataclass(frozen=True, slots=True)
class Receipt:
    """`id` and `sha256` (hex, of the exact bytes) name the envelope; `gateway` is the participant's code.

    `writer`, `position`, `head` (hex) are the row of that gateway's journal. `received` and `forwarded` are
    aware, to the millisecond. `limit_s` and `used_s` are the seconds of the act's limit for `step` and how
    many of them were gone when the envelope left; None where the act sets none. `refused` are earlier caseseq
    of the same source and case that this gateway refused: who comes after it never sees them, and need not wait.
    """

    id: str
    sha256: str
    gateway: str
    writer: str
    position: int
    head: str
    received: datetime
    forwarded: datetime
    limit_s: float | None = None
    used_s: float | None = None
    step: str | None = None
    refused: tuple[int, ...] = ()


def issue_receipt(receipt: Receipt, key: KeyCustody) -> str:
    """Sign a receipt; about 600 characters."""
    return sign_compact(
        {
            "id": receipt.id,
            "sha256": receipt.sha256,
            "gateway": receipt.gateway,
            "writer": receipt.writer,
            "position": receipt.position,
            "head": receipt.head,
            "received": _text(receipt.received),
            "forwarded": _text(receipt.forwarded),
            "limit": receipt.limit_s,
            "used": receipt.used_s,
            "step": receipt.step,
            "refused": list(receipt.refused),
        },
        key,
        RECEIPT_TYP,
    )


def read_receipt(token: str, certificate_for: Callable[[str], Certificate | None]) -> Receipt:
    """A receipt whose signature is that of the certificate found by its thumbprint.

    EgovError("receipt.invalid", reason) for everything else: a broken token, an unknown certificate, a
    foreign form. Whether the certificate is a gateway's is for the caller to say
    (`egovkit.membership.verify_receipts`).
    """
    try:
        payload = verify_compact(token, certificate_for, RECEIPT_TYP)
    except EgovError as error:
        raise EgovError("receipt.invalid", reason=error.code) from None
    if payload.keys() != _NAMES or not _well_formed(payload):
        raise EgovError("receipt.invalid", reason="form")
    try:
        received, forwarded = (datetime.fromisoformat(payload[name]) for name in ("received", "forwarded"))
    except ValueError:
        raise EgovError("receipt.invalid", reason="form") from None
    if received.tzinfo is None or forwarded.tzinfo is None:
        raise EgovError("receipt.invalid", reason="form")
    return Receipt(
        id=payload["id"],
        sha256=payload["sha256"],
        gateway=payload["gateway"],
        writer=payload["writer"],
        position=payload["position"],
        head=payload["head"],
        received=received.astimezone(UTC),
        forwarded=forwarded.astimezone(UTC),
        limit_s=payload["limit"],
        used_s=payload["used"],
        step=payload["step"],
        refused=tuple(payload["refused"]),
    )


def _well_formed(payload: dict[str, Any]) -> bool:
    texts = all(isinstance(payload[name], str) for name in ("id", "gateway", "writer", "received", "forwarded"))
    digests = all(isinstance(payload[name], str) and _HEX.fullmatch(payload[name]) for name in ("sha256", "head"))
    seconds = all(payload[name] is None or type(payload[name]) in (int, float) for name in ("limit", "used"))
    step = payload["step"] is None or isinstance(payload["step"], str)
    refused = isinstance(payload["refused"], list) and all(type(number) is int for number in payload["refused"])
    return texts and digests and seconds and step and refused and type(payload["position"]) is int


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
