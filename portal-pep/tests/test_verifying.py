"""Checking a document without logging in: by number, by codes, by PDF."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import timedelta
from typing import Any

import httpx
import pytest

from egovkit.barcodes import Carried, encode, pack
from egovkit.signatures.cms import sign_cms
from egovorigin.testing import NUMBER
from portal_pep.api.verify_page import WORDS
from portal_pep.store.files import files

pytestmark = pytest.mark.service

DAY = "2026-01-15"


def result_document(**changed: Any) -> bytes:
    body = {"kind": "result", "number": NUMBER, "text_kk": "Есепке қойылды", "text_ru": "Поставлены на учёт", **changed}
    return json.dumps(body, ensure_ascii=False).encode()


async def issued(sent: Any, **changed: Any) -> Any:
    _, provider = sent
    provider.notice = result_document(**changed)
    await provider.say("case.registered", 1)
    await provider.say("case.completed", 2)
    return provider


def codes(world: Any, document: bytes, signer: Any, number: str = NUMBER) -> list[str]:
    now = world.clock.now()
    return encode(pack(Carried(document, sign_cms(document, signer, now), number), now), number, now)


async def ask(world: Any, way: str, language: str = "ru", **body: Any) -> httpx.Response:
    return await world.http.post(f"/v1/verify/{way}", json=body, headers={"accept-language": language})


async def refused(world: Any, way: str, **body: Any) -> tuple[int, str]:
    answer = await ask(world, way, **body)
    assert answer.headers["content-type"] == "application/problem+json" and answer.json()["remedy"]
    return answer.status_code, answer.json()["code"]


# --- by number ------------------------------------------------------------------------------------------------


async def test_by_number_and_date_nothing_personal_is_told(world: Any, citizen: Any, sent: Any) -> None:
    provider = await issued(sent)
    answer = await ask(world, "number", number=NUMBER, issued_on=DAY)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert found["standing"] == "stands" and found["number"] == NUMBER
    assert found["issued"]["issued_on"] == DAY and found["issued"]["organisation"] == "999940000040"
    assert found["signers"] == [] and found["content"] is None
    assert found["told"]["kk"] and found["issued"]["provider"]["ru"] and found["issued"]["kind"] == "result"
    assert not found["compared"] and "не сверено" in found["told"]["ru"], "a forged page has the same number and date"
    certificate = world.app.state.portal.trust.check_person(provider.official.certificate, world.clock.now(), None)
    for personal in (citizen.iin, certificate.subject_cn, certificate.iin, provider.case, "Поставлены"):
        assert personal not in answer.text


async def test_by_number_and_sha256(world: Any, sent: Any) -> None:
    provider = await issued(sent)
    digest = hashlib.sha256(provider.notice).hexdigest()
    found = (await ask(world, "number", number=NUMBER, sha256=digest)).json()
    assert (found["standing"], found["compared"]) == ("stands", True) and "совпадает" in found["told"]["ru"]
    assert await refused(world, "number", number=NUMBER, sha256="0" * 64) == (404, "verify.not_found")


async def test_a_number_alone_or_with_a_wrong_date_tells_nothing(world: Any, sent: Any) -> None:
    await issued(sent)
    assert await refused(world, "number", number=NUMBER) == (422, "request.invalid")
    assert await refused(world, "number", number=NUMBER, issued_on="2026-01-14") == (404, "verify.not_found")
    assert await refused(world, "number", number="26000000002", issued_on=DAY) == (404, "verify.not_found")
    assert await refused(world, "number", number="1' OR 1=1", issued_on=DAY) == (422, "request.invalid")


@pytest.mark.parametrize(
    ("prepared", "shown"),
    [
        ("2026-01-14T18:59:00.000Z", ["2026-01-14", "2026-01-15"]),  # a minute before midnight in Kazakhstan
        ("2026-01-14T19:01:00.000Z", ["2026-01-15"]),
        ("0001-01-01T00:00:00+14:00", ["2026-01-15"]),
        (17, ["2026-01-15"]),
    ],
)
async def test_a_signed_page_shows_the_day_it_was_set_which_may_be_before_that_of_issue(
    world: Any, sent: Any, prepared: Any, shown: list[str]
) -> None:
    await issued_with_page(world, sent, prepared_at=prepared)
    days = [f"2026-01-{day}" for day in range(13, 17)]
    answers = [await ask(world, "number", number=NUMBER, issued_on=day) for day in days]
    assert [day for day, answer in zip(days, answers, strict=True) if answer.status_code == 200] == shown


async def test_a_result_past_its_last_day_is_told_so(world: Any, sent: Any) -> None:
    await issued(sent, valid_until="2026-01-14")
    assert (await ask(world, "number", number=NUMBER, issued_on=DAY)).json()["standing"] == "expired"


async def test_the_last_day_still_counts(world: Any, sent: Any) -> None:
    await issued(sent, valid_until=DAY)
    assert (await ask(world, "number", number=NUMBER, issued_on=DAY)).json()["standing"] == "stands"


async def test_numbers_cannot_be_tried_one_by_one(world: Any) -> None:
    for number in range(world.settings.verifications_per_hour):
        await refused(world, "number", number=f"{number:011d}", issued_on=DAY)
    assert await refused(world, "number", number=NUMBER, issued_on=DAY) == (429, "request.throttled")
    assert await refused(world, "codes", codes=["x"]) == (429, "request.throttled")
    await world.clock.advance(0.5)
    told = (await ask(world, "number", number=NUMBER, issued_on=DAY)).json()["retry_after"]
    await world.clock.advance(told)  # whoever waits as long as he is told is answered
    assert await refused(world, "number", number=NUMBER, issued_on=DAY) == (404, "verify.not_found")


# --- by codes -------------------------------------------------------------------------------------------------


async def test_codes_tell_who_signed_what_and_whether_it_stands(world: Any, sent: Any) -> None:
    provider = await issued(sent)
    await world.clock.advance(60)
    answer = await ask(world, "codes", codes=codes(world, provider.notice, provider.official)[::-1])
    found = answer.json()
    assert answer.status_code == 200, answer.text
    assert found["standing"] == "stands" and found["content"]["text_ru"] == "Поставлены на учёт" and found["compared"]
    (signer,) = found["signers"]
    assert signer["organisation"] == "999940000040" and signer["thumbprint"] == provider.official.thumbprint
    assert (signer["then"]["good"], signer["now"]["good"], signer["stamped"]) == (True, True, False)


async def test_a_certificate_revoked_later_is_told_and_does_not_undo_the_result(
    world: Any, citizen: Any, sent: Any
) -> None:
    """The very signature the portal received: it was good as far as anybody knew then, and that is what was kept."""
    provider = await issued(sent)
    at = world.clock.now()
    async with world.app.state.portal.db.read() as conn:
        stored = await files.result_of(conn, provider.case)
    assert stored is not None and stored.signature is not None
    signature, result = stored.signature, f"/v1/cases/{provider.case}/result"
    told = (await citizen.get(result)).json()["judged"]
    await world.clock.advance(60)
    await world.revoke(provider.official, since=at - timedelta(hours=1))  # as the key's owner may say afterwards
    texts = encode(pack(Carried(provider.notice, signature, NUMBER), at), NUMBER, at)
    (signer,) = (await ask(world, "codes", codes=texts)).json()["signers"]
    assert signer["then"] == {"at": told["judged_at"], "good": True, "problem": None}
    assert signer["now"]["problem"] == "certificate.revoked"
    assert (await citizen.get(result)).json()["judged"] == told and told["verdict"] == "accepted"
    anew = codes(world, provider.notice, provider.official)
    assert await refused(world, "codes", codes=anew) == (403, "certificate.revoked")


async def test_another_document_under_the_number_is_told(world: Any, sent: Any) -> None:
    provider = await issued(sent)
    other = codes(world, result_document(text_ru="Вы первый в очереди"), provider.official)
    found = (await ask(world, "codes", codes=other)).json()
    assert found["standing"] == "replaced" and found["issued"] is None


async def test_a_result_the_portal_never_had_is_unknown(world: Any, sent: Any) -> None:
    _, provider = sent
    found = (await ask(world, "codes", codes=codes(world, provider.notice, provider.official))).json()
    assert found["standing"] == "unknown" and found["signers"][0]["then"]["good"]


async def test_the_portals_result_signed_anew_by_another_organisation_is_not_the_portals(
    world: Any, citizen: Any, sent: Any
) -> None:
    provider = await issued(sent)
    stranger = world.pki.person(citizen.iin, bin_="999940000099", profile="employee_sign")
    found = (await ask(world, "codes", codes=codes(world, provider.notice, stranger))).json()
    assert (found["standing"], found["issued"]) == ("unknown", None)


async def test_a_private_person_signs_no_results(world: Any, citizen: Any) -> None:
    texts = codes(world, result_document(), citizen.key)
    assert await refused(world, "codes", codes=texts) == (422, "verify.not_official")


async def test_a_forged_signature_or_number_is_refused(world: Any, sent: Any) -> None:
    _, provider = sent
    now, document = world.clock.now(), result_document()
    other = sign_cms(b"another", provider.official, now)
    forged = encode(pack(Carried(document, other, NUMBER), now), NUMBER, now)
    assert await refused(world, "codes", codes=forged) == (422, "signature.of_other_data")
    broken = encode(pack(Carried(document, b"\x30\x03abc", NUMBER), now), NUMBER, now)
    assert await refused(world, "codes", codes=broken) == (400, "signature.cms_malformed")
    misled = codes(world, document, provider.official, number="26000000002")
    assert await refused(world, "codes", codes=misled) == (422, "barcode.package_invalid")
    for odd in (b"not JSON", b'{"kind":"result","number":"26000000001","a":1,"a":2}', b"[]"):
        assert await refused(world, "codes", codes=codes(world, odd, provider.official)) == (
            422, "barcode.package_invalid",
        )  # fmt: skip
    application = codes(world, result_document(kind="application"), provider.official)
    assert await refused(world, "codes", codes=application) == (422, "barcode.package_invalid")


async def test_missing_and_mixed_codes_are_refused_in_the_readers_language(world: Any, sent: Any) -> None:
    provider = await issued(sent)
    texts = codes(world, provider.notice, provider.official)
    others = codes(world, provider.notice, provider.official, number="26000000002")
    assert len(texts) > 1
    for language, word in (("kk", "жетіспейді"), ("ru", "Не хватает"), ("en", "missing")):
        problem = (await ask(world, "codes", language, codes=texts[1:])).json()
        assert problem["code"] == "barcode.missing" and problem["missing"] == [1] and word in problem["title"]
        assert problem["side"] == "sender"
    assert await refused(world, "codes", codes=[*texts[:1], *others[1:]]) == (422, "barcode.mixed")
    assert await refused(world, "codes", codes=[]) == (422, "request.invalid")
    assert await refused(world, "codes", codes=["x" * 3000]) == (422, "request.invalid")
    huge = await world.http.post("/v1/verify/codes", content=b"[" * (1024 * 1024))
    assert (huge.status_code, huge.json()["code"]) == (413, "request.too_large")


# --- by PDF ---------------------------------------------------------------------------------------------------


async def upload(world: Any, pdf: bytes, kind: str = "application/pdf") -> httpx.Response:
    return await world.http.post("/v1/verify/pdf", content=pdf, headers={"content-type": kind})


async def test_the_page_the_portal_prints_says_it_is_not_signed(world: Any, citizen: Any, sent: Any) -> None:
    provider = await issued(sent)
    pdf = (await citizen.get(f"/v1/cases/{provider.case}/result.pdf")).content
    assert (await upload(world, pdf)).json()["code"] == "pdf.not_signed"


async def issued_with_page(world: Any, sent: Any, **changed: Any) -> tuple[Any, bytes]:
    _, provider = sent
    provider.notice = result_document(**changed)
    pdf = await world.signed_page(provider.official)
    await provider.say("case.registered", 1)
    await provider.say("case.completed", 2, page=world.store_page(provider.case, pdf))
    return provider, pdf


async def test_a_signed_page_tells_who_signed_it_when_and_that_it_stands(world: Any, sent: Any) -> None:
    """Nobody has to have asked for it before: the portal knows its SHA-256."""
    provider, pdf = await issued_with_page(world, sent)
    at = world.clock.now().isoformat().replace("+00:00", "Z")
    await world.clock.advance(60)
    await world.revoke(provider.official)
    answer = await upload(world, pdf)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    (signer,) = found["signers"]
    assert (found["standing"], found["number"], found["issued"]["kind"]) == ("stands", NUMBER, "result")
    assert found["compared"] and "совпадает" in found["told"]["ru"]
    assert (signer["level"], signer["stamped"], signer["signed_at"]) == ("B-LTA", True, at)
    assert signer["then"]["good"] and signer["now"]["problem"] == "certificate.revoked"
    assert world.store.fetched == 0


async def test_a_signed_page_stands_after_its_signers_certificate_has_expired(world: Any, sent: Any) -> None:
    """What the stamps are for: the evidence is in the file, and НУЦ's lists of today are fetched beside it."""
    provider, pdf = await issued_with_page(world, sent)
    at = world.clock.now().isoformat().replace("+00:00", "Z")
    await world.clock.advance(3000 * 86400)
    world.pki.publish()
    assert provider.official.certificate.not_valid_after_utc < world.clock.now()
    found = (await upload(world, pdf)).json()
    (signer,) = found["signers"]
    assert (found["standing"], signer["stamped"], signer["signed_at"]) == ("stands", True, at)
    assert signer["then"]["good"] and signer["now"]["problem"] == "certificate.expired"


