"""The provider's own channel at the desk: opening, the consumer, form and scans, and whose draft it is."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from egovkit.journal import read_rows
from egovkit.testing.journal import BODIES
from egovlaw.identifiers import synthetic_iin
from provider_arm.tables import kit

if TYPE_CHECKING:
    from conftest import Arm, Official

pytestmark = pytest.mark.service


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["side"] and body["remedy"], body
    return answer.status_code, body["code"]


async def steps(arm: Arm, case: str) -> list[tuple[Any, ...]]:
    async with arm.ws.db.read() as conn:
        rows = await read_rows(conn, kit.journal, bodies=BODIES, case_id=case)
    return [(row.facts["step"], row.facts["outcome"]) for row in rows if row.kind == "step"]


async def open_with(official: Official, regulation: Any) -> httpx.Response:
    return await official.post("/v1/own-cases", {"regulation": regulation})


# --- opening ---------------------------------------------------------------------------------------------------


async def test_choosing_a_service_opens_a_draft_whose_first_step_is_the_login(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    await arm.clock.advance(60)
    opened = await open_with(executor, "atyrau-housing-queue")
    assert opened.status_code == 201
    body = opened.json()
    assert opened.headers["location"] == f"/v1/own-cases/{body['id']}"
    assert (body["state"], body["version"], body["channel"]) == ("opened", 1, "provider")
    assert (body["region"], body["provider"], body["number"]) == ("atyrau", "atyrau", None)
    assert body["owner"]["id"] == executor.id
    [login] = body["trail"]
    assert (login["step"], login["outcome"], login["at"]) == ("P1", "done", "2026-01-15T04:00:00.000Z")
    assert body == await executor.own(body["id"])


async def test_the_login_is_a_step_of_our_own_journal_at_the_moment_it_happened(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    await arm.clock.advance(60)
    case = await executor.open_own()
    async with arm.ws.db.read() as conn:
        [row] = await read_rows(conn, kit.journal, bodies=BODIES, case_id=case)
    facts = row.facts
    assert (facts["step"], facts["clause"], facts["by"]) == ("P1", "7 1)", executor.id)
    assert (facts["state_before"], facts["state_after"]) == ("new", "logging_in")
    assert (facts["limit_s"], facts["used_s"]) == (15.0, None)  # nobody saw him begin to type
    assert row.time.isoformat() == "2026-01-15T04:00:00+00:00"


@pytest.mark.parametrize("regulation", ["no-such-service", "x" * 120])
async def test_a_service_nobody_takes_here_opens_nothing(arm: Arm, regulation: str) -> None:
    executor = await arm.appoint("executor")
    assert problem(await open_with(executor, regulation)) == (404, "own_case.service_unknown")
    assert (await executor.get("/v1/own-cases")).json()["items"] == []


@pytest.mark.parametrize("place", [{"region": "semey"}, {"provider": "another-department"}])
async def test_a_service_of_another_region_or_provider_does_not_exist(arm: Arm, place: dict[str, str]) -> None:
    stranger = await arm.appoint("executor", **place)
    assert problem(await open_with(stranger, "atyrau-housing-queue")) == (404, "own_case.service_unknown")


@pytest.mark.parametrize("role", ["clerk", "authorised"])
async def test_who_does_not_work_at_the_desk_opens_and_sees_nothing(arm: Arm, role: str) -> None:
    case, other = await (await arm.appoint("executor")).open_own(), await arm.appoint(role)
    for answer in (
        await open_with(other, "atyrau-housing-queue"),
        await other.get("/v1/own-cases"),
        await other.get(f"/v1/own-cases/{case}"),
        await other.enter(case),
        await other.post(f"/v1/own-cases/{case}/queries"),
        await other.post(f"/v1/own-cases/{case}/take"),
        await other.post(f"/v1/own-cases/{case}/abandon"),
    ):
        assert problem(answer) == (403, "staff.role_not_enough")
        assert answer.json()["needed"] == ["executor", "head"]


async def test_the_same_key_opens_one_draft(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    body = {"regulation": "atyrau-housing-queue"}
    first = await executor.post("/v1/own-cases", body, idempotency_key="k1")
    again = await executor.post("/v1/own-cases", body, idempotency_key="k1")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert len((await executor.get("/v1/own-cases")).json()["items"]) == 1


@pytest.mark.parametrize("body", [{}, {"regulation": 1}, {"regulation": "../x"}, {"regulation": "a", "iin": "1"}, []])
async def test_what_is_no_choice_of_a_service(arm: Arm, body: Any) -> None:
    executor = await arm.appoint("executor")
    assert problem(await executor.post("/v1/own-cases", body)) == (422, "request.invalid")


# --- the consumer ----------------------------------------------------------------------------------------------


async def test_entering_the_consumer_is_the_second_step_with_the_acts_limit(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.open_own()
    await arm.clock.advance(8)
    entered = await executor.enter(case)
    assert (entered.status_code, entered.json()["state"]) == (200, "consumer_entered")
    assert entered.json()["consumer_iin"] == arm.applicant
    assert [step["step"] for step in entered.json()["trail"]] == ["P1", "P2"]
    async with arm.ws.db.read() as conn:
        row = (await read_rows(conn, kit.journal, bodies=BODIES, case_id=case))[-1]
    assert (row.facts["clause"], row.facts["limit_s"], row.facts["used_s"]) == ("7 2)", 10.0, 8.0)
    assert arm.applicant not in str(row.body)


async def test_the_same_consumer_again_changes_nothing(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.open_own()
    first, second = await executor.enter(case), await executor.enter(case)
    assert first.json() == second.json()
    assert await steps(arm, case) == [("P1", "done"), ("P2", "done")]


@pytest.mark.parametrize(
    "iin",
    ["991231600013", "991331600012", "99123160001", "9912316000122", "９９１２３１６０００１２", "", 991231600012],
)
async def test_an_iin_that_cannot_be_one_is_named(arm: Arm, iin: Any) -> None:
    executor = await arm.appoint("executor")
    case = await executor.open_own()
    refused = await executor.put(f"/v1/own-cases/{case}/consumer", {"iin": iin})
    assert problem(refused) == (422, "request.invalid")
    assert refused.json()["errors"][0]["field"] == "iin"
    assert (await executor.own(case))["state"] == "opened"


async def test_another_consumer_makes_void_what_is_known_of_the_first(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.known()
    await executor.fix(case, executor.employee())
    changed = (await executor.enter(case, synthetic_iin(2))).json()
    assert (changed["state"], changed["person"], changed["facts"]) == ("consumer_entered", None, [])
    assert (changed["certificate"], changed["prepared_at"]) == (None, None)
    assert [step["step"] for step in changed["trail"]] == ["P1", "P2"]
    signed = await executor.file(case, b"{}", executor.employee())
    assert problem(signed) == (409, "own_case.wrong_state")


async def test_a_list_never_shows_a_whole_iin(arm: Arm) -> None:
    head = await arm.appoint("head")
    case = await head.open_own()
    await head.enter(case)
    listed = await head.get("/v1/own-cases")
    assert arm.applicant not in listed.text
    assert listed.json()["items"][0]["consumer_iin"] == f"{arm.applicant[:4]}******{arm.applicant[-2:]}"


# --- the form --------------------------------------------------------------------------------------------------


async def test_form_and_marks_of_papers_are_kept_as_they_were_typed(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.known()
    values = {
        "address": " Әлия көшесі, 7-үй ",
        "family": 4,
        "owner": False,
        "children": ["Ұлжан", "Өмір"],
        "none": None,
    }
    papers = [
        {"name": "Жеке куәлік", "kind": "original", "note": ""},
        {"name": "АХАТ", "kind": "copy", "note": "2 бет"},
    ]
    saved = await executor.put(f"/v1/own-cases/{case}/form", {"values": values, "papers": papers})
    assert (saved.status_code, saved.json()["state"]) == (200, "data_checked")
    assert (saved.json()["form"], saved.json()["papers"]) == (values, papers)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"values": {"Bad Name": 1}}, "values.Bad Name"),
        ({"values": {"a": "x" * 1001}}, "values.a"),
        ({"values": {"a": 1.5}}, "values.a"),
        ({"values": {"a": 2**60}}, "values.a"),
        ({"values": {"a": {"b": 1}}}, "values.a"),
        ({"values": {"a": ["x"] * 51}}, "values.a"),
        ({"values": {"a": [1]}}, "values.a.0"),
        ({"values": {"a": "x\u0001"}}, "values.a"),
        ({"values": {f"v{n}": 1 for n in range(101)}}, "values"),
        ({"values": {}, "papers": [{"name": "", "kind": "copy"}]}, "papers.0.name"),
        ({"values": {}, "papers": [{"name": "a", "kind": "scan"}]}, "papers.0.kind"),
        ({"values": {}, "papers": [{"name": "a", "kind": "copy", "note": "x" * 501}]}, "papers.0.note"),
        ({"values": {}, "papers": [{"name": "a", "kind": "copy"}] * 51}, "papers"),
        ({}, "values"),
    ],
)
async def test_a_wrong_form_is_refused_by_the_name_of_the_field(arm: Arm, body: Any, field: str) -> None:
    executor = await arm.appoint("executor")
    case = await executor.known()
    refused = await executor.put(f"/v1/own-cases/{case}/form", body)
    assert problem(refused) == (422, "request.invalid")
    assert refused.json()["errors"][-1]["field"] == field
    assert (await executor.own(case))["form"] == {}


async def test_every_wrong_field_of_a_form_is_named_once_with_what_is_wrong(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.known()
    values = {"a": "x" * 1001, "good": 1, "b": 1.5, "Bad Name": 1, "c": ["x"] * 51, "d": 2**60, "e": {"x": 1}}
    body = {"values": values, "papers": [{"name": "", "kind": "copy"}], "surprise": 1}
    refused = await executor.put(f"/v1/own-cases/{case}/form", body)
    assert {one["field"]: one["code"] for one in refused.json()["errors"]} == {
        "values.a": "too_long",
        "values.b": "wrong_type",
        "values.Bad Name": "wrong_form",
        "values.c": "too_long",
        "values.d": "out_of_range",
        "values.e": "wrong_type",
        "papers.0.name": "too_short",
        "surprise": "unknown",
    }
    assert len(refused.json()["errors"]) == 8


async def test_the_form_waits_for_the_registers_answer(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.open_own()
    for _ in range(2):
        saved = await executor.put(f"/v1/own-cases/{case}/form", {"values": {}})
        assert problem(saved) == (409, "own_case.wrong_state")
        assert problem(await executor.scan(case)) == (409, "own_case.wrong_state")
        assert problem(await executor.fix(case, executor.employee())) == (409, "own_case.wrong_state")
        await executor.enter(case)
    assert arm.neighbours.files == {}  # nothing went to ШЭП's store


async def test_a_stale_version_saves_nothing(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.known()
    version = (await executor.own(case))["version"]
    path, body = f"/v1/own-cases/{case}/form", {"values": {"a": 1}}
    assert (await executor.put(path, body, headers={"if-match": f'"{version}"'})).status_code == 200
    stale = await executor.put(path, {"values": {"a": 2}}, headers={"if-match": f'"{version}"'})
    assert problem(stale) == (409, "own_case.changed_meanwhile")
    assert (await executor.own(case))["form"] == {"a": 1}


# --- scans -----------------------------------------------------------------------------------------------------


async def test_a_scan_is_stored_at_shep_under_our_own_membership_and_named_in_the_draft(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.known()
    stored = await executor.scan(case, "Отбасы құрамы туралы анықтама.pdf")
    digest = hashlib.sha256(arm.paper).hexdigest()
    facts = {"name": "Отбасы құрамы туралы анықтама.pdf", "type": "application/pdf", "size": len(arm.paper)}
    assert (stored.status_code, stored.json()) == (200, {**facts, "sha256": digest})
    assert arm.neighbours.files == {digest: arm.paper}
    put = next(request for request in arm.neighbours.asked if request.method == "PUT")
    assert put.url.params["case"] == case
    assert put.headers["content-type"] == "application/pdf"
    assert (await executor.own(case))["attachments"] == [{**facts, "sha256": digest}]


async def test_the_same_scan_again_is_one_and_another_of_its_name_replaces_it(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.known()
    for content in (arm.paper, arm.paper, b"%PDF-1.7 a better scan"):
        assert (await executor.scan(case, content=content)).status_code == 200
    [scan] = (await executor.own(case))["attachments"]
    assert scan["size"] == len(b"%PDF-1.7 a better scan")


async def test_a_scan_taken_off_is_named_no_more(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.known()
    await executor.scan(case, "a.pdf")
    path = f"/v1/own-cases/{case}/attachments/a.pdf"
    assert (await executor.delete(path)).status_code == 204
    assert (await executor.own(case))["attachments"] == []
    assert problem(await executor.delete(path)) == (404, "attachment.not_found")


@pytest.mark.parametrize(
    ("name", "content", "media", "expected"),
    [
        ("a.png", b"%PDF-1.7", "image/png", (422, "attachment.not_what_it_says")),
        ("a.pdf", b"MZ\x90\x00", "application/pdf", (422, "attachment.not_what_it_says")),
        ("a.pdf", b"", "application/pdf", (413, "attachment.too_large")),
        ("a.exe", b"MZ\x90\x00", "application/octet-stream", (415, "attachment.type_not_allowed")),
        (".a.pdf", b"%PDF-1.7", "application/pdf", (422, "attachment.name_invalid")),
        ("a%0A.pdf", b"%PDF-1.7", "application/pdf", (422, "attachment.name_invalid")),
        ("a.pdf", b"%PDF-" + b"0" * (10 * 1024 * 1024), "application/pdf", (413, "request.too_large")),
    ],
)
async def test_a_scan_that_is_not_what_its_name_says_is_refused(
    arm: Arm, name: str, content: bytes, media: str, expected: tuple[int, str]
) -> None:
    executor = await arm.appoint("executor")
    case = await executor.known()
    assert problem(await executor.scan(case, name, content, media)) == expected
    assert (await executor.own(case))["attachments"] == []
    assert arm.neighbours.files == {}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (503, (503, "attachment.store_unavailable")),
        (401, (503, "attachment.store_unavailable")),
        (413, (502, "attachment.store_refused")),
    ],
)
async def test_a_scan_shep_does_not_take_is_not_named(arm: Arm, status: int, expected: tuple[int, str]) -> None:
    executor = await arm.appoint("executor")
    case = await executor.known()
    arm.neighbours.broken = status
    assert problem(await executor.scan(case)) == expected
    assert (await executor.own(case))["attachments"] == []


# --- whose draft it is -----------------------------------------------------------------------------------------


async def test_a_colleagues_draft_does_not_exist(arm: Arm) -> None:
    owner, colleague = await arm.appoint("executor"), await arm.appoint("executor")
    case = await owner.open_own()
    assert (await colleague.get("/v1/own-cases")).json()["items"] == []
    for answer in (
        await colleague.get(f"/v1/own-cases/{case}"),
        await colleague.get(f"/v1/own-cases/{case}/queries"),
        await colleague.enter(case),
        await colleague.post(f"/v1/own-cases/{case}/queries"),
        await colleague.put(f"/v1/own-cases/{case}/form", {"values": {}}),
        await colleague.scan(case),
        await colleague.delete(f"/v1/own-cases/{case}/attachments/a.pdf"),
        await colleague.fix(case, colleague.employee()),
        await colleague.file(case, b"{}", colleague.employee()),
        await colleague.post(f"/v1/own-cases/{case}/take"),
        await colleague.post(f"/v1/own-cases/{case}/abandon"),
        await owner.get("/v1/own-cases/nothing"),
    ):
        assert problem(answer) == (404, "own_case.unknown")


@pytest.mark.parametrize("place", [{"region": "semey"}, {"provider": "another-department"}])
async def test_a_draft_of_another_region_or_provider_does_not_exist_even_for_a_head(
    arm: Arm, place: dict[str, str]
) -> None:
    case = await (await arm.appoint("executor")).open_own()
    stranger = await arm.appoint("head", "executor", **place)
    assert (await stranger.get("/v1/own-cases")).json()["items"] == []
    assert problem(await stranger.get(f"/v1/own-cases/{case}")) == (404, "own_case.unknown")
    assert problem(await stranger.post(f"/v1/own-cases/{case}/take")) == (404, "own_case.unknown")


async def test_the_head_sees_every_draft_and_goes_on_with_one_after_taking_it_over(arm: Arm) -> None:
    owner, head = await arm.appoint("executor"), await arm.appoint("head")
    case = await owner.open_own()
    assert [one["id"] for one in (await head.get("/v1/own-cases")).json()["items"]] == [case]
    refused = await head.enter(case)
    assert problem(refused) == (409, "own_case.of_another")
    assert refused.json()["by"].startswith("Сынақов")
    taken = await head.post(f"/v1/own-cases/{case}/take")
    assert (taken.status_code, taken.json()["owner"]["id"]) == (200, head.id)
    assert (await head.post(f"/v1/own-cases/{case}/take")).json()["version"] == taken.json()["version"]
    assert (await head.enter(case)).status_code == 200
    assert problem(await owner.get(f"/v1/own-cases/{case}")) == (404, "own_case.unknown")


async def test_what_a_colleague_prepared_is_prepared_again_by_who_takes_over(arm: Arm) -> None:
    owner, head = await arm.appoint("executor"), await arm.appoint("head")
    case = await owner.known()
    await owner.fix(case, owner.employee())
    taken = (await head.post(f"/v1/own-cases/{case}/take")).json()
    assert (taken["state"], taken["certificate"]) == ("data_checked", None)
    assert problem(await head.file(case, b"{}", head.employee())) == (409, "own_case.wrong_state")


async def test_a_draft_nobody_will_send_is_given_up_once_and_for_all(arm: Arm) -> None:
    executor, head = await arm.appoint("executor"), await arm.appoint("head")
    case = await executor.open_own()
    for _ in range(2):
        given_up = await executor.post(f"/v1/own-cases/{case}/abandon")
        assert (given_up.status_code, given_up.json()["state"]) == (200, "abandoned")
    for answer in (
        await executor.enter(case),
        await executor.post(f"/v1/own-cases/{case}/queries"),
        await head.post(f"/v1/own-cases/{case}/take"),
    ):
        assert problem(answer) == (409, "own_case.wrong_state")
    assert arm.sent == []


async def test_two_windows_at_once_lose_nothing_of_each_other(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    case = await executor.known()
    version = (await executor.own(case))["version"]
    path, seen = f"/v1/own-cases/{case}/form", {"if-match": f'"{version}"'}
    answers = await asyncio.gather(
        *(executor.put(path, {"values": {"window": n}}, headers=dict(seen)) for n in range(2))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    winner = next(answer for answer in answers if answer.status_code == 200)
    assert (await executor.own(case))["form"] == winner.json()["form"]


# --- lists -----------------------------------------------------------------------------------------------------


async def test_drafts_are_paged_newest_first_and_found_by_state(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    opened = []
    for _ in range(3):
        opened.append(await executor.open_own())
        await arm.clock.advance(1)
    await executor.enter(opened[1])
    first = (await executor.get("/v1/own-cases", limit=2)).json()
    rest = (await executor.get("/v1/own-cases", limit=2, cursor=first["next"])).json()
    assert [one["id"] for one in first["items"] + rest["items"]] == opened[::-1]
    assert rest["next"] is None
    assert [one["id"] for one in (await executor.get("/v1/own-cases", state="consumer_entered")).json()["items"]] == [
        opened[1]
    ]


@pytest.mark.parametrize("query", [{"limit": 0}, {"state": "x"}, {"cursor": "x"}, {"unknown": 1}])
async def test_a_query_the_list_does_not_know(arm: Arm, query: dict[str, Any]) -> None:
    executor = await arm.appoint("executor")
    assert problem(await executor.get("/v1/own-cases", **query)) == (422, "request.invalid")


async def test_nobody_works_without_a_session(arm: Arm) -> None:
    assert problem(await arm.http.get("/v1/own-cases")) == (401, "session.invalid")
    assert problem(await arm.http.post("/v1/own-cases", json={"regulation": "a"})) == (401, "session.invalid")
