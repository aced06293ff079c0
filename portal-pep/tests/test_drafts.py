"""Choosing a service, the form, copies of documents: good input is kept exactly, bad input is named and not kept."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from sqlalchemy import func, select

from egovkit.errors import EgovError
from egovorigin.testing import PDF, REGULATION
from portal_pep.service import reading
from portal_pep.tables import origin

pytestmark = pytest.mark.service

KAZAKH = "ӘәҒғҚқҢңӨөҰұҮүҺһІі ЁёЪъЬьЭэ"


@pytest.mark.law(topic="interface", regulation="atyrau-housing-queue", clause="9 2)")
async def test_the_catalogue_is_open_to_everybody_and_comes_from_the_acts(world: Any) -> None:
    answer = (await world.http.get("/v1/services")).json()
    (service,) = [one for one in answer["items"] if one["regulation"] == REGULATION]
    assert service["region"] == "atyrau" and service["act"]["number"] == "427"
    assert service["act"]["in_force"] is False and service["available"] is True
    assert "кезек" in service["title"]["kk"]


async def test_a_service_card_has_its_steps_limits_form_and_files(world: Any) -> None:
    card = (await world.http.get(f"/v1/services/{REGULATION}")).json()
    labels = [step["label"] for step in card["steps"]]
    assert labels == ["pre1", "P1", "C1", "P2", "P3", "C2", "P4", "P5", "P6", "C3", "P7", "P8"]
    limits = {step["label"]: step["max_s"] for step in card["steps"]}
    assert limits["P5"] == 60 and limits["P8"] == 900 and card["term"] is None
    assert card["form"]["max_length"] == 1000 and card["attachments"]["max_file"] == 10 * 1024 * 1024


async def test_an_unknown_service_is_not_found(world: Any, citizen: Any) -> None:
    for code in ("nothing", "../etc", "x" * 80):
        assert (await citizen.post("/v1/cases", {"regulation": code})).json()["code"] == "service.not_found"
        assert (await world.http.get(f"/v1/services/{code}x")).status_code == 404


@pytest.mark.law(topic="interface", regulation="atyrau-housing-queue", clause=("9 3)", "9 4) абзац 2"))
async def test_choosing_a_service_gives_birth_to_the_case_with_the_steps_of_the_login(citizen: Any) -> None:
    answer = await citizen.post("/v1/cases", {"regulation": REGULATION})
    page = answer.json()
    assert answer.headers["location"] == f"/v1/cases/{page['id']}" and answer.headers["etag"] == '"1"'
    assert page["status"]["code"] == "draft" and page["iin"] == citizen.iin and page["editable"] is True
    done = {step["step"]: step["outcome"] for step in page["progress"] if step["outcome"]}
    assert done == {"P1": "done", "C1": "ok"}


async def test_repealed_acts_are_refused_where_only_acts_in_force_may_run(world: Any, citizen: Any) -> None:
    portal = world.app.state.portal
    strict = portal.settings.model_copy(update={"policy": "in_force_only"})
    object.__setattr__(portal, "settings", strict)
    answer = await citizen.post("/v1/cases", {"regulation": REGULATION})
    assert answer.status_code == 409 and answer.json()["code"] == "service.not_in_force" and answer.json()["remedy"]
    offered = (await world.http.get(f"/v1/services/{REGULATION}")).json()
    assert (offered["act"]["in_force"], offered["available"]) == (False, False)
    object.__setattr__(portal, "settings", strict.model_copy(update={"policy": "historic"}))
    offered = (await world.http.get(f"/v1/services/{REGULATION}")).json()
    assert (offered["act"]["in_force"], offered["available"]) == (False, True)
    assert (await citizen.post("/v1/cases", {"regulation": REGULATION})).status_code == 201


async def test_a_case_is_opened_with_its_answer_or_not_at_all(citizen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever repeats the call, having got no answer, has two of them."""

    def fails(*_: object) -> None:
        raise EgovError("result.not_ready", state="draft")

    with monkeypatch.context() as broken:
        broken.setattr(reading, "limits_used", fails)
        assert (await citizen.post("/v1/cases", {"regulation": REGULATION}, key="once")).status_code == 404
    assert (await citizen.get("/v1/cases")).json()["items"] == []
    assert (await citizen.post("/v1/cases", {"regulation": REGULATION}, key="once")).status_code == 201


