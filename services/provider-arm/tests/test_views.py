"""Looking at cases, files and history; what is masked, and what looking leaves behind."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from conftest import Arm, Official

pytestmark = pytest.mark.service


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["side"] and body["remedy"], body
    return answer.status_code, body["code"]


async def reads(head: Official, **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await head.get("/v1/reads", **query)).json()["items"]
    return items


async def test_an_executor_sees_the_application_as_it_was_signed(arm: Arm) -> None:
    case, executor = await arm.submit(), await arm.appoint("executor")
    answer = await executor.get(f"/v1/cases/{case}")
    body = answer.json()
    assert body["applicant"] == {"iin": arm.applicant, "masked": False}
    assert body["form"] == {"family": 4, "address": "Атырау қ., Әлия көшесі, 7-үй"}
    assert (body["state"], body["version"], body["verified"]) == ("registered", 1, True)
    assert (body["source"], body["regulation_version"]) == ("portal-pep", 1)
    assert [task["kind"] for task in body["tasks"]] == ["check_documents"]
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["cache-control"] == "no-store"
    assert body["answer"] is None


async def test_a_clerk_sees_a_case_without_its_applicant_and_leaves_no_read(arm: Arm) -> None:
    case, clerk, head = await arm.submit(), await arm.appoint("clerk"), await arm.appoint("head")
    answer = await clerk.get(f"/v1/cases/{case}")
    body = answer.json()
    assert body["applicant"]["masked"] is True
    assert arm.applicant not in answer.text
    assert "Әлия" not in answer.text
    assert (body["form"], body["document"], body["signature"], body["attachments"]) == (None, None, None, [])
    assert await reads(head) == []


async def test_every_look_at_an_applicant_says_who_when_and_why(arm: Arm) -> None:
    case = await arm.submit()
    executor, head = await arm.appoint("executor"), await arm.appoint("head")
    await executor.get(f"/v1/cases/{case}")
    await arm.clock.advance(1)
    await executor.get(f"/v1/cases/{case}", reason="жалоба заявителя")
    await arm.clock.advance(1)
    await executor.take(case)
    await executor.get(f"/v1/cases/{case}")
    newest, with_reason, first = await reads(head)
    assert newest["who"]["id"] == executor.id
    assert newest["at"] == "2026-01-15T04:00:02Z"
    assert [one["why"] for one in (newest, with_reason, first)] == ["task check_documents", "жалоба заявителя", "-"]
    assert {one["case"] for one in (newest, with_reason, first)} == {case}


async def test_the_log_of_reads_is_the_heads_and_can_be_narrowed_and_paged(arm: Arm) -> None:
    cases = [await arm.submit() for _ in range(2)]
    executor, head = await arm.appoint("executor"), await arm.appoint("head")
    for case in cases:
        await executor.get(f"/v1/cases/{case}")
        await head.get(f"/v1/cases/{case}")
    assert len(await reads(head)) == 4
    assert len(await reads(head, case=cases[0])) == 2
    assert len(await reads(head, staff=executor.id)) == 2
    page = (await head.get("/v1/reads", limit=3)).json()
    rest = (await head.get("/v1/reads", limit=3, cursor=page["next"])).json()
    assert (len(page["items"]), len(rest["items"]), rest["next"]) == (3, 1, None)
    assert problem(await executor.get("/v1/reads")) == (403, "staff.role_not_enough")
    assert problem(await executor.get("/v1/incidents")) == (403, "staff.role_not_enough")


async def test_the_log_of_another_region_is_not_shown(arm: Arm) -> None:
    case, executor = await arm.submit(), await arm.appoint("executor")
    await executor.get(f"/v1/cases/{case}")
    assert await reads(await arm.appoint("head", region="semey")) == []
    assert await reads(await arm.appoint("head", provider="another")) == []


# --- attachments -----------------------------------------------------------------------------------------------


def path_of(arm: Arm, case: str, sha256: str | None = None) -> str:
    return f"/v1/cases/{case}/attachments/{sha256 or hashlib.sha256(arm.paper).hexdigest()}"


async def test_an_attachment_comes_from_the_gateways_store_and_agrees_with_its_hash(arm: Arm) -> None:
    case, executor, head = await arm.submit(), await arm.appoint("executor"), await arm.appoint("head")
    answer = await executor.get(path_of(arm, case), reason="проверка")
    assert answer.status_code == 200
    assert answer.content == arm.paper
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''%D1%81")
    assert answer.headers["x-content-type-options"] == "nosniff"
    asked = arm.neighbours.asked[-1]
    assert asked.url.params["case"] == case
    assert [one["why"] for one in await reads(head)] == ["проверка"]


@pytest.mark.parametrize("content", [b"%PDF-1.7 another paper!!", b"%PDF", b"%PDF-1.7 a scanned paper and more"])
async def test_a_file_that_was_altered_is_not_given_out(arm: Arm, content: bytes) -> None:
    case, executor = await arm.submit(), await arm.appoint("executor")
    arm.neighbours.files[hashlib.sha256(arm.paper).hexdigest()] = content
    answer = await executor.get(path_of(arm, case))
    assert problem(answer) == (502, "attachment.altered")
    assert content not in answer.content


async def test_a_file_the_store_no_longer_has(arm: Arm) -> None:
    case, executor = await arm.submit(), await arm.appoint("executor")
    arm.neighbours.files.clear()
    assert problem(await executor.get(path_of(arm, case))) == (502, "attachment.gone")


@pytest.mark.parametrize("status", [401, 500, 503])
async def test_a_store_that_is_ill_says_try_again(arm: Arm, status: int) -> None:
    case, executor = await arm.submit(), await arm.appoint("executor")
    arm.neighbours.broken = status
    answer = await executor.get(path_of(arm, case))
    assert problem(answer) == (503, "attachment.unavailable")
    assert "retry-after" in answer.headers


async def test_a_store_that_does_not_answer_says_try_again(arm: Arm, monkeypatch: pytest.MonkeyPatch) -> None:
    case, executor = await arm.submit(), await arm.appoint("executor")

    def refuse(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody listens")

    monkeypatch.setattr(arm.neighbours, "answer", refuse)
    monkeypatch.setattr(arm.app.state.node.http._transport, "handler", refuse)
    assert problem(await executor.get(path_of(arm, case))) == (503, "attachment.unavailable")


async def test_a_hash_the_application_does_not_name_is_not_even_asked_for(arm: Arm) -> None:
    case, executor = await arm.submit(), await arm.appoint("executor")
    before = len(arm.neighbours.asked)
    assert problem(await executor.get(path_of(arm, case, "f" * 64))) == (404, "attachment.not_of_case")
    assert problem(await executor.get(path_of(arm, case, "F" * 64))) == (422, "request.invalid")
    assert len(arm.neighbours.asked) == before


async def test_a_clerk_opens_no_attachments(arm: Arm) -> None:
    case, clerk = await arm.submit(), await arm.appoint("clerk")
    assert problem(await clerk.get(path_of(arm, case))) == (403, "staff.role_not_enough")


async def test_an_attachment_of_another_region_does_not_exist(arm: Arm) -> None:
    case, stranger = await arm.submit(), await arm.appoint("executor", region="semey")
    assert problem(await stranger.get(path_of(arm, case))) == (404, "provider.case_unknown")


# --- lists and history -----------------------------------------------------------------------------------------


async def test_cases_can_be_found_by_number_state_and_whether_they_are_verified(arm: Arm) -> None:
    good, bad = await arm.submit(), await arm.submit(version=99)
    executor = await arm.appoint("executor")
    await executor.take(good)

    async def found(**query: Any) -> list[str]:
        return [case["id"] for case in (await executor.get("/v1/cases", **query)).json()["items"]]

    assert await found(number="26000000002") == [bad]
    assert await found(state="under_consideration") == [good]
    assert await found(verified=False) == [bad]
    assert await found(regulation="another") == []
    assert await found(sort="number") == [good, bad]
    assert problem(await executor.get("/v1/cases", number="1")) == (422, "request.invalid")


@pytest.mark.parametrize("sort", ["registered_at", "-registered_at", "-changed_at", "number"])
async def test_cases_are_paged_in_order(arm: Arm, sort: str) -> None:
    cases = []
    for _ in range(3):
        cases.append(await arm.submit())
        await arm.clock.advance(1)
    executor = await arm.appoint("executor")
    first = (await executor.get("/v1/cases", limit=2, sort=sort)).json()
    rest = (await executor.get("/v1/cases", limit=2, sort=sort, cursor=first["next"])).json()
    seen = [case["id"] for case in first["items"] + rest["items"]]
    assert seen == (cases[::-1] if sort.startswith("-") else cases)


async def test_history_shows_steps_and_work_with_names_and_places_in_the_chain(arm: Arm) -> None:
    case, executor = await arm.submit(), await arm.appoint("executor")
    await executor.take(case)
    await executor.check(case)
    items = (await executor.get(f"/v1/cases/{case}/history")).json()["items"]
    assert [(item["kind"], item["step"], item["outcome"]) for item in items] == [
        ("step", "P6", "done"),
        ("admin", None, "task.taken"),
        ("step", "C3", "ok"),
    ]
    assert items[0]["by"] is None
    assert items[1]["by"]["name"].startswith("Сынақов")
    assert all(len(item["hash"]) == 64 and item["writer"] == "provider-arm/1" for item in items)


async def test_a_case_tells_who_measured_how_much_of_which_limit(arm: Arm) -> None:
    case, official = await arm.submit(), await arm.appoint("executor", "authorised")
    await official.take(case)
    await official.check(case)
    await arm.clock.advance(1000)
    key = official.certificate()
    document = base64.b64decode((await official.prepare(case, key)).json()["document"])
    assert (await official.issue(case, document, key)).status_code == 200
    limits = (await official.get(f"/v1/cases/{case}")).json()["limits"]
    assert [(one["step"], one["measured_by"], one["used_s"], one["late"]) for one in limits] == [
        ("P6", "gateway-shep", 0, False),
        ("P8", "gateway-shep", 1000, True),
    ]
    assert limits[1]["clause"] == "Приложение 1, таблица 1, 8" and limits[1]["max_s"] == 900


async def test_a_case_nobody_knows(arm: Arm) -> None:
    executor = await arm.appoint("executor", "authorised")
    for answer in (
        await executor.get("/v1/cases/nothing"),
        await executor.get("/v1/cases/nothing/history"),
        await executor.get(path_of(arm, "nothing")),
        await executor.check("nothing"),
        await executor.prepare("nothing", executor.certificate()),
        await executor.issue("nothing", b"{}", executor.certificate()),
    ):
        assert problem(answer) == (404, "provider.case_unknown")


async def test_an_application_that_is_no_document_is_still_shown(arm: Arm) -> None:
    key = arm.pki.person(arm.applicant)
    envelope = arm.submission(arm.application(key=key), key, document="AAAA")
    await arm.deliver(arm.wire(envelope))
    executor = await arm.appoint("executor")
    body = (await executor.get(f"/v1/cases/{envelope.subject}")).json()
    assert (body["form"], body["document"], body["verified"]) == (None, "AAAA", False)


@pytest.mark.parametrize(("language", "word"), [("kk", "Мұндай іс жоқ"), ("ru", "Дела нет"), ("en", "No such case")])
async def test_problems_speak_the_readers_language(arm: Arm, language: str, word: str) -> None:
    executor = await arm.appoint("executor")
    headers = executor.headers | {"accept-language": language}
    assert (await arm.http.get("/v1/cases/nothing", headers=headers)).json()["title"] == word
