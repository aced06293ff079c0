"""The twin's answers and stamps as the product's own verifier hears them."""

import base64
from datetime import timedelta
from typing import Any

from egovkit.clock import HandClock
from egovkit.signatures.agent import add_stamp
from egovkit.signatures.cms import sign_cms
from egovkit.signatures.documents import DocumentSignatures
from egovkit.signatures.keys import SigningKey
from egovkit.signatures.ocsp import OcspClient
from egovkit.signatures.stamps import StampService

IIN, DATA = "991231600012", b'{"kind":"application"}'


async def test_a_person_on_hold_is_refused_by_ocsp_alone_and_what_was_stamped_before_stands(
    twin: Any, clock: HandClock
) -> None:
    issued = await twin.person()
    key = SigningKey.load(base64.b64decode(issued["pkcs12"]), "Qwerty12")
    bare = sign_cms(DATA, key, clock.now())
    stamped = await add_stamp(bare, StampService(twin.http, "http://nuc/tsp"))
    trust = await twin.trust()  # its list is from before the revocation, and stays so

    async def checked(cms: bytes) -> tuple[str | None, str | None, str | None]:
        client = OcspClient(twin.http, clock, "http://nuc")
        facts = await DocumentSignatures(trust, client).verify(DATA, cms, clock.now(), IIN)
        return facts.refusal, None if facts.revocation is None else facts.revocation.source, facts.ocsp

    assert await checked(bare) == await checked(stamped) == (None, "ocsp", None)
    await clock.advance(timedelta(minutes=10))
    await twin.revoke(issued["serial"], "certificateHold")
    assert await checked(bare) == ("certificate.revoked", "ocsp", None)
    assert await checked(stamped) == (None, "ocsp", None)


async def test_the_agent_adds_a_stamp_to_a_signature_that_has_none(twin: Any, clock: HandClock) -> None:
    """With a token of real size: encoded again piece by piece it once took minutes."""
    issued = await twin.person()
    key = SigningKey.load(base64.b64decode(issued["pkcs12"]), "Qwerty12")
    stamped = await add_stamp(sign_cms(DATA, key, clock.now()), StampService(twin.http, "http://nuc/tsp"))
    facts = await DocumentSignatures(await twin.trust(), OcspClient(twin.http, clock, "http://nuc")).verify(
        DATA, stamped, clock.now(), IIN
    )
    assert (facts.level, facts.refusal) == ("CAdES-T", None)