async def test_the_same_key_and_body_open_one_case_and_another_body_none(world: Any, citizen: Any) -> None:
    first = await citizen.post("/v1/cases", {"regulation": REGULATION}, key="once")
    again = await citizen.post("/v1/cases", {"regulation": REGULATION}, key="once")
    other = await citizen.post("/v1/cases", {"regulation": REGULATION, "copy_of": None}, key="once")
    assert first.json() == again.json() and again.headers["idempotency-replayed"] == "true"
    assert other.status_code == 422 and other.json()["code"] == "idempotency.key_reused"
    assert len((await citizen.get("/v1/cases")).json()["items"]) == 1


async def test_a_call_that_creates_needs_a_key(world: Any, citizen: Any) -> None:
    headers = {"authorization": f"Bearer {citizen.token}"}
    answer = await world.http.post("/v1/cases", json={"regulation": REGULATION}, headers=headers)
    assert answer.status_code == 400 and answer.json()["code"] == "idempotency.key_missing"


@pytest.mark.law(topic="interface", regulation="atyrau-housing-queue", clause="9 4)")
async def test_every_kazakh_letter_is_kept_and_shown_as_typed(citizen: Any) -> None:
    case = await citizen.open()
    values = {"surname": KAZAKH, "address": "  Атырау қ., Сәтбаев к-сі,\n 1 ", "members": ["Әсел", "Өмір"], "rooms": 3}
    values |= {"owner": False, "note": None}
    answer = await citizen.put_form(case, values)
    assert answer.status_code == 200 and answer.headers["etag"] == '"2"'
    assert (await citizen.page(case))["form"] == values


HOSTILE = [
    "'; DROP TABLE cases; --",
    "<script>alert(1)</script>",
    "{{7*7}} ${jndi:x} %s {number}",
    "﷽ \u202e abc",
    "ﬀ ﬁ é é",
]


async def test_hostile_text_is_only_text(citizen: Any) -> None:
    case, version = await citizen.open(), 1
    for text in HOSTILE:
        assert (await citizen.put_form(case, {"surname": text}, version)).status_code == 200
        page = await citizen.page(case)
        version = page["form_version"]
        assert page["form"]["surname"] == text
        assert json.loads(await citizen.prepared(case))["form"]["surname"] == text
        version = (await citizen.page(case))["form_version"]


async def test_a_form_that_cannot_be_taken_is_refused_by_field_and_nothing_is_saved(citizen: Any) -> None:
    """Which values cannot be taken is `egovorigin`'s (test_domain.py)."""
    case = await citizen.open()
    for values, field, code in (
        ({"surname": "Ә" * 10_000}, "values.surname", "too_long"),
        ({"Фамилия": "x"}, "values.Фамилия", "bad_name"),
        ({"members": ["a", "b" * 1001]}, "values.members.1", "too_long"),
        ({f"f{n}": "x" for n in range(101)}, "values", "too_many"),
    ):
        answer = await citizen.put_form(case, values)
        problem = answer.json()
        assert answer.status_code == 422 and problem["code"] == "form.invalid" and problem["remedy"], field
        assert (field, code) in {(one["field"], one["code"]) for one in problem["errors"]}
    page = await citizen.page(case)
    assert page["form"] == {} and page["form_version"] == 1


async def test_every_wrong_field_is_named_at_once_in_the_readers_language(citizen: Any) -> None:
    case = await citizen.open()
    headers = citizen.headers(**{"if-match": '"1"', "accept-language": "kk"})
    body = {"values": {"name": "x" * 2000, "surname": "\x07", "city": "Атырау"}}
    answer = await citizen.world.http.put(f"/v1/cases/{case}/form", headers=headers, json=body)
    problem = answer.json()
    assert [one["field"] for one in problem["errors"]] == ["values.name", "values.surname"]
    assert problem["title"] == "Нысанда қателер бар" and answer.headers["content-language"] == "kk"


async def test_what_no_database_can_hold_is_refused_before_the_form_is_looked_at(citizen: Any) -> None:
    case = await citizen.open()
    for escape in (b"\\ud800", b"\\u0000"):
        headers = citizen.headers(**{"if-match": '"1"', "content-type": "application/json"})
        raw = b'{"values": {"surname": "a' + escape + b'"}}'
        answer = await citizen.world.http.put(f"/v1/cases/{case}/form", headers=headers, content=raw)
        assert 400 <= answer.status_code < 500 and answer.json()["code"], escape
    assert (await citizen.page(case))["form"] == {}


