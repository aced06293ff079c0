"""A certificate that continues another one, and the issuing authority's own new key."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from egovkit.clock import HandClock
from egovkit.signatures.certificates import TrustStore
from egovkit.signatures.keys import PrivateKey, csr, new_private_key
from egovkit.signatures.trust_source import TrustSource

pytestmark = pytest.mark.service

Twin = Any  # the class is conftest's, which tests cannot import
IIN = "991231600012"


def request_for(key: PrivateKey) -> str:
    return csr(key, "any").decode()


async def renew(twin: Twin, serial: str, **body: Any) -> Any:
    return await twin.admin.post(
        f"/v1/certificates/{serial}/renew", json={"csr": request_for(new_private_key()), **body}
    )


def pem(certificate: dict[str, Any]) -> x509.Certificate:
    return x509.load_pem_x509_certificate(certificate["certificate"].encode())


async def test_a_renewed_certificate_says_the_same_of_its_holder_and_both_are_good(
    twin: Twin, clock: HandClock
) -> None:
    old = await twin.person(profile="head_sign", bin="999940000010", organisation="Бөлім")
    await clock.advance(60)
    answer = await renew(twin, old["serial"])
    assert answer.status_code == 201, answer.text
    new = answer.json()
    assert pem(new).subject == pem(old).subject and pem(new).public_key() != pem(old).public_key()
    assert (new["profile"], new["renews"]) == ("head_sign", old["serial"])
    store = await twin.trust()
    for one in (old, new):
        assert store.check_person(pem(one), clock.now(), IIN).refusal is None


async def test_the_old_one_may_be_superseded_by_the_same_act(twin: Twin, clock: HandClock) -> None:
    old = await twin.person()
    new = (await renew(twin, old["serial"], supersede=True)).json()
    known = (await twin.admin.get(f"/v1/certificates/{old['serial']}")).json()
    assert (known["state"], known["reason"]) == ("revoked", "superseded")
    store = await twin.trust()
    assert store.check_person(pem(old), clock.now(), IIN).refusal == "certificate.revoked"
    assert store.check_person(pem(new), clock.now(), IIN).refusal is None


@pytest.mark.parametrize("reason", ["keyCompromise", "certificateHold"])
async def test_only_a_good_certificate_is_renewed(twin: Twin, reason: str) -> None:
    old = await twin.person()
    await twin.revoke(old["serial"], reason)
    answer = await renew(twin, old["serial"])
    assert (answer.status_code, answer.json()["code"]) == (409, "nuc.state_forbids")
    found = (await twin.admin.get("/v1/certificates", params={"iin": IIN})).json()["items"]
    assert [one["serial"] for one in found] == [old["serial"]]


async def test_the_same_key_is_not_certified_again_and_an_unknown_certificate_not_renewed(twin: Twin) -> None:
    key = new_private_key()
    old = (await twin.order(csr=request_for(key))).json()
    answer = await renew(twin, old["serial"], csr=request_for(key))
    assert (answer.status_code, answer.json()["code"]) == (422, "nuc.request_unusable")
    assert (await renew(twin, "a" * 40)).json()["code"] == "nuc.certificate_unknown"


# --- the authority's own key


async def test_the_buss_trust_follows_a_rotation_and_knows_the_key_before(twin: Twin, clock: HandClock) -> None:
    root = x509.load_der_x509_certificate((await twin.http.get("/ca/root.cer")).content)
    held, fresh = (TrustSource(TrustStore(root), twin.http, clock) for _ in range(2))
    await held.refresh()
    old = await twin.person()
    await twin.admin.post("/v1/authority/rotate")
    new = await twin.person()
    await held.refresh(force=True)  # the list is by a key it does not know: it asks for the authority again
    await fresh.refresh()
    for source in (held, fresh):
        for one in (old, new):
            assert source.store.check_person(pem(one), clock.now(), IIN).refusal is None
    await twin.revoke(old["serial"], "superseded")
    await fresh.refresh(force=True)
    assert fresh.store.check_person(pem(old), clock.now(), IIN).refusal == "certificate.revoked"


async def test_a_key_outlives_a_start_and_is_seen_by_a_second_process(settings: Any, start: Any) -> None:
    async with start(settings) as one, start(settings) as two:
        await one.admin.post("/v1/authority/rotate")
        keys = {(await twin.http.get("/ca/issuing.cer")).content for twin in (one, two)}
        assert len(keys) == 1 and keys != {(await one.http.get("/ca/issuing-1.cer")).content}
        assert (await two.person())["chain"] == (await one.person())["chain"]
    async with start(settings) as again:
        assert (await again.http.get("/ca/issuing.cer")).content in keys


async def test_a_second_process_shows_what_was_issued_by_a_key_it_has_not_met(settings: Any, start: Any) -> None:
    async with start(settings) as one, start(settings) as two:
        await one.admin.post("/v1/authority/rotate")
        issued = await one.person()
        shown = await two.admin.get(f"/v1/certificates/{issued['serial']}")
    assert (shown.status_code, shown.json()["chain"]) == (200, issued["chain"])


async def test_many_who_fetch_the_list_of_a_new_key_at_once_from_a_second_process_all_get_it(
    settings: Any, start: Any
) -> None:
    async with start(settings) as one, start(settings) as two:
        await one.admin.post("/v1/authority/rotate")
        answers = await asyncio.gather(*(two.http.get("/crl") for _ in range(8)))
    assert [answer.status_code for answer in answers] == [200] * 8
    assert len({answer.content for answer in answers}) == 1


def lose(path: Path) -> None:
    path.unlink()


async def test_a_lost_key_file_stops_the_service_rather_than_changing_the_key(settings: Any, start: Any) -> None:
    async with start(settings) as twin:
        await twin.admin.post("/v1/authority/rotate")
    lose(settings.authority_dir / "issuing-2.p12")
    with pytest.raises(Exception, match=r"issuing-2\.p12 is missing"):
        async with start(settings):
            pass


@pytest.mark.parametrize("path", ["/ca/issuing-2.cer", "/crl/2", "/crl/7/delta"])
async def test_a_key_that_never_was_has_no_files(twin: Twin, path: str) -> None:
    answer = await twin.http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "nuc.generation_unknown")