async def test_the_number_with_the_sha256_of_the_signed_page_will_do(world: Any, sent: Any) -> None:
    _, pdf = await issued_with_page(world, sent)
    digest = hashlib.sha256(pdf).hexdigest()
    assert (await ask(world, "number", number=NUMBER, sha256=digest)).json()["standing"] == "stands"


async def test_a_signed_page_past_its_last_day_is_told_so(world: Any, sent: Any) -> None:
    _, pdf = await issued_with_page(world, sent, valid_until="2026-01-14")
    assert (await upload(world, pdf)).json()["standing"] == "expired"


async def test_another_page_of_the_same_official_and_number_is_not_the_one_held(world: Any, sent: Any) -> None:
    provider, _ = await issued_with_page(world, sent)
    await world.clock.advance(1)
    other = await world.signed_page(provider.official)
    found = (await upload(world, other)).json()
    assert (found["standing"], found["number"], found["issued"]) == ("replaced", NUMBER, None)
    assert "другой документ" in found["told"]["ru"]


async def test_a_result_issued_without_a_page_has_none_that_could_be_in_ones_hand(world: Any, sent: Any) -> None:
    provider = await issued(sent)
    assert (await upload(world, await world.signed_page(provider.official))).json()["standing"] == "replaced"


async def test_a_page_given_at_a_centre_is_verified_by_its_signature_alone(world: Any, citizen: Any) -> None:
    """Another origin holds it: who signed, when and whether his certificate stands is told all the same."""
    official = world.pki.person(citizen.iin, "ҮЛГІЛІ", "ДӘУРЕН", bin_="999940000099", profile="employee_sign")
    pdf = await world.signed_page(official, "26000000077")
    await world.clock.advance(60)
    await world.revoke(official)
    found = (await upload(world, pdf)).json()
    (signer,) = found["signers"]
    assert (found["standing"], found["number"], found["issued"]) == ("unknown", "26000000077", None)
    assert "на этом портале нет" in found["told"]["ru"] and "бұл порталда" in found["told"]["kk"]
    assert (signer["name"], signer["organisation"], signer["level"]) == ("ҮЛГІЛІ ДӘУРЕН", "999940000099", "B-LTA")
    assert signer["stamped"] and signer["then"]["good"] and signer["now"]["problem"] == "certificate.revoked"