async def test_of_two_windows_the_slower_one_loses_nothing_of_the_other(citizen: Any) -> None:
    case = await citizen.open()
    assert (await citizen.put_form(case, {"surname": "first"}, 1)).status_code == 200
    slow = await citizen.put_form(case, {"surname": "second"}, 1)
    assert slow.status_code == 412 and slow.json()["code"] == "form.changed_meanwhile" and slow.json()["current"] == 2
    assert (await citizen.page(case))["form"] == {"surname": "first"}
    unsure = await citizen.world.http.put(f"/v1/cases/{case}/form", headers=citizen.headers(), json={"values": {}})
    assert unsure.status_code == 428 and unsure.json()["code"] == "form.version_missing"
    assert (await citizen.put_form(case, {}, "abc")).status_code == 412


async def test_a_body_that_is_not_the_contracts_is_a_problem_with_side_and_remedy(citizen: Any) -> None:
    case = await citizen.open()
    for content, type_, status, code in (
        (b'{"values": {"a": ', "application/json", 400, None),
        (b'{"values": {}, "values": {}}', "application/json", 400, "request.malformed"),
        (b'{"values": {}, "admin": true}', "application/json", 422, "request.invalid"),
        (b'{"values": []}', "application/json", 422, "request.invalid"),
        (b"values=1", "application/x-www-form-urlencoded", 415, "request.media_type"),
        (b'{"values": {"a": "' + b"x" * 1_100_000 + b'"}}', "application/json", 413, "request.too_large"),
    ):
        headers = citizen.headers(**{"if-match": '"1"', "content-type": type_})
        answer = await citizen.world.http.put(f"/v1/cases/{case}/form", headers=headers, content=content)
        assert answer.status_code == status, answer.text
        problem = answer.json()
        assert problem["side"] == "sender" and problem["remedy"] and (code is None or problem["code"] == code)
    assert (await citizen.page(case))["form"] == {}


@pytest.mark.law(topic="quality", regulation="atyrau-housing-queue", clause="16 1)")
@pytest.mark.law(topic="quality", regulation="semey-*", clause=("16 3)", "17 3)"))
@pytest.mark.law(topic="quality", regulation="tayynsha-*")
async def test_a_copy_is_kept_sealed_and_listed(world: Any, citizen: Any) -> None:
    case = await citizen.open()
    answer = await citizen.attach(case, "Жеке куәлік көшірмесі.pdf")
    assert answer.status_code == 200 and answer.json()["size"] == len(PDF)
    (listed,) = (await citizen.page(case))["attachments"]
    assert listed == answer.json() and listed["name"] == "Жеке куәлік көшірмесі.pdf"
    async with world.app.state.node.db.read() as conn:
        (row,) = (await conn.execute(select(origin.attachments))).all()
    assert PDF not in row.content and b"%PDF" not in row.content


@pytest.mark.law(topic="interface", regulation="atyrau-housing-queue", clause="9 4)")
async def test_pdf_jpeg_and_png_are_taken(citizen: Any) -> None:
    case = await citizen.open()
    taken = {"image/png": b"\x89PNG\r\n\x1a\n123", "image/jpeg": b"\xff\xd8\xff\xe0abc", "application/pdf": PDF}
    for type_, content in taken.items():
        assert (await citizen.attach(case, "copy", content, type_)).status_code == 200, type_


async def test_a_file_that_cannot_be_taken_is_refused_and_not_kept(citizen: Any) -> None:
    case = await citizen.open()
    for name, type_, content, status, code in (
        ("a.pdf", "text/html", b"<html>", 415, "attachment.type_not_allowed"),
        ("a.pdf", "", PDF, 415, "attachment.type_not_allowed"),
        ("a.png", "image/png", PDF, 422, "attachment.not_what_it_says"),
        ("a.pdf", "application/pdf", b"", 413, "attachment.too_large"),
        ("a.pdf", "application/pdf", b"%PDF-" + b"x" * (10 * 1024 * 1024), 413, "request.too_large"),
        ("a%01b.pdf", "application/pdf", PDF, 422, "attachment.name_invalid"),
        ("a%5Cb.pdf", "application/pdf", PDF, 422, "attachment.name_invalid"),
        ("я" * 256, "application/pdf", PDF, 422, "attachment.name_invalid"),
    ):
        answer = await citizen.attach(case, name, content, type_)
        assert answer.status_code == status and answer.json()["code"] == code and answer.json()["remedy"], name
    assert (await citizen.page(case))["attachments"] == []


async def test_ten_megabytes_exactly_are_taken_and_fifty_in_all(citizen: Any) -> None:
    case = await citizen.open()
    full = b"%PDF-" + b"x" * (10 * 1024 * 1024 - 5)
    for number in range(5):
        assert (await citizen.attach(case, f"{number}.pdf", full)).status_code == 200
    over = await citizen.attach(case, "more.pdf")
    assert over.status_code == 413 and over.json()["code"] == "attachment.case_full"
    assert (await citizen.attach(case, "0.pdf")).status_code == 200  # replacing makes room
    assert (await citizen.attach(case, "more.pdf")).status_code == 200


