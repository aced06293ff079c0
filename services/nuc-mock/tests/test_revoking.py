"""Holds, revocations, releases, and the list that tells of them."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from cryptography import x509

from egovkit.clock import HandClock

pytestmark = pytest.mark.service

Twin = Any  # the class is conftest's, which tests cannot import


async def crl(twin: Twin, path: str = "/crl") -> x509.CertificateRevocationList:
    answer = await twin.http.get(path)
    assert answer.headers["content-type"] == "application/pkix-crl"
    return x509.load_der_x509_crl(answer.content)


def number(one: x509.CertificateRevocationList) -> int:
    return one.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


async def entry(twin: Twin, serial: str) -> x509.RevokedCertificate | None:
    return (await crl(twin)).get_revoked_certificate_by_serial_number(int(serial, 16))


def reason(one: x509.RevokedCertificate) -> str:
    return one.extensions.get_extension_for_class(x509.CRLReason).value.reason.value


async def release(twin: Twin, serial: str) -> httpx.Response:
    answer: httpx.Response = await twin.admin.post(f"/v1/certificates/{serial}/release")
    return answer


async def test_a_revoked_certificate_is_on_the_very_next_list_with_date_and_reason(
    twin: Twin, clock: HandClock
) -> None:
    serial = (await twin.person())["serial"]
    assert await entry(twin, serial) is None
    before = number(await crl(twin))
    await clock.advance(10)
    answer = await twin.revoke(serial, "keyCompromise")
    assert (answer.status_code, answer.json()["state"], answer.json()["reason"]) == (200, "revoked", "keyCompromise")
    listed = await entry(twin, serial)
    assert listed is not None
    assert (listed.revocation_date_utc, reason(listed)) == (clock.now(), "keyCompromise")
    assert number(await crl(twin)) == before + 1


async def test_a_hold_can_be_released_and_leaves_the_list(twin: Twin) -> None:
    serial = (await twin.person())["serial"]
    assert (await twin.revoke(serial, "certificateHold")).json()["state"] == "held"
    listed = await entry(twin, serial)
    assert listed is not None and reason(listed) == "certificateHold"
    answer = (await release(twin, serial)).json()
    assert (answer["state"], answer["reason"], answer["listed_at"]) == ("good", None, None)
    assert await entry(twin, serial) is None
    assert (await twin.revoke(serial, "superseded")).json()["state"] == "revoked"


async def test_a_hold_made_final_keeps_its_date_so_that_what_was_signed_meanwhile_stays_refused(
    twin: Twin, clock: HandClock
) -> None:
    serial, held_at = (await twin.person())["serial"], clock.now()
    await twin.revoke(serial, "certificateHold")
    await clock.advance(timedelta(hours=1))
    await twin.revoke(serial, "privilegeWithdrawn")
    listed = await entry(twin, serial)
    assert listed is not None
    assert (listed.revocation_date_utc, reason(listed)) == (held_at, "privilegeWithdrawn")


@pytest.mark.parametrize(
    ("first", "then", "event"),
    [
        ("keyCompromise", "certificateHold", "hold"),
        ("keyCompromise", "keyCompromise", "revoke"),
        ("keyCompromise", "release", "release"),
        ("certificateHold", "certificateHold", "hold"),
        (None, "release", "release"),
    ],
)
async def test_what_rfc_5280_does_not_know_is_refused_and_leaves_the_list_alone(
    twin: Twin, first: str | None, then: str, event: str
) -> None:
    serial = (await twin.person())["serial"]
    if first is not None:
        await twin.revoke(serial, first)
    before = (await twin.http.get("/crl")).content
    answer = await (release(twin, serial) if then == "release" else twin.revoke(serial, then))
    assert (answer.status_code, answer.json()["code"]) == (409, "nuc.state_forbids")
    assert answer.json()["event"] == event
    assert (await twin.http.get("/crl")).content == before


@pytest.mark.parametrize("wrong", ["removeFromCRL", "cACompromise", "stolen", "", 1, None])
async def test_reasons_that_fit_no_certificate_of_a_holder_are_refused(twin: Twin, wrong: object) -> None:
    serial = (await twin.person())["serial"]
    answer = await twin.admin.post(f"/v1/certificates/{serial}/revoke", json={"reason": wrong})
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    assert await entry(twin, serial) is None


async def test_a_certificate_nobody_issued_cannot_be_revoked(twin: Twin) -> None:
    answer = await twin.revoke("a" * 40, "keyCompromise")
    assert (answer.status_code, answer.json()["code"]) == (404, "nuc.certificate_unknown")


async def test_revocations_at_the_same_moment_all_reach_the_list(twin: Twin) -> None:
    serials = [(await twin.person())["serial"] for _ in range(8)]
    before = number(await crl(twin))
    answers = await asyncio.gather(*(twin.revoke(serial, "superseded") for serial in serials * 2))
    assert sorted(answer.status_code for answer in answers) == [200] * 8 + [409] * 8
    after = await crl(twin)
    assert {one.serial_number for one in after} == {int(serial, 16) for serial in serials}
    assert number(after) == before + 8


# --- the list itself


async def test_an_unchanged_list_is_not_sent_twice(twin: Twin) -> None:
    first = await twin.http.get("/crl")
    etag = first.headers["etag"]
    for condition in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        again = await twin.http.get("/crl", headers={"if-none-match": condition})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    await twin.revoke((await twin.person())["serial"], "superseded")
    changed = await twin.http.get("/crl", headers={"if-none-match": etag})
    assert changed.status_code == 200 and changed.headers["etag"] != etag


@pytest.mark.parametrize("path", ["/ca/root.cer", "/ca/issuing.cer", "/crl", "/crl/root"])
async def test_anybody_may_fetch_authorities_and_lists(twin: Twin, path: str) -> None:
    answer = await twin.http.get(path)
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-cache"
    assert (await twin.http.get(path, headers={"if-none-match": answer.headers["etag"]})).status_code == 304


async def test_a_list_is_renewed_at_half_of_its_life_by_itself(twin: Twin, clock: HandClock) -> None:
    first = await crl(twin)
    await clock.advance(timedelta(hours=11))
    assert number(await crl(twin)) == number(first)
    await clock.advance(timedelta(hours=2))
    renewed = await crl(twin)
    assert number(renewed) == number(first) + 1
    assert renewed.next_update_utc is not None and renewed.next_update_utc > clock.now() + timedelta(hours=22)


async def test_nobody_is_ever_given_an_expired_list_however_far_the_clock_jumps(twin: Twin, clock: HandClock) -> None:
    await clock.advance(timedelta(days=400))
    for path in ("/crl", "/crl/root"):
        one = await crl(twin, path)
        assert one.last_update_utc <= clock.now()
        assert one.next_update_utc is not None and one.next_update_utc > clock.now()


async def test_after_moving_the_clock_new_lists_can_be_asked_for(twin: Twin, clock: HandClock) -> None:
    before = [number(await crl(twin, path)) for path in ("/crl/root", "/crl")]
    await clock.advance(60)
    answer = (await twin.admin.post("/v1/control/crl")).json()
    assert [answer[name]["number"] for name in ("root", "issuing")] == [n + 1 for n in before]
    assert (await crl(twin)).last_update_utc == clock.now()


async def test_the_roots_own_list_is_the_roots(twin: Twin) -> None:
    root = x509.load_der_x509_certificate((await twin.http.get("/ca/root.cer")).content)
    one = await crl(twin, "/crl/root")
    assert one.issuer == root.subject and len(one) == 0
    assert one.is_signature_valid(root.public_key())  # type: ignore[arg-type]  # the root's key is one of three
