"""Keeping trust current: what is fetched from НУЦ, what is refused of it, and how much is asked."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from cryptography import x509
from structlog.testing import capture_logs

from egovkit.clock import HandClock
from egovkit.errors import EgovError
from egovkit.signatures.authority import PROFILES, Authority, person_name
from egovkit.signatures.certificates import Certificate, TrustStore
from egovkit.signatures.fetching import TooLong, fetch
from egovkit.signatures.keys import der, new_private_key
from egovkit.signatures.trust_source import TrustSource
from egovkit.testing.pki import CRL_LIFE, TestPki

NOW = datetime(2026, 1, 15, 4, tzinfo=UTC)
IIN = "991231600012"


@pytest.fixture
def hand() -> HandClock:
    return HandClock(NOW)


@pytest.fixture
def authority(hand: HandClock) -> TestPki:
    return TestPki(hand)


class Nuc:
    """НУЦ's two addresses, with a count of what was asked."""

    def __init__(self, authority: TestPki) -> None:
        self.authority = authority
        self.crl = authority.crl()
        self.issuing: bytes = der(authority.issuing)
        self.asked: list[str] = []
        self.down = False

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if self.down:
            raise httpx.ConnectError("no one there")
        if request.url.path == "/ca/issuing.cer":
            return httpx.Response(200, content=self.issuing)
        etag = f'"{hash(self.crl)}"'
        if request.headers.get("if-none-match") == etag:
            return httpx.Response(304)
        return httpx.Response(200, content=self.crl, headers={"etag": etag})

    def source(self, hand: HandClock) -> TrustSource:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.answer), base_url="http://nuc")
        return TrustSource(TrustStore(self.authority.root), http, hand)


@pytest.fixture
def nuc(authority: TestPki) -> Nuc:
    return Nuc(authority)


def _refusal(source: TrustSource, certificate: Certificate, hand: HandClock) -> str | None:
    return source.store.check_person(certificate, hand.now(), IIN).refusal


async def test_the_trust_source_fills_an_empty_store(authority: TestPki, hand: HandClock, nuc: Nuc) -> None:
    source, certificate = nuc.source(hand), authority.person(IIN).certificate
    assert source.age_s is None and _refusal(source, certificate, hand) == "certificate.untrusted"
    await source.refresh()
    assert source.age_s == 0.0 and _refusal(source, certificate, hand) is None


async def test_an_unchanged_list_is_asked_for_by_etag(hand: HandClock, nuc: Nuc) -> None:
    source = nuc.source(hand)
    await source.refresh()
    await source.refresh()  # younger than a second: nobody is asked
    assert nuc.asked == ["/ca/issuing.cer", "/crl"]
    await hand.advance(2)
    await source.refresh()
    await source.refresh(force=True)
    assert nuc.asked[2:] == ["/crl", "/crl"] and source.age_s == 0.0


async def test_a_revocation_is_seen_at_once_by_force(authority: TestPki, hand: HandClock, nuc: Nuc) -> None:
    source, certificate = nuc.source(hand), authority.person(IIN).certificate
    await source.refresh()
    authority.revoke(certificate)
    nuc.crl = authority.crl()
    await source.refresh()
    assert _refusal(source, certificate, hand) is None
    await source.refresh(force=True)
    assert _refusal(source, certificate, hand) == "certificate.revoked"


async def test_while_nuc_is_silent_the_last_list_serves_until_its_end(
    authority: TestPki, hand: HandClock, nuc: Nuc
) -> None:
    source, certificate = nuc.source(hand), authority.person(IIN).certificate
    await source.refresh()
    nuc.down = True
    await hand.advance(3600)
    with pytest.raises(httpx.ConnectError):
        await source.refresh()
    assert _refusal(source, certificate, hand) is None and source.age_s == 3600.0
    await hand.advance(CRL_LIFE)
    assert _refusal(source, certificate, hand) == "certificate.revocation_unknown"


@pytest.mark.parametrize("what", ["crl", "issuing"])
async def test_rubbish_from_nuc_changes_nothing(hand: HandClock, nuc: Nuc, what: str) -> None:
    source = nuc.source(hand)
    good = getattr(nuc, what)
    setattr(nuc, what, b"<html>maintenance</html>")
    with pytest.raises(EgovError, match=r"certificate\.(crl_invalid|untrusted)"):
        await source.refresh()
    assert source.age_s is None
    setattr(nuc, what, good)
    await source.refresh()
    assert source.age_s == 0.0


async def test_a_new_issuing_authority_is_fetched_with_its_first_list(
    authority: TestPki, hand: HandClock, nuc: Nuc
) -> None:
    source = nuc.source(hand)
    await source.refresh()
    second = authority.root_authority.subordinate("ЕКІНШІ", new_private_key(), authority.span())
    nuc.issuing, nuc.crl = der(second.certificate), second.crl(1, authority.span(), [])
    await source.refresh(force=True)
    name = person_name(IIN, "СЫНАҚОВ", "СЫНАҚ")
    leaf = second.issue(name, new_private_key().public_key(), PROFILES["person_sign"], authority.span())
    assert _refusal(source, leaf, hand) is None


def rotated(authority: TestPki, nuc: Nuc) -> Certificate:
    """НУЦ takes up a new key under its old name; a person's certificate by it."""
    name = authority.issuing.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    second = authority.root_authority.subordinate(str(name), new_private_key(), authority.span())
    nuc.issuing, nuc.crl = der(second.certificate), second.crl(2, authority.span(), [])
    person = person_name(IIN, "СЫНАҚОВ", "СЫНАҚ")
    return second.issue(person, new_private_key().public_key(), PROFILES["person_sign"], authority.span())


