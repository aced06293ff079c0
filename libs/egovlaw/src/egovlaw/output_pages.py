"""An output document filled in: the data its template takes. Pure; knows no service and no typst.

What people wrote stays a value: it is put into places of the form's text and never read as text with places.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from egovlaw.outputs import LANGUAGES, PLACE, Both, Item, Language, Output, Outputs

Json = dict[str, Any]
NOTHING: Final = "—"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What is known of one document. Moments are in the zone they are to be read in.

    `values` are the provider's, by the names of the act's fields or its own; `form` is what the applicant entered,
    used where the provider left a place open. `names`: of the official as printed. `signed`: rows of the signature.
    `codes`: QR codes as SVG, of the whole signed document. `languages`: of the body, in this order.
    """

    number: str | None
    issued_at: datetime
    values: Mapping[str, Any]
    form: Mapping[str, Any]
    iin: str | None = None
    submitted_at: datetime | None = None
    official: str | None = None
    service: Both | None = None  # default the act's title
    text: Both | None = None
    reasons: Sequence[str] = ()
    basis: Both | None = None
    valid_until: date | None = None
    signed: Sequence[tuple[str, str]] | None = None  # names of rows in common.yaml, with what stands there
    sha256: str | None = None
    notes: Sequence[Both] = ()  # what else the system that makes the page has to say
    codes: Sequence[str] = ()
    code: str | None = None  # one more, small, beside the signature
    languages: Sequence[Language] = LANGUAGES


def page_of(outputs: Outputs, output: Output, facts: PageFacts) -> Json:
    """JSON values only, whatever the facts hold."""
    common, form = outputs.common, output.form
    known, used = _known(common, output, facts), form.fields()
    # A signed text is never dropped: what the form has no place for stands under it.
    rest = [[name, value] for name, value in facts.values.items() if name not in used]
    notes = [common["equal_to_paper"] if facts.signed is not None else common["unsigned"]]
    if facts.codes:
        notes.append(_code_note(common, output))
    if not form.printed and form.kind in ("positive", "negative"):
        notes.append(common["no_form"])
    notes += facts.notes
    return {
        "layout": form.layout,
        "name": dict(form.name),
        "languages": list(facts.languages),
        "heading": common["heading"],
        "number": [common["number"], facts.number or NOTHING],
        "issued": [common["issued"], {one: date_in(common, facts.issued_at, one) for one in LANGUAGES}],
        "facts": _facts(common, output, facts),
        "parts": [_part(common, output, facts, known, rest, language=language) for language in facts.languages],
        "signature": _signature(common, facts),
        "notes": [{one: note[one] for one in LANGUAGES} for note in notes],
        "codes": list(facts.codes),
        "code": facts.code,
        "training": common["training"],
        "sha256": facts.sha256,
    }


def date_in(common: Mapping[str, Any], day: date, language: Language) -> str:
    month = common["months"][language][day.month - 1]
    return f"{day.year} жылғы {day.day} {month}" if language == "kk" else f"{day.day} {month} {day.year} года"


def _known(common: Mapping[str, Any], output: Output, facts: PageFacts) -> dict[str, Any]:
    """The provider's values first, then the application's, then the case's own."""
    own: dict[str, Any] = {
        "number": facts.number,
        "issued_on": facts.issued_at.date().isoformat(),
        "applied_on": facts.submitted_at.date().isoformat() if facts.submitted_at else None,
        "reasons": "\n".join(facts.reasons) or None,
        "official": facts.official,
    }
    from_case = {name: own.get(source) for name, source in common["sources"].items()}
    found = {"official": facts.official, **from_case}
    for values in (facts.form, facts.values):
        found |= {name: value for name, value in values.items() if value not in (None, "")}
    service = facts.service or {"kk": output.regulation.title_kk, "ru": output.regulation.title_ru}
    return {**found, "service": dict(service), **({"text": dict(facts.text)} if facts.text else {})}


def _facts(common: Mapping[str, Any], output: Output, facts: PageFacts) -> list[Json]:
    regulation = output.regulation
    service = facts.service or {"kk": regulation.title_kk, "ru": regulation.title_ru}
    rows = [(common["service"], dict(service)), (common["provider"], _provider(output))]
    if facts.iin:
        rows.append((common["applicant"], {"kk": facts.iin, "ru": facts.iin}))
    if facts.valid_until is not None:
        until: Both = {one: date_in(common, facts.valid_until, one) for one in LANGUAGES}
        rows.append((common["valid_until"], until))
    return [{"label": label, "value": value} for label, value in rows]


