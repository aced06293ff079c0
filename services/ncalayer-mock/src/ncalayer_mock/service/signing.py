"""Orders carried out with the key the person chose."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from egovkit.clock import Clock
from egovkit.errors import EgovError
from egovkit.signatures.agent import DIGEST_BYTES, add_stamp, cms_pem, facts_of, sign_content, sign_digest
from egovkit.signatures.xmldsig import XmlMalformed, sign_element, sign_enveloped
from ncalayer_mock.domain.choosing import Wanted, tokens_among
from ncalayer_mock.domain.orders import Order
from ncalayer_mock.domain.protocol import FAILURE, INVALID, Refused
from ncalayer_mock.service.desk import Desk, Document, document_of
from ncalayer_mock.store import Held

if TYPE_CHECKING:
    from egovkit.signatures.stamps import StampService

ALMATY = timezone(timedelta(hours=5))  # NCALayer writes dates so; UTC+5 in the whole country since 2024-03-01


class Signing:
    """`stamps` gives the time stamping authority when it is first needed: pyHanko is slow to import."""

    def __init__(self, desk: Desk, clock: Clock, stamps: Callable[[], StampService]) -> None:
        self.desk, self._clock, self._stamps = desk, clock, stamps
        self.language = "ru"  # of the window, until `changeLocale` or a request says another

    def active_tokens(self) -> list[str]:
        return tokens_among(self.desk.ring.cards)

    async def key_info(self, origin: str | None, wanted: Wanted) -> dict[str, str]:
        """NCALayer's KeyInfo of the key the person chose. Cancelled, Refused."""
        held = await self.desk.ask(origin, "getKeyInfo", (), wanted, self.language)
        facts = facts_of(held.key)
        return {
            "alias": held.card.name,
            "keyId": held.card.name,
            "algorithm": facts.algorithm,
            "subjectCn": facts.profile.subject_cn,
            "subjectDn": facts.subject,
            "issuerCn": facts.issuer_cn,
            "issuerDn": facts.issuer,
            "serialNumber": str(facts.serial),
            "certNotAfter": _date(facts.profile.not_after),
            "certNotBefore": _date(facts.profile.not_before),
            "authorityKeyIdentifier": facts.authority_key_id,
            "pem": facts.pem,
        }

    async def sign(self, origin: str | None, method: str, order: Order) -> tuple[list[str], str]:
        """The signatures in the order of the documents, and the certificate (PEM). Cancelled, Refused."""
        documents = [_shown(one, order.digested) for one in order.contents]
        documents += [document_of(one.encode("utf-8", "replace")) for one in order.texts]
        held = await self.desk.ask(origin, method, documents, order.wanted, order.language or self.language)
        try:
            if order.texts:
                made = [await asyncio.to_thread(_sign_xml, one, held, order) for one in order.texts]
            else:
                made = [await self._cms(one, held, order) for one in order.contents]
        except EgovError as error:
            raise Refused(str(error), FAILURE) from None
        return made, facts_of(held.key).pem

    async def add_stamp(self, cms: bytes) -> str:
        """base64 of the same signature with a time stamp. Refused."""
        try:
            return _base64(await add_stamp(cms, self._stamps()))
        except EgovError as error:
            raise Refused(str(error), FAILURE) from None

    async def _cms(self, content: bytes, held: Held, order: Order) -> str:
        now, stamps = self._clock.now(), self._stamps() if order.stamped else None
        if order.digested:
            made = await sign_digest(content, held.key, now, stamps=stamps)
        else:
            made = await sign_content(content, held.key, now, attached=order.attached, stamps=stamps)
        return _base64(made) if order.older else cms_pem(made)


def _shown(content: bytes, digested: bool) -> Document:
    """Of a ready hash only the hash. Refused when it is none."""
    if not digested:
        return document_of(content)
    if len(content) != DIGEST_BYTES:
        raise Refused(f"a SHA-256 has {DIGEST_BYTES} bytes, not {len(content)}", INVALID)
    return Document(0, content.hex(), "")


def _sign_xml(xml: str, held: Held, order: Order) -> str:
    try:
        if order.paths is not None:
            return sign_element(xml, held.key, *order.paths, wrapped=order.older)
        return sign_enveloped(xml, held.key, wrapped=order.older)
    except XmlMalformed as error:
        place = f"lineNumber: {error.line}; columnNumber: {error.column}; "
        raise Refused(f"org.xml.sax.SAXParseException; {place}{error}", FAILURE) from None


def _base64(made: bytes) -> str:
    return base64.b64encode(made).decode()


def _date(moment: datetime) -> str:
    return moment.astimezone(ALMATY).strftime("%d.%m.%Y %H:%M:%S")