async def test_a_certificate_of_a_key_just_taken_up_is_believed_when_it_is_met(
    authority: TestPki, hand: HandClock, nuc: Nuc
) -> None:
    source = nuc.source(hand)
    await source.refresh()
    leaf = rotated(authority, nuc)
    assert _refusal(source, leaf, hand) == "certificate.untrusted"
    assert await source.meet(leaf) and _refusal(source, leaf, hand) is None
    assert _refusal(source, authority.person(IIN).certificate, hand) is None, "the key before is known on"
    asked = len(nuc.asked)
    assert not await source.meet(leaf) and len(nuc.asked) == asked


async def test_forged_certificates_under_the_authoritys_name_cost_one_question_a_second(
    authority: TestPki, hand: HandClock, nuc: Nuc
) -> None:
    source, forged = nuc.source(hand), rotated(TestPki(hand), Nuc(authority))
    await source.refresh()
    for _ in range(5):
        assert not await source.meet(forged)
    assert nuc.asked[2:] == ["/crl"] and _refusal(source, forged, hand) == "certificate.untrusted"
    await hand.advance(1)
    assert not await source.meet(forged)
    assert nuc.asked[3:] == ["/crl"]


async def test_a_certificate_under_a_strangers_name_costs_no_question(
    authority: TestPki, hand: HandClock, nuc: Nuc
) -> None:
    source = nuc.source(hand)
    await source.refresh()
    other = Authority.root("БАСҚА ОРТАЛЫҚ", new_private_key(), authority.span())
    name = person_name(IIN, "СЫНАҚОВ", "СЫНАҚ")
    leaf = other.issue(name, new_private_key().public_key(), PROFILES["person_sign"], authority.span())
    assert not await source.meet(leaf) and nuc.asked == ["/ca/issuing.cer", "/crl"]


async def test_while_nuc_is_silent_meeting_a_certificate_is_no_error(
    authority: TestPki, hand: HandClock, nuc: Nuc
) -> None:
    source = nuc.source(hand)
    await source.refresh()
    leaf = rotated(authority, nuc)
    nuc.down = True
    with capture_logs() as said:
        assert not await source.meet(leaf)
    assert [one["event"] for one in said] == ["trust.refresh_failed"]


ELSEWHERE = ("http://elsewhere/crl", "file:///etc/passwd", "http://169.254.169.254/", "http://127.0.0.1:5432/")


@pytest.mark.parametrize("where", ELSEWHERE)
async def test_a_redirect_is_not_followed_wherever_it_leads(
    hand: HandClock, authority: TestPki, nuc: Nuc, where: str
) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(302, headers={"location": where})

    # Also by a client that would follow it.
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://nuc", follow_redirects=True)
    source = TrustSource(TrustStore(authority.root), http, hand)
    with pytest.raises(httpx.HTTPStatusError, match="302"):
        await source.refresh()
    assert asked == ["http://nuc/ca/issuing.cer"]


@pytest.mark.parametrize("link", ["http://elsewhere/ca/1.cer", "//elsewhere/ca/1.cer", "file:///etc/passwd"])
async def test_the_key_before_is_fetched_from_the_authority_alone(
    hand: HandClock, authority: TestPki, nuc: Nuc, link: str
) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        found = nuc.answer(request)
        found.headers["link"] = f'<{link}>; rel="predecessor-version"'
        return found

    http = httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url="http://nuc")
    await TrustSource(TrustStore(authority.root), http, hand).refresh()
    assert nuc.asked == ["/ca/issuing.cer", "/crl"]


class Endless(httpx.AsyncByteStream):
    """A body without an end. `paused`: it comes so slowly that no single read ever takes too long."""

    def __init__(self, paused: bool = False) -> None:
        self.paused, self.sent = paused, 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            if self.paused:
                await asyncio.Event().wait()
            self.sent += 1
            yield bytes(64 * 1024)


async def test_an_answer_without_an_end_is_dropped_when_it_is_longer_than_any(
    hand: HandClock, authority: TestPki
) -> None:
    body = Endless()
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=body))
    source = TrustSource(TrustStore(authority.root), httpx.AsyncClient(transport=transport, base_url="http://n"), hand)
    with pytest.raises(TooLong, match="more than 16384 bytes"):
        await source.refresh()
    assert body.sent == 1


async def test_an_answer_that_only_trickles_has_its_time_in_all() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=Endless(paused=True)))
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(httpx.ReadTimeout, match="in full"):
            await fetch(http, "http://nuc/crl", longest=10, seconds=0.01)


async def test_it_keeps_the_list_younger_than_five_seconds(authority: TestPki, hand: HandClock, nuc: Nuc) -> None:
    source, certificate = nuc.source(hand), authority.person(IIN).certificate
    task = asyncio.create_task(source.run())
    while source.age_s is None:
        await hand.advance(0)
    nuc.down = True
    await hand.advance(2)  # one failure doesn't end it
    nuc.down = False
    authority.revoke(certificate)
    nuc.crl = authority.crl()
    await hand.advance(2)
    for _ in range(1000):  # loading runs in a thread
        if _refusal(source, certificate, hand) == "certificate.revoked":
            break
        await hand.advance(0)
    assert _refusal(source, certificate, hand) == "certificate.revoked"
    task.cancel()