def _part(
    common: Mapping[str, Any],
    output: Output,
    facts: PageFacts,
    known: Mapping[str, Any],
    rest: Sequence[Sequence[Any]],
    *,
    language: Language,
) -> Json:
    filling = _Filling(common, output, known, language)
    used = output.form.fields()
    text = None if facts.text is None or "text" in used else facts.text[language].strip() or NOTHING
    reasons = [] if "reason" in used else list(facts.reasons)
    return {
        "language": language,
        "body": [made for item in output.form.body[language] if (made := filling.item(item)) is not None],
        "text": None if text is None else [common["text"][language], text],
        "reasons": [common["reasons"][language], reasons] if reasons else None,
        "basis": None if facts.basis is None else [common["basis"][language], facts.basis[language]],
        "values": {
            "title": common["values"][language],
            "head": [common["name_column"][language], common["value_column"][language]],
            "rows": [[str(name), filling.shown(value) or NOTHING] for name, value in rest],
        },
    }


def _signature(common: Mapping[str, Any], facts: PageFacts) -> Json | None:
    if facts.signed is None:
        return None
    return {"title": common["signature"], "rows": [[common[name], value or NOTHING] for name, value in facts.signed]}


def _code_note(common: Mapping[str, Any], output: Output) -> Both:
    """With the signer as the act names him, or else the provider (E12)."""
    provider = _provider(output)
    signer = output.form.signer or {
        one: common["code_signer"][one].replace("{provider}", provider[one]) for one in LANGUAGES
    }
    return {one: common["code_note"][one].replace("{signer}", signer[one]) for one in LANGUAGES}


def _provider(output: Output) -> Both:
    """Russian twice where the catalogue has no Kazakh."""
    regulation = output.regulation
    kazakh = regulation.provider_kk.text if regulation.provider_kk else regulation.provider_ru
    return {"kk": kazakh, "ru": regulation.provider_ru}


class _Filling:
    """One language of one document."""

    def __init__(self, common: Mapping[str, Any], output: Output, known: Mapping[str, Any], language: Language) -> None:
        self._common, self._known, self._language = common, known, language
        fields = [field for form in output.regulation.forms for field in form.fields]
        self._options = {
            field.name: dict(zip(field.options_ru, (one.text for one in field.options_kk), strict=True))
            for field in fields
            if field.options_ru and field.options_kk
        }

    def item(self, item: Item) -> Json | None:
        """None where the line is nothing but a place that may be left out, and is."""
        if item.kind == "table":
            return {"kind": "table", "head": list(item.columns), "rows": self._rows(item)}
        if item.kind == "list":
            entries = self._known.get(item.text)
            entries = entries if isinstance(entries, list) else []
            return {"kind": "list", "items": [self._paper(one) for one in entries] or [self._common["blank"]]}
        runs = self._runs(item.text)
        return {"kind": item.kind, "runs": runs} if any(text for text, _ in runs) else None

    def _runs(self, text: str) -> list[list[Any]]:
        """The line in pieces, each with whether it is a value."""
        made: list[list[Any]] = []
        at = 0
        for match in PLACE.finditer(text):
            value = self._value(match[1], match[2])
            default = self._common["blank"] if match[3] is None else match[3]
            made += [[text[at : match.start()], False], [value or default, value is not None]]
            at = match.end()
        return [run for run in [*made, [text[at:], False]] if run[0]]

    def _value(self, name: str, part: str | None) -> str | None:
        value = self._known.get(name)
        if isinstance(value, dict) and set(value) == set(LANGUAGES):
            value = value[self._language]
        if part is not None:
            day = day_of(value)
            return None if day is None else self._part(day, part)
        if isinstance(value, str) and self._language == "kk":
            value = self._options.get(name, {}).get(value, value)
        return self.shown(value)

    def _part(self, day: date, part: str) -> str:
        month: str = self._common["months"][self._language][day.month - 1]
        return {"day": str(day.day), "month": month, "year": str(day.year), "day_month": f"{day.day} {month}"}[part]

    def _rows(self, item: Item) -> list[list[str]]:
        found = self._known.get(item.text)
        rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
        blank = self._common["blank"]
        numbered = ({"n": n, **row} for n, row in enumerate(rows, start=1))
        return [[self.shown(row.get(key)) or blank for key in item.keys] for row in numbered] or [
            ["1", *([blank] * (len(item.keys) - 1))]
        ]

    def _paper(self, paper: Any) -> str:
        """A paper by its name and note, or whatever else stands in a list."""
        known = paper if isinstance(paper, dict) else {}
        words = [self.shown(known[key]) for key in ("name", "note") if known.get(key)]
        return ", ".join(one for one in words if one) or self.shown(paper) or NOTHING

    def shown(self, value: Any) -> str | None:
        """A value as people write it; None where there is none."""
        if value is None or value == "":
            return None
        if isinstance(value, bool):
            return str(self._common["yes" if value else "no"][self._language])
        if isinstance(value, list) and value and all(isinstance(one, str | int) for one in value):
            return ", ".join(str(one) for one in value)
        if isinstance(value, str):
            day = day_of(value)
            return f"{day:%d.%m.%Y}" if day is not None else value
        return json.dumps(value, ensure_ascii=False)


def day_of(value: Any) -> date | None:
    """A day written as YYYY-MM-DD."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) and len(value) == 10 else None
    except ValueError:
        return None
