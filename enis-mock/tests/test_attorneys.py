"""What administrators do over HTTP: look, register, revoke."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from egovlaw.identifiers import synthetic_iin
from enis_mock.seed.deeds import EXAMPLES

if TYPE_CHECKING:
    from egovregister.testing import Bench

pytestmark = pytest.mark.service
VALID = EXAMPLES["valid"]
ADULT = synthetic_iin(21)


def deed(**changes: Any) -> dict[str, Any]:
    """A good deed; None leaves a field out."""
    wish = {
        "registry_number": "9-1",
        "date": "2026-01-10",
        "notary": {"surname": "Растаева", "name": "Нұсқа", "licence_number": "99000002", "region": "Атырау облысы"},
        "principals": [{"name": "Сынақов Сынақ", "iin": ADULT}],
        "representatives": [{"name": "Үлгілі Үміт", "iin": synthetic_iin(20)}],
        "valid_from": "2026-01-10",
        "valid_to": "2028-01-10",
        "substitution_right": False,
        "powers_text": "Өтініш беру",
    }
    return {name: value for name, value in (wish | changes).items() if value is not None}


def problem(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["code"], [error["field"] for error in body.get("errors", [])]


async def create(twin: Bench, headers: dict[str, str] | None = None, **changes: Any) -> httpx.Response:
    return await twin.admin.post("/v1/attorneys", json=deed(**changes), headers=headers)


async def revoke(twin: Bench, id_: int, **body: Any) -> httpx.Response:
    return await twin.admin.post(f"/v1/attorneys/{id_}/revoke", json={"reason": "Өтініш бойынша"} | body)


async def id_of(twin: Bench, example: str) -> int:
    number = EXAMPLES[example]["registry_number"]
    [one] = (await twin.admin.get("/v1/attorneys", params={"registry_number": number})).json()["items"]
    return int(one["id"])


async def test_a_new_deed_is_found_by_the_bus(twin: Bench) -> None:
    made = await create(twin)
    assert made.status_code == 201, made.text
    view = made.json()
    assert view["attorney"]["status"]["code"] == "valid"
    await twin.deliver(twin.question("query.attorney", {"registry_number": "9-1", "date": "2026-01-10"}))
    [answer] = await twin.answers(1)
    assert answer.data["attorneys"] == [view["attorney"]]


async def test_a_number_and_date_are_registered_once(twin: Bench) -> None:
    assert (await create(twin)).status_code == 201
    assert problem(await create(twin)) == (409, "attorney.exists", [])
    assert (await create(twin, date="2026-01-09")).status_code == 201, "numbers begin anew; the date tells them apart"


async def test_a_repeated_call_with_its_key_gets_the_first_answer(twin: Bench) -> None:
    first, again = await create(twin, {"idempotency-key": "one"}), await create(twin, {"idempotency-key": "one"})
    assert (again.status_code, again.content) == (201, first.content)
    id_, key = first.json()["id"], {"idempotency-key": "two"}
    path, body = f"/v1/attorneys/{id_}/revoke", {"reason": "Өтініш бойынша"}
    done = [await twin.admin.post(path, json=body, headers=key) for _ in range(2)]
    assert [one.status_code for one in done] == [200, 200] and done[0].content == done[1].content


async def test_a_revocation_counts_from_its_day_on(twin: Bench) -> None:
    id_ = await id_of(twin, "valid")
    done = await revoke(twin, id_, date="2026-01-12")
    assert done.status_code == 200, done.text
    assert done.json()["attorney"]["status"]["code"] == "revoked"
    assert (done.json()["attorney"]["revoke_date"], done.json()["revoke_reason"]) == ("2026-01-12", "Өтініш бойынша")
    before = (await twin.admin.get(f"/v1/attorneys/{id_}", params={"as_of": "2026-01-11"})).json()
    assert before["attorney"]["status"]["code"] == "valid"
    assert (await twin.admin.get(f"/v1/attorneys/{id_}")).json()["attorney"]["status"]["code"] == "revoked"


async def test_a_revocation_is_not_repeated_nor_taken_back(twin: Bench) -> None:
    again = await revoke(twin, await id_of(twin, "revoked"))
    assert problem(again)[:2] == (409, "attorney.revoked") and again.json()["date"] == "2025-09-01"


async def test_of_two_who_revoke_at_once_one_wins(twin: Bench) -> None:
    id_ = await id_of(twin, "valid")
    answers = await asyncio.gather(*(revoke(twin, id_) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"date": "2025-03-02"}, "date"),
        ({"date": "2026-01-16"}, "date"),
        ({"date": "tomorrow"}, "date"),
        ({"reason": ""}, "reason"),
        ({"why": "x"}, "why"),
    ],
)
async def test_a_revocation_that_cannot_be_is_refused(twin: Bench, body: dict[str, Any], field: str) -> None:
    assert problem(await revoke(twin, await id_of(twin, "valid"), **body)) == (422, "request.invalid", [field])


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"principals": [{"name": "Аты", "iin": "991231600013"}]}, "principals.0.iin"),
        ({"principals": [{"name": "Аты", "iin": "900101300017"}]}, "principals.0.iin"),
        ({"principals": [{"name": "Аты", "iin": "1"}]}, "principals.0.iin"),
        ({"representatives": [{"name": "Аты", "bin": "991240991015"}]}, "representatives.0.bin"),
        ({"principals": [{"name": "Аты", "iin": ADULT, "bin": "991240991014"}]}, "principals.0.bin"),
        ({"principals": []}, "principals"),
        ({"principals": [{"name": "Ж" * 10_000}]}, "principals.0.name"),
        ({"date": "2026-01-16", "valid_from": "2026-01-16"}, "date"),
        ({"valid_from": "2026-01-09"}, "valid_from"),
        ({"valid_to": "2026-01-09"}, "valid_to"),
        ({"valid_to": "2026-02-30"}, "valid_to"),
        ({"substitution_right": "no"}, "substitution_right"),
        ({"powers_text": "x" * 4001}, "powers_text"),
        ({"notary": {"surname": "Растаева"}}, "notary.name"),
        ({"registry_number": None}, "registry_number"),
        ({"status": "valid"}, "status"),
    ],
)
async def test_a_deed_that_cannot_be_is_refused(twin: Bench, changes: dict[str, Any], field: str) -> None:
    status, code, fields = problem(await create(twin, **changes))
    assert (status, code) == (422, "request.invalid")
    assert field in fields


@pytest.mark.parametrize("text", ["<script>", "'; DROP TABLE attorneys; --", "ӘҒҚҢӨҰҮҺІ әғқңөұүһі"])
async def test_hostile_texts_are_texts(twin: Bench, text: str) -> None:
    made = await create(twin, registry_number=text, powers_text=text)
    assert made.json()["attorney"]["powers_text"] == text
    found = await twin.admin.get("/v1/attorneys", params={"registry_number": text})
    assert [one["id"] for one in found.json()["items"]] == [made.json()["id"]]


async def test_a_party_without_a_number_is_known_by_name(twin: Bench) -> None:
    made = await create(twin, principals=[{"name": "Шетелдік Адам"}])
    assert made.json()["attorney"]["principals"] == [{"name": "Шетелдік Адам"}]


async def test_deeds_are_listed_in_pages_and_searched_by_either_side(twin: Bench) -> None:
    seen: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await twin.admin.get("/v1/attorneys", params={"limit": 20, **cursor})).json()
        seen += [one["id"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert len(seen) >= 50 and seen == sorted(set(seen))
    for side in ("principal_iin", "representative_iin"):
        found = (await twin.admin.get("/v1/attorneys", params={"iin": VALID[side]})).json()["items"]
        assert VALID["registry_number"] in [one["attorney"]["registry_number"] for one in found]


async def test_what_is_not_there_is_404(twin: Bench) -> None:
    assert problem(await twin.admin.get("/v1/attorneys/99999"))[:2] == (404, "attorney.unknown")
    assert problem(await revoke(twin, 99999))[:2] == (404, "attorney.unknown")
    assert problem(await twin.admin.get("/v1/attorneys/0")) == (422, "request.invalid", ["path.attorney_id"])
    assert problem(await twin.admin.get("/v1/attorneys/one")) == (422, "request.invalid", ["path.attorney_id"])


async def test_an_administrators_look_is_a_read_of_everybody_in_the_deed(twin: Bench) -> None:
    await twin.admin.get(f"/v1/attorneys/{await id_of(twin, 'valid')}")
    assert [read["outcome"] for read in await twin.reads(iin=VALID["principal_iin"])] == ["shown", "shown"]


async def test_who_revokes_a_deed_has_seen_it(twin: Bench) -> None:
    id_ = await id_of(twin, "valid")
    before = len(await twin.reads(iin=VALID["principal_iin"]))
    assert (await revoke(twin, id_)).json()["attorney"]["principals"]
    for iin in (VALID["principal_iin"], VALID["representative_iin"]):
        assert len(await twin.reads(iin=iin)) == before + 1


async def test_changes_are_in_the_journal_without_names_and_numbers(twin: Bench) -> None:
    made = await create(twin)
    await revoke(twin, made.json()["id"])
    rows = await twin.journal("admin")
    assert [row["action"] for row in rows] == ["attorney.created", "attorney.revoked"]
    assert ADULT not in str(rows) and "Сынақов" not in str(rows)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/attorneys"),
        ("GET", "/v1/attorneys/1"),
        ("POST", "/v1/attorneys"),
        ("POST", "/v1/attorneys/1/revoke"),
        ("GET", "/v1/reads"),
        ("PUT", "/v1/control/fault"),
        ("GET", "/v1/control/examples"),
    ],
)
async def test_nothing_is_shown_or_changed_without_the_administrators_token(
    twin: Bench, method: str, path: str
) -> None:
    answer = await twin.http.request(method, path, headers={"authorization": "Bearer wrong"})
    assert problem(answer)[:2] == (401, "register.admin_refused")
