"""The page a citizen saves (act 427, cl. 10: "сохранить", "в формате Adobe Acrobat"): what it says, as the template
`templates/result.typ` takes it.

It shows the provider's document; whatever that lacks is left out or shown as a dash, since the portal adds nothing to
another's document and refuses to show none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from egovlaw.catalogue import Form, Regulation

NOTHING: Final = "—"
MONTHS_KK: Final = (
    "қаңтар", "ақпан", "наурыз", "сәуір", "мамыр", "маусым",
    "шілде", "тамыз", "қыркүйек", "қазан", "қараша", "желтоқсан",
)  # fmt: skip
MONTHS_RU: Final = (
    "января", "февраля", "марта", "апреля", "мая", "июня",
    "июля", "августа", "сентября", "октября", "ноября", "декабря",
)  # fmt: skip

Both = Mapping[str, str]  # kk and ru


def _both(kk: str, ru: str) -> Both:
    return {"kk": kk, "ru": ru}


TITLES: Final[Mapping[str, Both]] = {
    "result": _both("Қызмет көрсету нәтижесі", "Результат оказания услуги"),
    "refusal": _both(
        "Қызмет көрсетуден бас тарту туралы дәлелді жауап", "Мотивированный ответ об отказе в оказании услуги"
    ),
}
# The sentence of the acts' forms, restored (E11, A14). It is the signed document's, not this page's.
EQUAL_TO_PAPER: Final = _both(
    "Осы құжат «Электрондық құжат және электрондық цифрлық қолтаңба туралы» Қазақстан Республикасының 2003 жылғы "
    "7 қаңтардағы № 370-II Заңы 7-бабының 1-тармағына сәйкес қағаз тасығыштағы құжатпен бірдей.",
    "Данный документ согласно пункту 1 статьи 7 Закона Республики Казахстан от 7 января 2003 года № 370-II "
    "«Об электронном документе и электронной цифровой подписи» равнозначен документу на бумажном носителе.",
)
NOT_SIGNED_ITSELF: Final = _both(
    "Бұл PDF қол қойылған электрондық құжатты көрсетеді, бірақ оның өзіне қол қойылмаған: қолтаңба порталда "
    "сақталған электрондық құжат бойынша тексеріледі.",
    "Этот PDF показывает подписанный электронный документ, но сам не подписан: подпись проверяется по электронному "
    "документу, который хранится на портале.",
)
QR_HOLDS: Final = _both(
    "QR-кодта бірегей нөмір мен электрондық құжаттың SHA-256 бақылау сомасы бар.",
    "QR-код содержит уникальный номер и контрольную сумму SHA-256 электронного документа.",
)
# The barcode note of the acts' forms (A14), as it is true here.
CODES_HOLD: Final = _both(
    "Нөмірленген штрих-кодтарда уәкілетті тұлғаның электрондық цифрлық қолтаңбасы қойылған электрондық құжаттың өзі "
    "бар: оларды порталдың «Құжатты тексеру» бетінде тексеруге болады.",
    "Нумерованные штрих-коды содержат сам электронный документ с электронной цифровой подписью уполномоченного лица: "
    "их можно проверить на странице портала «Проверка документа».",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFacts:
    """What the portal holds of a case's end. Moments are in the zone they are to be read in."""

    kind: str  # result or refusal
    number: str | None
    iin: str
    service: Both
    provider: Both
    content: Mapping[str, Any] | None  # of the provider's document, as far as it could be read
    sha256: str  # of the document, hex
    reasons: Sequence[Mapping[str, Any]]
    issued_at: datetime
    check: Mapping[str, Any] | None  # of the signature, as it was at receipt
    signed_at: datetime | None
    form: Both | None = None  # the act's name of the document, where it has several
    valid_until: date | None = None
    codes: int = 0  # how many QR codes carry the document with its signature


def page_of(facts: PageFacts) -> dict[str, Any]:
    content = facts.content or {}
    signed = facts.check is not None
    held = [QR_HOLDS, CODES_HOLD] if facts.codes else [QR_HOLDS]
    notes = [EQUAL_TO_PAPER, NOT_SIGNED_ITSELF, *held] if signed else held
    return {
        "title": dict(TITLES[facts.kind]),
        "number": facts.number or NOTHING,
        "issued": {"kk": date_kk(facts.issued_at), "ru": date_ru(facts.issued_at)},
        "service": {
            language: _words(content, f"service_{language}") or name for language, name in facts.service.items()
        },
        "provider": dict(facts.provider),
        "iin": facts.iin,
        "form": None if facts.form is None else dict(facts.form),
        "valid_until": _valid(facts.valid_until),
        "text": _text(content) if signed else None,
        "reasons": [str(reason.get("text", "")) or NOTHING for reason in facts.reasons],
        "basis": None if signed else _basis(content),
        "values": _values(content.get("values")),
        "signed": _signature(facts, content) if signed else None,
        "official": ", ".join(filter(None, _person(content.get("official")))) or NOTHING,
        "notes": {language: "\n".join(note[language] for note in notes) for language in ("kk", "ru")},
        "sha256": facts.sha256,
    }


def code_of(facts: PageFacts) -> str:
    """What the QR code holds: enough to find the document and to tell it from any other; nothing personal."""
    return f"number={facts.number or ''};sha256={facts.sha256}"


def form_of(regulation: Regulation, outcome: str, variant: str | None) -> Form | None:
    """The act's form of this variant; None where the provider named none."""
    named = (form for form in regulation.forms if form.kind == outcome and form.variant == variant)
    return None if variant is None else next(named, None)


def _valid(until: date | None) -> Both | None:
    return None if until is None else _both(date_kk(until), date_ru(until))


def date_kk(day: date) -> str:
    return f"{day.year} жылғы {day.day} {MONTHS_KK[day.month - 1]}"


def date_ru(day: date) -> str:
    return f"{day.day} {MONTHS_RU[day.month - 1]} {day.year} года"


def _text(content: Mapping[str, Any]) -> Both:
    return _both(_words(content, "text_kk") or NOTHING, _words(content, "text_ru") or NOTHING)


def _basis(content: Mapping[str, Any]) -> dict[str, str] | None:
    """The clause the provider's letter rests on; the act prints it in Russian only."""
    text = _words(content, "basis_ru")
    return {"clause": _words(content, "clause") or NOTHING, "text": text} if text else None


def _values(values: object) -> list[list[str]]:
    """Names and values as the provider's system wrote them: the act prints no form that would give them titles."""
    return [[str(name), _shown(value)] for name, value in values.items()] if isinstance(values, dict) else []


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "иә / да" if value else "жоқ / нет"
    if value is None or value == "":
        return NOTHING
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _signature(facts: PageFacts, content: Mapping[str, Any]) -> dict[str, str]:
    check = facts.check or {}
    at = facts.signed_at
    return {
        "name": _words(check, "subject") or NOTHING,  # the certificate's word, not the document's
        "office": _person(content.get("authorised"))[1] or NOTHING,
        "at": f"{at:%d.%m.%Y %H:%M:%S} (UTC{at.isoformat()[-6:]})" if at else NOTHING,
        "serial": _words(check, "serial") or NOTHING,
        "thumbprint": _words(check, "certificate") or NOTHING,
    }


def _person(said: object) -> tuple[str, str]:
    """Name and office."""
    known = said if isinstance(said, dict) else {}
    return _words(known, "name"), _words(known, "office")


def _words(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    return value if isinstance(value, str) else ""