async def test_a_page_changed_after_signing_is_refused(world: Any, sent: Any) -> None:
    provider = await issued(sent)
    pdf = await world.signed_page(provider.official)
    assert (await upload(world, pdf + b"\n% more\n")).json()["code"] == "pdf.changed"
    assert (await upload(world, pdf.replace(b"/Count 1", b"/Count 2", 1))).json()["code"] == "signature.invalid"


async def test_a_page_somebody_else_signed_is_not_the_portals(world: Any, citizen: Any, sent: Any) -> None:
    """Numbers are unique within an organisation: another's says nothing of the result the portal has."""
    await issued(sent)
    stranger = world.pki.person(citizen.iin, bin_="999940000099", profile="employee_sign")
    assert (await upload(world, await world.signed_page(stranger))).json()["standing"] == "unknown"
    unknown = await world.signed_page(stranger, "26000000009")
    assert (await upload(world, unknown)).json()["standing"] == "unknown"
    odd = await world.signed_page(stranger, "26000000001\x00' OR")
    assert (await upload(world, odd)).json()["standing"] == "unknown"
    private = await world.signed_page(citizen.key)
    assert (await upload(world, private)).json()["code"] == "verify.not_official"


async def test_what_is_no_pdf_or_too_long_is_refused(world: Any) -> None:
    assert (await upload(world, b"PK\x03\x04")).json()["code"] == "pdf.unreadable"
    assert (await upload(world, b"%PDF-", "text/plain")).json()["code"] == "request.media_type"
    assert (await upload(world, b"%PDF-" + bytes(11 * 1024 * 1024))).json()["code"] == "request.too_large"