async def test_a_copy_can_be_removed(citizen: Any) -> None:
    case = await citizen.open()
    await citizen.attach(case)
    path = f"/v1/cases/{case}/attachments/copy.pdf"
    assert (await citizen.world.http.delete(path, headers=citizen.headers())).status_code == 204
    again = await citizen.world.http.delete(path, headers=citizen.headers())
    assert again.status_code == 404 and again.json()["code"] == "attachment.not_found"


async def test_a_former_application_can_be_taken_over(citizen: Any) -> None:
    former = await citizen.open()
    await citizen.put_form(former, {"surname": KAZAKH})
    await citizen.attach(former)
    case = await citizen.open(copy_of=former)
    page = await citizen.page(case)
    assert page["form"] == {"surname": KAZAKH} and len(page["attachments"]) == 1 and page["id"] != former


async def test_another_citizens_case_does_not_exist(world: Any, citizen: Any) -> None:
    case = await citizen.open()
    other = await world.citizen().arrive()
    calls = [
        await other.get(f"/v1/cases/{case}"),
        await other.get(f"/v1/cases/{case}/history"),
        await other.get(f"/v1/cases/{case}/result"),
        await other.put_form(case, {"surname": "x"}),
        await other.attach(case),
        await other.world.http.delete(f"/v1/cases/{case}/attachments/x", headers=other.headers()),
        await other.prepare(case),
        await other.submit(case, other.sign(b"x")),
        await other.post("/v1/cases", {"regulation": REGULATION, "copy_of": case}),
    ]
    missing = await other.get("/v1/cases/019bbfcf-6a00-71cb-98b2-d48879552c1d")
    assert {(one.status_code, one.json()["code"]) for one in [*calls, missing]} == {(404, "case.not_found")}
    assert (await other.get("/v1/cases")).json()["items"] == []


async def test_lists_come_in_pages_newest_first(citizen: Any) -> None:
    opened = [await citizen.open() for _ in range(5)]
    first = (await citizen.get("/v1/cases", limit=2)).json()
    second = (await citizen.get("/v1/cases", limit=2, cursor=first["next"])).json()
    third = (await citizen.get("/v1/cases", limit=2, cursor=second["next"])).json()
    seen = [one["id"] for page in (first, second, third) for one in page["items"]]
    assert seen == opened[::-1] and third["next"] is None


@pytest.mark.parametrize("path", ["/v1/cases", "/v1/notifications"])
async def test_a_foreign_cursor_and_a_silly_limit_are_refused(citizen: Any, path: str) -> None:
    assert (await citizen.get(path, cursor="@@@")).status_code in (200, 400)
    assert (await citizen.get(path, cursor=base64.urlsafe_b64encode("ә".encode()).decode())).status_code == 400
    assert (await citizen.get(path, limit=0)).status_code == 422
    assert (await citizen.get(path, limit=101)).status_code == 422


async def test_a_history_cursor_is_a_number(citizen: Any) -> None:
    case = await citizen.open()
    wrong = await citizen.get(f"/v1/cases/{case}/history", cursor=base64.urlsafe_b64encode(b"abc").decode())
    assert wrong.json()["code"] == "request.cursor_invalid"
    first = (await citizen.get(f"/v1/cases/{case}/history", limit=1)).json()
    rest = (await citizen.get(f"/v1/cases/{case}/history", cursor=first["next"])).json()
    assert [one["event"] for one in first["items"] + rest["items"]] == ["opened", "step.done", "step.ok"]


async def test_unknown_fields_and_wrong_types_of_every_body_are_refused(world: Any, citizen: Any) -> None:
    for path, body in [
        ("/v1/accounts", {"iin": citizen.iin, "password": "x" * 20, "role": "admin"}),
        ("/v1/sessions", {"iin": int(citizen.iin), "password": "x"}),
        ("/v1/cases", {"regulation": REGULATION, "state": "completed"}),
        ("/v1/cases", {"regulation": 1}),
        ("/v1/cases/x/prepare", {"certificate": 1}),
        ("/v1/cases/x/submit", {"signature": "x", "document": "y"}),
        ("/v1/accounts/confirmation", {}),
    ]:
        answer = await citizen.post(path, body)
        assert answer.status_code == 422 and answer.json()["code"] == "request.invalid", path
    async with world.app.state.node.db.read() as conn:
        assert (await conn.execute(select(func.count()).select_from(origin.cases))).scalar_one() == 0
