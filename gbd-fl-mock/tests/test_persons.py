"""What administrators do over HTTP: look, register, change; history is only added to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from egovlaw.identifiers import synthetic_iin
from gbd_fl_mock.seed.population import EXAMPLES

if TYPE_CHECKING:
    from egovregister.testing import Bench

pytestmark = pytest.mark.service
ADULT = EXAMPLES["ordinary_adult"]
NEW = synthetic_iin(7000)
TODAY = "2026-01-15"


def newcomer(**changes: Any) -> dict[str, Any]:
    """Codes alone are enough for dictionary values; None leaves a field out."""
    person = {
        "iin": NEW,
        "surname": "Жаңаев",
        "name": "Түлек",
        "birth_date": "2001-02-03",
        "gender": {"code": "1"},
        "nationality": {"code": "005"},
        "citizenship": {"code": "398"},
        "life_status": {"code": "0"},
        "birth_place": {"country": {"code": "398"}, "city": "Атырау"},
    }
    return {name: value for name, value in (person | changes).items() if value is not None}


async def create(twin: Bench, headers: dict[str, str] | None = None, **changes: Any) -> httpx.Response:
    body = {"person": newcomer(**changes), "reason": "Актовая запись"}
    return await twin.admin.post("/v1/persons", json=body, headers=headers)


async def change(twin: Bench, iin: str, change: dict[str, Any], seen: int | str, **more: Any) -> httpx.Response:
    body = {"change": change, "reason": "Актовая запись", **more}
    etag = seen if isinstance(seen, str) else f'"{seen}"'
    return await twin.admin.patch(f"/v1/persons/{iin}", json=body, headers={"if-match": etag})


def problem(answer: httpx.Response) -> tuple[int, str, list[str]]:
    body = answer.json()
    return answer.status_code, body["code"], [error["field"] for error in body.get("errors", [])]


async def last(twin: Bench, iin: str) -> dict[str, Any]:
    answer = await twin.admin.get(f"/v1/persons/{iin}")
    assert answer.headers["etag"] == f'"{answer.json()["version"]}"'
    found: dict[str, Any] = answer.json()
    return found


async def test_a_new_person_is_complete_and_found(twin: Bench) -> None:
    made = await create(twin)
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    view = made.json()
    assert (view["version"], view["valid_from"], view["reason"]) == (1, "2001-02-03", "Актовая запись")
    assert view["person"]["gender"] == {"code": "1", "name_ru": "Мужской", "name_kk": "Ер"}
    assert (await last(twin, NEW))["person"] == view["person"]
    await twin.deliver(twin.question("query.person", {"iin": NEW}))
    [answer] = await twin.answers(1)
    assert answer.data["persons"] == [view["person"]]


async def test_a_person_is_registered_once(twin: Bench) -> None:
    await create(twin)
    assert problem(await create(twin)) == (409, "person.exists", [])
    assert problem(await create(twin, iin=ADULT)) == (409, "person.exists", [])


async def test_a_repeated_call_with_its_key_gets_the_first_answer(twin: Bench) -> None:
    key = {"idempotency-key": "one"}
    first, again = await create(twin, key), await create(twin, key)
    assert again.headers["idempotency-replayed"] == "true"
    assert (again.content, again.headers["etag"]) == (first.content, '"1"')
    assert problem(await create(twin, key, name="Басқа")) == (422, "idempotency.key_reused", [])


async def test_a_death_is_a_new_version_and_the_old_one_stays(twin: Bench) -> None:
    seen = (await last(twin, ADULT))["version"]
    died = {"death_date": TODAY, "life_status": {"code": "1"}}
    changed = await change(twin, ADULT, died, seen)
    assert (changed.status_code, changed.headers["etag"]) == (200, f'"{seen + 1}"')
    assert changed.json()["person"]["life_status"]["name_kk"] == "Қайтыс болған"
    then = (await twin.admin.get(f"/v1/persons/{ADULT}", params={"as_of": "2026-01-14"})).json()
    assert (then["version"], "death_date" in then["person"]) == (seen, False)
    versions = (await twin.admin.get(f"/v1/persons/{ADULT}/history")).json()["items"]
    assert [one["version"] for one in versions] == list(range(1, seen + 2))
    assert versions[-1]["valid_from"] == TODAY


@pytest.mark.parametrize(
    "wish",
    [
        {"missing_status": {"missing": True, "missing_date": TODAY, "missing_number": "2-1/2026"}},
        {
            "capable_status": {
                "capable_status": {"code": "1"},
                "capable_date": TODAY,
                "capable_number": "2-2/2026",
                "court": "Атырауский городской суд",
            }
        },
        {"reg_address": {"city": "Орал", "region": {"code": "1926401"}, "status": {"code": "1"}}},
        {"reg_address": None},
        {"patronymic": None, "surname": "Сынақ-Үлгі"},
        {
            "documents": [
                {
                    "type": {"code": "001"},
                    "number": "N77000001",
                    "begin_date": TODAY,
                    "issue_organisation": {"code": "002"},
                    "status": {"code": "00"},
                }
            ]
        },
    ],
    ids=["missing", "incapable", "moved", "no address", "names", "passport"],
)
async def test_what_happens_to_people_can_be_registered(twin: Bench, wish: dict[str, Any]) -> None:
    seen = (await last(twin, ADULT))["version"]
    changed = await change(twin, ADULT, wish, seen)
    assert changed.status_code == 200, changed.text
    person = changed.json()["person"]
    assert all((name in person) == (value is not None) for name, value in wish.items())
    await twin.deliver(twin.question("query.person", {"iin": ADULT}))
    assert (await twin.answers(1))[-1].data["persons"] == [person]


async def test_a_new_document_finds_its_owner(twin: Bench) -> None:
    paper = {"type": {"code": "001"}, "number": "N77000001", "begin_date": TODAY}
    paper |= {"issue_organisation": {"code": "002"}, "status": {"code": "00"}}
    await change(twin, ADULT, {"documents": [paper]}, (await last(twin, ADULT))["version"])
    await twin.deliver(twin.question("query.person", {"document_number": "N77000001"}))
    [answer] = await twin.answers(1)
    assert [person["iin"] for person in answer.data["persons"]] == [ADULT]


async def test_a_change_needs_the_version_it_was_made_from(twin: Bench) -> None:
    seen = (await last(twin, ADULT))["version"]
    wish = {"change": {"name": "Жаңа"}, "reason": "Проба"}
    assert problem(await twin.admin.patch(f"/v1/persons/{ADULT}", json=wish))[:2] == (428, "person.version_missing")
    assert problem(await change(twin, ADULT, {"name": "Жаңа"}, "W/1"))[1:] == ("request.invalid", ["header.if-match"])
    assert (await change(twin, ADULT, {"name": "Жаңа"}, seen)).status_code == 200
    late = await change(twin, ADULT, {"name": "Басқа"}, seen)
    assert problem(late)[:2] == (409, "person.changed_meanwhile")
    assert late.json()["version"] == seen + 1


async def test_history_is_not_rewritten(twin: Bench) -> None:
    current = await last(twin, ADULT)
    before = await change(twin, ADULT, {"name": "Жаңа"}, current["version"], valid_from="1999-01-01")
    assert problem(before) == (422, "request.invalid", ["valid_from"])
    after = await change(twin, ADULT, {"name": "Жаңа"}, current["version"], valid_from="2026-01-16")
    assert problem(after) == (422, "request.invalid", ["valid_from"])
    same_day = await change(twin, ADULT, {"name": "Жаңа"}, current["version"], valid_from=current["valid_from"])
    assert same_day.status_code == 200


async def test_nobody_is_known_before_his_birth(twin: Bench) -> None:
    body = {"person": newcomer(), "reason": "Проба", "valid_from": "2001-02-02"}
    assert problem(await twin.admin.post("/v1/persons", json=body)) == (422, "request.invalid", ["valid_from"])
    made = await twin.admin.post("/v1/persons", json=body | {"valid_from": "2020-01-01"})
    assert made.json()["valid_from"] == "2020-01-01"
    before = await twin.admin.get(f"/v1/persons/{NEW}", params={"as_of": "2019-12-31"})
    assert before.status_code == 404, "the register had not heard of him"


@pytest.mark.parametrize("name", ["iin", "family"])
async def test_numbers_and_ties_are_not_changed_one_sidedly(twin: Bench, name: str) -> None:
    answer = await change(twin, ADULT, {name: NEW if name == "iin" else []}, (await last(twin, ADULT))["version"])
    assert problem(answer) == (422, "request.invalid", [f"change.{name}"])


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"iin": "991231600013"}, "request.invalid", "iin"),
        ({"iin": "900101300017"}, "request.invalid", "iin"),
        ({"iin": "12"}, "data.invalid", "persons.0.iin"),
        ({"iin": None}, "data.invalid", "persons.0.iin"),
        ({"birth_date": "2001-02-30"}, "data.invalid", "persons.0.birth_date"),
        ({"birth_date": "2030-01-01"}, "request.invalid", "valid_from"),
        ({"death_date": "1999-01-01", "life_status": {"code": "1"}}, "request.invalid", "death_date"),
        ({"death_date": "2020-01-01"}, "request.invalid", "death_date"),
        ({"gender": {"code": "7"}}, "data.invalid", "persons.0.gender.name_ru"),
        ({"gender": {"code": "7", "name_ru": "Өзге", "name_kk": "Өзге"}}, "request.invalid", "gender.code"),
        ({"surname": "Ж" * 10_000}, "data.invalid", "persons.0.surname"),
        ({"surname": ""}, "data.invalid", "persons.0.surname"),
        ({"telephone": "1"}, "data.invalid", "persons.0.telephone"),
        ({"family": []}, "request.invalid", "person.family"),
    ],
)
async def test_a_record_that_cannot_be_is_refused(twin: Bench, changes: dict[str, Any], code: str, field: str) -> None:
    status, found, fields = problem(await create(twin, **changes))
    assert (status, found) == (422, code)
    assert field in fields
    assert (await twin.admin.get(f"/v1/persons/{NEW}")).status_code == 404


@pytest.mark.parametrize("name", ["<b>Ж</b>", "'; DROP TABLE versions; --", "Ж%", "ӘҒҚҢӨҰҮҺІ әғқңөұүһі"])
async def test_hostile_names_are_names(twin: Bench, name: str) -> None:
    assert (await create(twin, surname=name)).status_code == 201
    found = (await twin.admin.get("/v1/persons", params={"surname": name})).json()["items"]
    assert [one["person"]["surname"] for one in found] == [name]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"person": newcomer()},
        {"person": newcomer(), "reason": ""},
        {"person": newcomer(), "reason": "x" * 501},
        {"person": newcomer(), "reason": "x", "valid_from": "yesterday"},
        {"person": newcomer(), "reason": "x", "note": "unknown"},
        {"person": [], "reason": "x"},
    ],
)
async def test_a_call_with_wrong_fields_is_refused(twin: Bench, body: dict[str, Any]) -> None:
    assert problem(await twin.admin.post("/v1/persons", json=body))[:2] == (422, "request.invalid")


async def test_persons_are_listed_in_pages_and_searched_by_surname(twin: Bench) -> None:
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await twin.admin.get("/v1/persons", params={"limit": 100, **cursor})).json()
        seen += [one["person"]["iin"] for one in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert len(seen) == len(set(seen)) >= 200 and seen == sorted(seen)
    found = (await twin.admin.get("/v1/persons", params={"surname": "үЛГІЛІБАЕВ"})).json()["items"]
    assert found and all(one["person"]["surname"].startswith("Үлгілібаев") for one in found)
    assert (await twin.admin.get("/v1/persons", params={"surname": "%"})).json()["items"] == []
    [one] = (await twin.admin.get("/v1/persons", params={"iin": ADULT})).json()["items"]
    assert one["person"]["iin"] == ADULT


async def test_who_is_not_there_is_404_and_what_is_no_number_422(twin: Bench) -> None:
    unknown = EXAMPLES["not_in_register"]
    for path in (unknown, f"{unknown}/history"):
        assert problem(await twin.admin.get(f"/v1/persons/{path}"))[:2] == (404, "person.unknown")
    assert problem(await change(twin, unknown, {"name": "Жаңа"}, 1))[:2] == (404, "person.unknown")
    before = await twin.admin.get(f"/v1/persons/{ADULT}", params={"as_of": "1950-01-01"})
    assert problem(before)[:2] == (404, "person.unknown")
    for iin in ("991231600013", "1", "abc", "9912316000129"):
        assert problem(await twin.admin.get(f"/v1/persons/{iin}")) == (422, "request.invalid", ["path.iin"])


async def test_an_administrators_look_is_a_read_like_any_other(twin: Bench) -> None:
    await twin.admin.get(f"/v1/persons/{ADULT}")
    await twin.admin.get("/v1/persons", params={"limit": 3})
    assert [read["outcome"] for read in await twin.reads(iin=ADULT)] == ["shown", "shown"]
    newest, first = await twin.reads()
    assert (first["source"], first["official"], first["asked_iin"]) == ("gbd-fl-mock", "administrator", ADULT)
    assert (newest["criterion"], newest["found"], newest["asked_iin"], newest["case"]) == ("list", 3, None, None)


async def test_who_changes_a_record_has_seen_it(twin: Bench) -> None:
    """The answer carries the whole of it, whatever little was changed."""
    seen = (await twin.admin.get(f"/v1/persons/{ADULT}")).json()["version"]
    changed = await change(twin, ADULT, {"removed": False}, seen)
    assert changed.json()["person"]["birth_date"]
    assert [read["outcome"] for read in await twin.reads(iin=ADULT)] == ["shown", "shown"]


async def test_changes_are_in_the_journal_without_names_and_numbers(twin: Bench) -> None:
    await create(twin)
    await change(twin, NEW, {"name": "Жаңа"}, 1)
    rows = await twin.journal("admin")
    assert [(row["action"], row["version"]) for row in rows] == [("person.created", 1), ("person.changed", 2)]
    assert NEW not in str(rows) and "Жаңа" not in str(rows)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/persons"),
        ("GET", f"/v1/persons/{ADULT}"),
        ("GET", f"/v1/persons/{ADULT}/history"),
        ("POST", "/v1/persons"),
        ("PATCH", f"/v1/persons/{ADULT}"),
        ("GET", "/v1/reads"),
        ("GET", "/v1/control/examples"),
    ],
)
async def test_nothing_is_shown_or_changed_without_the_administrators_token(
    twin: Bench, method: str, path: str
) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "Basic abc"}):
        answer = await twin.http.request(method, path, headers=headers)
        assert problem(answer)[:2] == (401, "register.admin_refused")
