"""Time stamps checked: whose they are, over what, when, and each way in which they are refused."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from datetime import timedelta
from typing import Any

import httpx
import pytest

from egovkit.clock import HandClock
from egovkit.errors import EgovError
from egovkit.signatures import stamps
from egovkit.signatures.authority import PROFILES, Span, Usage
from egovkit.signatures.certificates import TrustStore
from egovkit.signatures.profiles import EKU_EMAIL_PROTECTION, EKU_TIME_STAMPING
from egovkit.signatures.stamps import StampFacts, StampService, check_token, stamp_certificates
from egovkit.testing.pki import StampAuthority, TestPki

DIGEST = hashlib.sha256(b"a journal").digest()


async def stamped(authority: StampAuthority, digest: bytes = DIGEST) -> bytes:
    async with httpx.AsyncClient(transport=httpx.MockTransport(authority.answer)) as http:
        return await StampService(http, "http://nuc.test/tsp").token(digest)


async def facts_of(pki: TestPki, authority: StampAuthority, trust: TrustStore | None = None) -> StampFacts:
    return check_token(await stamped(authority), DIGEST, trust or pki.trust(), pki.clock.now())


async def test_a_good_stamp_says_when_by_whom_and_under_which_number(pki: TestPki, clock: HandClock) -> None:
    authority = pki.stamping()
    facts = await facts_of(pki, authority)
    assert facts.refusal is None
    assert facts.moment == clock.now() and facts.moment.tzinfo is not None
    assert facts.signer.thumbprint == authority.key.thumbprint and int(facts.serial, 16) > 0
    assert facts.policy.count(".") > 2


async def test_a_stamp_is_of_one_digest_alone(pki: TestPki) -> None:
    token = await stamped(pki.stamping())
    facts = check_token(token, hashlib.sha256(b"another").digest(), pki.trust(), pki.clock.now())
    assert (facts.digest_ok, facts.signature_ok, facts.refusal) == (False, True, "stamp.of_other_data")


@pytest.mark.parametrize(
    "usage",
    [
        Usage((EKU_TIME_STAMPING,)),  # not critical
        Usage((EKU_TIME_STAMPING, EKU_EMAIL_PROTECTION), ekus_critical=True),  # not alone
        Usage((EKU_EMAIL_PROTECTION,), ekus_critical=True),
        PROFILES["system"],
    ],
)
async def test_who_may_not_stamp_is_refused(pki: TestPki, usage: Usage) -> None:
    assert (await facts_of(pki, pki.stamping(usage=usage))).refusal == "certificate.wrong_usage"


async def test_a_stamp_of_another_root_is_refused(pki: TestPki, clock: HandClock) -> None:
    assert (await facts_of(pki, TestPki(clock).stamping())).refusal == "certificate.untrusted"


async def test_the_certificate_has_to_be_in_date_at_the_stamps_moment_and_not_later(
    pki: TestPki, clock: HandClock
) -> None:
    now = clock.now()
    over = Span(now - timedelta(days=9), now - timedelta(days=1))
    assert (await facts_of(pki, pki.stamping(span=over))).refusal == "certificate.expired"
    short = pki.stamping(span=Span(now - timedelta(days=1), now + timedelta(days=1)))
    token = await stamped(short)
    await clock.advance(timedelta(days=3))
    assert check_token(token, DIGEST, pki.trust(), clock.now()).refusal is None


async def test_stamps_of_a_revoked_key_fall_even_older_ones(pki: TestPki, clock: HandClock) -> None:
    authority, trust = pki.stamping(), pki.trust()
    token = await stamped(authority)
    await clock.advance(timedelta(hours=1))
    pki.revoke(authority.key.certificate)
    assert check_token(token, DIGEST, trust, clock.now()).refusal == "certificate.revoked"


async def test_any_flipped_byte_is_noticed(pki: TestPki) -> None:
    """In whatever part of the structure it is: the answer is a refusal or that it cannot be read."""
    token, trust = await stamped(pki.stamping()), pki.trust()
    carried = sum(len(der) for der in (one.tbs_certificate_bytes for one in stamp_certificates(token)))
    unnoticed = []
    for place in range(0, len(token), 7):
        altered = bytearray(token)
        altered[place] ^= 0x01
        try:
            if check_token(bytes(altered), DIGEST, trust, pki.clock.now()).refusal is None:
                unnoticed.append(place)
        except EgovError as error:
            assert error.code == "stamp.malformed"
    # Only what nobody signs: the issuer's certificate that is carried along and not used, versions and the like.
    assert len(unnoticed) * 7 < carried


@pytest.mark.parametrize("junk", [b"", b"no stamp", b"\x30\x80", b"\x00" * 70_000])
def test_what_is_no_stamp_cannot_be_read(pki: TestPki, junk: bytes) -> None:
    with pytest.raises(EgovError, match=r"stamp\.malformed"):
        check_token(junk, DIGEST, pki.trust(), pki.clock.now())
    if len(junk) < 100:
        with pytest.raises(EgovError, match=r"stamp\.malformed"):
            stamp_certificates(junk)


def test_a_process_that_has_read_a_cms_before_can_still_make_a_stamp() -> None:
    """asn1crypto keeps the names a class has when it is first asked."""
    first = "from egovkit.signatures.asn1 import cms; cms.ContentType('data').dump()"
    then = "from asn1crypto import tsp; print(cms.ContentType('tst_info').dotted)"
    done = subprocess.run([sys.executable, "-c", f"{first}; {then}"], capture_output=True, text=True, check=True)
    assert done.stdout == "1.2.840.113549.1.9.16.1.4\n"


# --- what an authority may answer instead


async def answered(reply: bytes) -> EgovError:
    headers = {"content-type": "application/timestamp-reply"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=reply, headers=headers))
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(EgovError) as caught:
            await StampService(http, "http://nuc.test/tsp").token(DIGEST)
    return caught.value


async def test_a_refusal_has_no_token_and_says_why() -> None:
    """RFC 3161, 2.4.2: rejection with a text, and the bit of systemFailure."""
    text = b"busy " * 20
    told = b"\x30" + bytes([len(text) + 2]) + b"\x0c" + bytes([len(text)]) + text
    refusal = b"\x02\x01\x02" + told + b"\x03\x05\x06\x00\x00\x00\x40"
    inner = b"\x30" + bytes([len(refusal)]) + refusal
    error = await answered(b"\x30" + bytes([len(inner)]) + inner)
    assert error.code == "stamp.refused" and error.params["reason"] == "authority_refused"
    said = str(error.params["technical"])
    assert said.startswith("busy busy") and said.endswith("system_failure") and len(said) <= stamps.MAX_SAID


async def test_a_stamp_of_another_question_is_refused(pki: TestPki) -> None:
    from egovkit.signatures.asn1 import tsp

    asked: Any = {"version": 1, "cert_req": True, "nonce": 1}
    asked["message_imprint"] = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": DIGEST}
    reply = pki.stamping().reply(tsp.TimeStampReq(asked).dump())
    error = await answered(reply)
    assert error.code == "stamp.refused" and "nonce" in str(error.params["technical"])


@pytest.mark.parametrize("reply", [b"", b"0", b"\x30\x05\x30\x03\x02\x01\x00", b"\x30\x07\x30\x03\x02\x01\x00\x30\x00"])
async def test_granted_without_a_stamp_is_no_answer(reply: bytes) -> None:
    error = await answered(reply)
    assert (error.code, error.params["reason"]) == ("stamp.unavailable", "unexpected_answer")


async def test_an_answer_is_read_off_the_loop(pki: TestPki, monkeypatch: pytest.MonkeyPatch) -> None:
    read, where = stamps.read_reply, []

    def watched(*told: Any) -> Any:
        where.append(threading.get_ident())
        return read(*told)

    monkeypatch.setattr(stamps, "read_reply", watched)
    assert await stamped(pki.stamping())
    assert where and threading.get_ident() not in where
