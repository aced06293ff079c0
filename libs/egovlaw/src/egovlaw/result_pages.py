"""The page of a result or a refusal: the act's form, filled in with what the provider said in his document.

The same page whoever makes it: the provider's workstation, where the official signs the page itself, or the portal,
which prints a document that has no signed page. Whatever the document lacks stays a blank: nobody adds to another's
document, and none refuses to show one. The forms are data of the law (`egovlaw.outputs`); here stand the words beside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from egovlaw.output_pages import PageFacts

Both = Mapping[str, str]  # kk and ru

NOT_SIGNED_ITSELF: Final[Both] = {
    "kk": "Бұл PDF қол қойылған электрондық құжатты көрсетеді, бірақ оның өзіне қол қойылмаған: қолтаңба порталда "
    "сақталған электрондық құжат бойынша тексеріледі.",
    "ru": "Этот PDF показывает подписанный электронный документ, но сам не подписан: подпись проверяется по "
    "электронному документу, который хранится на портале.",
}
SIGNED_ITSELF: Final[Both] = {
    "kk": "Осы PDF файлға сол тұлғаның ЭЦҚ қойылған: қолтаңба, уақыт белгілері және куәліктің жай-күйі туралы "
    "мәліметтер файлдың өзінде. Файлды өзгертпей сақтаңыз.",
    "ru": "Сам этот файл PDF подписан ЭЦП того же лица: подпись, метки времени и сведения о состоянии свидетельства "
    "находятся в файле. Храните файл, не изменяя его.",
}
QR_HOLDS: Final[Both] = {
    "kk": "QR-кодта бірегей нөмір мен электрондық құжаттың SHA-256 бақылау сомасы бар.",
    "ru": "QR-код содержит уникальный номер и контрольную сумму SHA-256 электронного документа.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFacts:
    """What is known of a case's end. Moments are in the zone they are to be read in."""

    number: str | None
    iin: str
    form: Mapping[str, Any]  # of the application, as it was filled in
    service: Both
    content: Mapping[str, Any] | None  # of the provider's document, as far as it could be read
    sha256: str  # of the document, hex
    reasons: Sequence[Mapping[str, Any]]
    submitted_at: datetime | None
    issued_at: datetime
    signer: Mapping[str, Any] | None  # whose certificate the document is signed with; None: with none
    signed_at: datetime | None
    valid_until: date | None = None


def facts_of(facts: ResultFacts, *, code: str, codes: Sequence[str] = (), signed_itself: bool = False) -> PageFacts:
    """`code` and `codes` as SVG. `signed_itself`: the page is given to nobody before it is signed too."""
    content, signed = facts.content or {}, facts.signer is not None
    values = content.get("values")
    name, office = _person(content.get("authorised" if signed else "official"))
    return PageFacts(
        number=facts.number,
        issued_at=facts.issued_at,
        values=values if isinstance(values, dict) else {},
        form=facts.form,
        iin=facts.iin,
        submitted_at=facts.submitted_at,
        official=(name if signed else ", ".join(filter(None, (name, office)))) or None,
        service={
            language: _words(content, f"service_{language}") or known for language, known in facts.service.items()
        },
        text={language: _words(content, f"text_{language}") for language in ("kk", "ru")} if signed else None,
        reasons=[_words(reason, "text") for reason in facts.reasons if _words(reason, "text")],
        basis=None if signed else _basis(content),
        valid_until=facts.valid_until,
        signed=_signature(facts, office) if signed else None,
        sha256=facts.sha256,
        notes=(SIGNED_ITSELF if signed_itself else NOT_SIGNED_ITSELF, QR_HOLDS) if signed else (QR_HOLDS,),
        code=code,
        codes=codes,
    )


def code_of(facts: ResultFacts) -> str:
    """What the small QR code holds: enough to find the document and to tell it from any other; nothing personal."""
    return f"number={facts.number or ''};sha256={facts.sha256}"


def _basis(content: Mapping[str, Any]) -> Both | None:
    """The clause the provider's letter rests on; the act prints it in Russian only."""
    text, clause = _words(content, "basis_ru"), _words(content, "clause")
    said = ": ".join(filter(None, (clause, text)))
    return {"kk": said, "ru": said} if text else None


def _signature(facts: ResultFacts, office: str) -> list[tuple[str, str]]:
    signer, at = facts.signer or {}, facts.signed_at
    return [
        ("signed_by", _words(signer, "name")),  # the certificate's word, not the document's
        ("office", office),
        ("signed_at", f"{at:%d.%m.%Y %H:%M:%S} (UTC{at.isoformat()[-6:]})" if at else ""),
        ("serial", _words(signer, "serial")),
        ("thumbprint", _words(signer, "certificate")),
    ]


def _person(said: object) -> tuple[str, str]:
    """Name and office."""
    known = said if isinstance(said, dict) else {}
    return _words(known, "name"), _words(known, "office")


def _words(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    return value if isinstance(value, str) else ""
