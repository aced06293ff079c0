"""Which document a result is: its form in the act, how long it is valid, what its message tells of it."""

from __future__ import annotations

import json
from calendar import monthrange
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from egovkit.errors import EgovError
from egovlaw.catalogue import Form, Regulation
from provider_arm.domain.cases import Answer

ALMATY = ZoneInfo("Asia/Almaty")
_KINDS: Mapping[Answer, str] = {Answer.POSITIVE: "positive", Answer.NEGATIVE: "negative"}


def form_of(regulation: Regulation, decided: Answer, wished: Answer | None, variant: str | None) -> Form | None:
    """The act's form of this result; None where the act prints none. The answer is the decision's, not the signer's."""
    if wished is not None and wished is not decided:
        raise EgovError("result.other_than_decided", decided=decided.value, wished=wished.value)
    forms = [form for form in regulation.forms if form.kind == _KINDS[decided]]
    variants = {form.variant: form for form in forms if form.variant is not None}
    if variant is None and len(variants) > 1:
        raise EgovError("result.variant_missing", variants=sorted(variants))
    if variant is not None and variant not in variants:
        raise EgovError("result.variant_unknown", variant=variant, variants=sorted(variants) or "-")
    return variants[variant] if variant is not None else next(iter(forms), None)


def day_of(moment: datetime) -> date:
    """The day in Kazakhstan, which papers bear."""
    return moment.astimezone(ALMATY).date()


def valid_until(form: Form | None, issued: datetime) -> str | None:
    """The last day of validity, in Kazakhstan's time; counted from the day after issue (A27)."""
    if form is None or form.validity is None:
        return None
    day = day_of(issued)
    if form.validity.months is not None:
        return _months_later(day, form.validity.months).isoformat()
    return (day + timedelta(days=form.validity.calendar_days or 0)).isoformat()


def _months_later(day: date, months: int) -> date:
    year, month = divmod(day.month - 1 + months, 12)
    last = monthrange(day.year + year, month + 1)[1]
    return date(day.year + year, month + 1, min(day.day, last))


def told(document: bytes) -> dict[str, Any]:
    """What case.completed says of the document beside carrying it."""
    body = json.loads(document)
    return {name: body[name] for name in ("outcome", "variant") if name in body}