# --- the page -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["kk", "ru"])
async def test_the_page_is_in_the_readers_language_and_lets_no_foreign_script_in(world: Any, language: str) -> None:
    answer = await world.http.get("/verify", headers={"accept-language": language})
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "script-src 'self'" in policy
    assert f'<html lang="{language}">' in answer.text and WORDS[language]["title"] in answer.text
    assert "{{" not in answer.text and not re.search(r"<script(?![^>]*src=)|style=|\son[a-z]+=", answer.text)
    assert (await world.http.get("/verify", params={"lang": language})).text == answer.text


async def test_the_page_has_every_word_in_both_languages_and_a_label_for_every_field(world: Any) -> None:
    assert set(WORDS["kk"]) == set(WORDS["ru"]) and all(all(words.values()) for words in WORDS.values())
    html = (await world.http.get("/verify", params={"lang": "kk"})).text
    fields = re.findall(r"<(?:input|textarea) id=\"([a-z]+)\"", html)
    assert fields == ["pdf", "codes", "number", "date"]
    assert re.findall(r"<label for=\"([a-z]+)\"", html) == fields


async def test_only_the_pages_own_files_are_served(world: Any) -> None:
    for name, kind in (("verify.js", "text/javascript"), ("verify.css", "text/css")):
        answer = await world.http.get(f"/verify/{name}")
        assert answer.status_code == 200 and answer.headers["content-type"].startswith(kind)
        script = answer.text
        assert "innerHTML" not in script and "http" not in script
    for name in ("verify.html", "..%2fapp.py", "result.typ"):
        assert (await world.http.get(f"/verify/{name}")).status_code == 404
