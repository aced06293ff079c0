"""Bad input at the public HTTP of portal, workstation and gateways: a problem with code, side and remedy, and nothing
stored; or, where every letter is welcome, stored and shown intact."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
import pytest_asyncio

from egovlaw.catalogue import Regulation
from sandbox.composition import NUC, PERSONS, PORTAL, PROVIDER, RSHEP, SHEP
from sandbox.people import Citizen
from sandbox.replay.reading import load_all, the_law
from sandbox.replay.scenario import ResultText
from sandbox.staff import Clerk
from sandbox.world import Deployment

from .problems import fields, problem

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
ISSUED, REFUSED = [one for one in load_all() if one.channel == "portal" and one.demo]
KAZAKH = "ӘәҒғҚқҢңӨөҰұҮүҺһІі Ёё"
HOSTILE = (
    "'; DROP TABLE cases; --",
    '" OR 1=1 --',
    "<script>alert('x')</script><b>&amp;</b>",
    "{{7*7}} ${7*7} %s %00 \\",
    "\u202eтөңкерілген\u200b é é 😀",
    KAZAKH,
)
LONG = "Ұ" * 10_000
PDF = b"%PDF-1.4\n%%EOF\n"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def citizen(world: Deployment) -> Citizen:
    made = await world.citizen()
    await made.settle_in()
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def case(citizen: Citizen) -> AsyncIterator[str]:
    """A new application; whatever was tried on it, its page still opens and is still a draft."""
    made = await citizen.choose(ISSUED.regulation)
    yield made
    assert (await citizen.case(made))["submitted_at"] is None


def administered(world: Deployment, code: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {world.admin_token(code)}", "Accept-Language": "ru"}


async def post(world: Deployment, code: str, path: str, **sent: Any) -> httpx.Response:
    headers = {"Accept-Language": "ru", "Idempotency-Key": world.ids.new(), **sent.pop("headers", {})}
    return await world.http.post(f"{world.url(code)}{path}", headers=headers, **sent)


# Every service that takes JSON, at a door it opens to strangers or to its operators.
DOORS = ((PORTAL, "/v1/accounts"), (PROVIDER, "/v1/sessions"), (SHEP, "/v1/participants"), (NUC, "/v1/persons"))


@pytest.mark.parametrize(("code", "path"), DOORS)
class TestEveryDoor:
    async def test_malformed_json(self, world: Deployment, code: str, path: str) -> None:
        headers = {**self.headers(world, code), "Content-Type": "application/json"}
        for body in (b"{", b'{"iin": "1"} x', b"\xff\xfe", b'{"iin": "1", "iin": "2"}', b'{"iin": "\\u0000"}'):
            answer = await post(world, code, path, content=body, headers=headers)
            assert answer.json()["code"] in ("request.malformed", "request.malformed_json"), answer.text
            problem(answer, answer.json()["code"])

    async def test_a_wrong_media_type(self, world: Deployment, code: str, path: str) -> None:
        for media_type in ("text/plain", "application/xml", "application/x-www-form-urlencoded"):
            headers = {**self.headers(world, code), "Content-Type": media_type}
            problem(await post(world, code, path, content=b"{}", headers=headers), "request.media_type")

    async def test_an_oversized_body(self, world: Deployment, code: str, path: str) -> None:
        headers = {**self.headers(world, code), "Content-Type": "application/json"}
        body = b'{"iin": "' + b"1" * 2_000_000 + b'"}'
        problem(await post(world, code, path, content=body, headers=headers), "request.too_large")

        async def streamed() -> AsyncIterator[bytes]:
            for start in range(0, len(body), 65_536):
                yield body[start : start + 65_536]

        problem(await post(world, code, path, content=streamed(), headers=headers), "request.too_large")

    async def test_an_unknown_field_is_named(self, world: Deployment, code: str, path: str) -> None:
        answer = await post(world, code, path, json={"surprise": 1}, headers=self.headers(world, code))
        assert ("surprise", "unknown") in fields(problem(answer, "request.invalid"))

    @staticmethod
    def headers(world: Deployment, code: str) -> dict[str, str]:
        return administered(world, code) if code in (SHEP, NUC) else {}


@pytest.mark.parametrize(
    "iin", ["123", "990101300001x", "999999999999", "990131612346", "", "９９０１０１６０００１１"]
)
async def test_a_bad_iin_is_refused_wherever_it_is_typed(world: Deployment, citizen: Citizen, iin: str) -> None:
    at_portal = await citizen.send("POST", "/v1/accounts", json={"iin": iin, "password": "Құпия-сөз-2026"})
    assert {name for name, _ in fields(problem(at_portal, "request.invalid"))} == {"iin"}
    staff = {
        "iin": iin,
        "name": "ҮЛГІЛІ ДӘУРЕН",
        "password": "Құпия-сөз-2026",
        "roles": ["clerk"],
        "region": "atyrau",
        "office": "Бөлім",
    }
    at_provider = await post(world, PROVIDER, "/v1/staff", json=staff, headers=administered(world, PROVIDER))
    assert {name for name, _ in fields(problem(at_provider, "request.invalid"))} == {"iin"}


async def test_a_value_of_10_000_letters_is_refused_by_its_name_and_nothing_is_kept(
    citizen: Citizen, case: str
) -> None:
    sent = {"values": {"address": LONG, "category": "x"}}
    answer = await citizen.send("PUT", f"/v1/cases/{case}/form", json=sent, headers={"If-Match": '"1"'})
    assert fields(problem(answer, "form.invalid")) == {("values.address", "too_long")}
    assert (await citizen.case(case))["form"] == {}


@pytest.mark.parametrize("side", ["portal", "centre", "provider"])
async def test_a_form_names_every_wrong_field_and_one_that_the_acts_form_has_not(world: Deployment, side: str) -> None:
    act, known = printed(side)
    who: Citizen | Clerk
    if side == "portal":
        who = await world.citizen()
        await who.settle_in()
        path = f"/v1/cases/{await who.choose(act.code)}"
    else:
        who = await (world.operator() if side == "centre" else world.official(region=act.region))
        case = await who.open(act.code)
        await who.enter_consumer(case, await world.example(PERSONS, "ordinary_adult"))
        await who.ask(case)
        await who.until(case, "data_checked")
        path = f"{who.drafts}/{case}"
    seen = await who.call("GET", path)
    headers = {"If-Match": f'"{seen.get("form_version") or seen["version"]}"'}
    for values, wrong in (
        ({known[0]: LONG, known[1]: {"nested": 1}}, {known[0]: "too_long", known[1]: "wrong_type"}),
        ({known[0]: "Сынақ", "no_such": "x", "nor_this": "y"}, {"no_such": "unknown", "nor_this": "unknown"}),
    ):
        answer = await who.send("PUT", f"{path}/form", json={"values": values}, headers=headers)
        named = fields(problem(answer, answer.json()["code"]))
        assert named == {(f"values.{name}", code) for name, code in wrong.items()}
    assert (await who.call("GET", path))["form"] == {}


def printed(channel: str) -> tuple[Regulation, list[str]]:
    """An act with steps for this channel and an application of its own, and the fields of that."""
    for act in the_law().regulations:
        names = [field.name for form in act.forms if form.kind == "application" for field in form.fields]
        if channel in act.channels and act.channels[channel].has_flow and names:
            return act, names
    raise LookupError(channel)


async def test_a_name_of_10_000_letters_is_refused_by_every_register(world: Deployment, citizen: Citizen) -> None:
    staff = {
        "iin": citizen.iin,
        "name": LONG,
        "password": "Құпия-сөз-2026",
        "roles": ["clerk"],
        "region": "atyrau",
        "office": LONG,
    }
    answer = await post(world, PROVIDER, "/v1/staff", json=staff, headers=administered(world, PROVIDER))
    assert fields(problem(answer, "request.invalid")) == {("name", "too_long"), ("office", "too_long")}
    body = participant("long-names") | {"name_ru": LONG, "name_kk": LONG}
    answer = await post(world, SHEP, "/v1/participants", json=body, headers=administered(world, SHEP))
    assert fields(problem(answer, "request.invalid")) == {("name_ru", "too_long"), ("name_kk", "too_long")}
    found = await world.http.get(f"{world.url(SHEP)}/v1/participants/long-names", headers=administered(world, SHEP))
    problem(found, "participant.unknown")
    person = {"iin": citizen.iin, "surname": LONG, "name": "АЙГҮЛ", "password": "Synthetic1"}
    answer = await post(world, NUC, "/v1/persons", json=person, headers=administered(world, NUC))
    assert ("surname", "too_long") in fields(problem(answer, "request.invalid"))


def participant(code: str) -> dict[str, Any]:
    return {
        "code": code,
        "kind": "portal",
        "name_ru": "Система партнёра (синтетическая)",
        "name_kk": "Серіктес жүйесі (синтетикалық)",
        "bin": "990440000008",
        "kato": "750000000",
    }


async def test_an_attachments_name_of_10_000_letters_or_with_a_path_is_refused(citizen: Citizen, case: str) -> None:
    for name in ("a" * 10_000, "..%5C..%5Cetc", ".hidden", "a%0Ab.pdf", "<b>.pdf"):
        path = f"/v1/cases/{case}/attachments/{name}"
        answer = await citizen.send("PUT", path, content=PDF, headers={"Content-Type": "application/pdf"})
        problem(answer, "attachment.name_invalid")
    assert (await citizen.case(case))["attachments"] == []


@pytest.mark.parametrize(
    ("media_type", "content", "code"),
    [
        ("application/pdf", b"%PDF-" + b"0" * (10 * 1024 * 1024), "request.too_large"),
        ("application/pdf", b"", "attachment.too_large"),
        ("application/pdf", b"MZ\x90\x00 a program", "attachment.not_what_it_says"),
        ("image/png", b"<svg onload=alert(1)>", "attachment.not_what_it_says"),
        ("text/html", b"<script>", "attachment.type_not_allowed"),
        ("application/x-msdownload", b"MZ", "attachment.type_not_allowed"),
    ],
)
async def test_a_huge_or_wrongly_typed_attachment_is_refused(
    citizen: Citizen, case: str, media_type: str, content: bytes, code: str
) -> None:
    path = f"/v1/cases/{case}/attachments/copy.pdf"
    problem(await citizen.send("PUT", path, content=content, headers={"Content-Type": media_type}), code)
    assert (await citizen.case(case))["attachments"] == []


@pytest.mark.parametrize(
    ("signature", "code"),
    [
        ("not base64!", "request.invalid"),
        (base64.b64encode(b"not a CMS").decode(), "signature.cms_malformed"),
        (base64.b64encode(b"\x30\x82\x01\x00" + b"\x00" * 256).decode(), "signature.cms_malformed"),
    ],
)
async def test_a_broken_signature_sends_nothing(citizen: Citizen, case: str, signature: str, code: str) -> None:
    await citizen.prepare(case)
    answer = await citizen.send("POST", f"/v1/cases/{case}/submit", json={"signature": signature})
    problem(answer, code)
    assert (await citizen.case(case))["status"]["code"] == "prepared"


async def test_a_signature_with_a_flipped_byte_sends_nothing(citizen: Citizen, case: str) -> None:
    good = bytearray(base64.b64decode(await citizen.sign(await citizen.prepare(case))))
    good[-1] ^= 1
    body = {"signature": base64.b64encode(good).decode()}
    answer = await citizen.send("POST", f"/v1/cases/{case}/submit", json=body)
    assert answer.json()["code"].startswith("signature."), answer.text
    problem(answer, answer.json()["code"])
    assert (await citizen.case(case))["status"]["code"] == "prepared"


async def test_every_text_a_person_types_is_shown_to_the_other_side_as_it_was(world: Deployment) -> None:
    citizen = await world.citizen()
    await citizen.settle_in()
    form = {f"field_{n}": text for n, text in enumerate(HOSTILE)} | {"list": list(HOSTILE)}
    name = f"{KAZAKH} '; DROP TABLE cases; --.pdf"
    case = await citizen.choose(ISSUED.regulation)
    paper = replace(ISSUED.attachments[0], name=name)
    await citizen.fill(case, form, (paper,))
    await citizen.submit(case, await citizen.prepare(case))
    await citizen.until(case, "registered")
    official = await world.official(region=ISSUED.region, office=HOSTILE[0], surname=KAZAKH.upper()[:40])
    await official.take(case)
    seen = await official.call("GET", f"/v1/cases/{case}")
    assert seen["form"] == form
    assert [one["name"] for one in seen["attachments"]] == [name]
    assert (await official.send("GET", seen["attachments"][0]["href"])).content == paper.content()
    await official.check(case, "ok")
    text = " ".join(HOSTILE)
    await official.issue_result(case, ResultText(ru=text, kk=text, values={"note": text[:900]}))
    await citizen.until(case, "completed")
    shown = json.loads(base64.b64decode((await citizen.call("GET", f"/v1/cases/{case}/result"))["document"]))
    assert (shown["text_ru"], shown["text_kk"]) == (text, text)
    assert (await citizen.case(case))["form"] == form


async def test_hostile_reasons_of_a_refusal_are_shown_as_written(world: Deployment, citizen: Citizen) -> None:

    case = await citizen.apply(REFUSED.regulation, REFUSED.form)
    await citizen.until(case, "registered")
    official = await world.official(region=REFUSED.region)
    await official.take(case)
    reasons = tuple({"code": "documents.missing", "text": text} for text in HOSTILE)
    await official.check(case, "violations", reasons)
    await citizen.until(case, "refused")
    result = await citizen.call("GET", f"/v1/cases/{case}/result")
    assert [reason["text"] for reason in result["reasons"]] == list(HOSTILE)


async def test_hostile_names_in_the_register_of_participants_are_shown_as_written(world: Deployment) -> None:
    for n, text in enumerate(HOSTILE):
        body = participant(f"hostile-{n}") | {"name_ru": text, "name_kk": text}
        made = await post(world, SHEP, "/v1/participants", json=body, headers=administered(world, SHEP))
        assert made.status_code == 201, made.text
        url = f"{world.url(SHEP)}/v1/participants/hostile-{n}"
        found = (await world.http.get(url, headers=administered(world, SHEP))).json()
        assert (found["name_ru"], found["name_kk"]) == (text, text)


@pytest.mark.parametrize("hostile", ["'; DROP TABLE cases; --", "<script>", "../../etc/passwd", "x" * 10_000])
async def test_hostile_identifiers_find_nothing(world: Deployment, citizen: Citizen, hostile: str) -> None:
    from urllib.parse import quote

    path = f"/v1/cases/{quote(hostile, safe='')}"
    answer = await citizen.send("GET", path)
    assert answer.json()["code"] in ("case.not_found", "request.not_found"), answer.text
    problem(answer, answer.json()["code"])
    answer = await citizen.send("POST", "/v1/cases", json={"regulation": hostile[:80]})
    problem(answer, "service.not_found")


@pytest.mark.parametrize("code", [SHEP, RSHEP])
class TestGatewayDoor:
    """The same at both gateways: what nobody authenticated gets an answer and no more."""

    async def test_what_is_no_envelope(self, world: Deployment, code: str) -> None:
        for body, expected in (
            (b"", "envelope.malformed"),
            (b"{", "envelope.malformed"),
            (b"\xff", "envelope.malformed"),
            (b"[" * 5000, "envelope.malformed"),
            (b"{}", "envelope.attribute_invalid"),
            (b" " * 300_000, "request.too_large"),
        ):
            headers = {"Content-Type": "application/cloudevents+json", "Egov-Signature": "x"}
            answer = await post(world, code, "/v1/envelopes", content=body, headers=headers)
            problem(answer, expected)

    async def test_another_media_type(self, world: Deployment, code: str) -> None:
        headers = {"Content-Type": "application/soap+xml"}
        problem(await post(world, code, "/v1/envelopes", content=b"<x/>", headers=headers), "request.media_type")

    async def test_an_inbox_without_or_with_a_made_up_token(self, world: Deployment, code: str) -> None:
        url = f"{world.url(code)}/v1/inbox"
        problem(await world.http.get(url, headers={"Accept-Language": "ru"}), "access.missing")
        for token in ("x", "a.b.c", "e30.e30."):
            headers = {"Accept-Language": "ru", "Authorization": f"Bearer {token}"}
            problem(await world.http.get(url, headers=headers), "access.invalid")
