"""An application at the counter: who is entered, what is filled in, whose case it is; every kind of bad input."""

from __future__ import annotations

from typing import Any

import pytest

from egovorigin.testing import PDF, REGULATION

from .conftest import person

pytestmark = pytest.mark.service

KAZAKH = "ӘәҒғҚқҢңӨөҰұҮүҺһІі"


def fields(answer: Any) -> set[tuple[str, str]]:
    return {(one["field"], one["code"]) for one in answer.json()["errors"]}


async def test_the_centre_offers_the_services_whose_act_has_its_channel(operator: Any) -> None:
    items = (await operator.get("/v1/services")).json()["items"]
    [housing] = [one for one in items if one["regulation"] == REGULATION]
    assert housing["registers"] == ["person", "attorney"] and housing["title"]["kk"].startswith("Мемлекеттік")
    assert [step["label"] for step in housing["steps"]][:4] == ["P1", "P2", "P3", "C1"]
    assert {one["max_s"] for one in housing["steps"] if one["kind"] == "query_registers"} == {90}
    assert housing["form"]["applications"] == [] and housing["form"]["note"]["kk"].startswith("Регламентте")
    [funds] = [one["form"] for one in items if one["regulation"] == "semey-minor-funds-certificate"]
    labels = {field["name"]: field["label"] for field in funds["applications"][0]["fields"]}
    assert labels["depositor_name"] == {
        "ru": "вкладчика (Ф.И.О)", "kk": "салымшының (Т.А.Ә.)", "kk_status": "translated",
    } and funds["note"] is None  # fmt: skip


async def test_a_case_is_born_when_the_service_is_chosen_and_begins_with_the_login(world: Any, operator: Any) -> None:
    answer = await operator.post("/v1/cases", {"regulation": REGULATION})
    shown = answer.json()
    assert answer.status_code == 201 and answer.headers["location"] == f"/v1/cases/{shown['id']}"
    assert shown["state"] == "opened" and shown["applicant"] is None and shown["number"] is None
    progress = {one["step"]: one for one in shown["progress"]}
    assert progress["P1"]["outcome"] == "done" and progress["P1"]["limit_s"] == 60
    assert len(progress) == 11


async def test_opening_twice_under_one_key_opens_one_case(operator: Any) -> None:
    first = await operator.post("/v1/cases", {"regulation": REGULATION}, key="same")
    second = await operator.post("/v1/cases", {"regulation": REGULATION}, key="same")
    assert first.json() == second.json()
    assert len((await operator.get("/v1/cases")).json()["items"]) == 1


async def test_a_service_that_no_act_gives_at_centres_is_not_found(operator: Any) -> None:
    answer = await operator.post("/v1/cases", {"regulation": "<script>alert(1)</script>"})
    assert answer.status_code == 404 and answer.json()["code"] == "service.not_at_centre"


@pytest.mark.parametrize("iin", ["991231600013", "773131600012", "000000000000"])
async def test_an_iin_with_a_wrong_check_digit_or_date_is_refused_before_anybody_is_asked(
    operator: Any, iin: str
) -> None:
    case = await operator.open()
    answer = await operator.consumer(case, iin)
    assert answer.status_code == 422 and fields(answer) == {("iin", "iin_invalid")}
    assert (await operator.page(case))["state"] == "opened"


@pytest.mark.parametrize(
    ("attorney", "wrong"),
    [
        ({"certified": "notary"}, {("registry_number", "missing"), ("date", "missing")}),
        ({"certified": "notary", "registry_number": "1", "date": "2026-13-01"}, {("date", "wrong_form")}),
        ({"certified": "notary", "registry_number": "1", "date": "20260101"}, {("date", "wrong_form")}),
        ({"certified": "notary", "registry_number": "1", "date": "2026-01-16"}, {("date", "out_of_range")}),
        ({"certified": "notary", "registry_number": "1" * 61, "date": "2026-01-01"}, {("registry_number", "too_long")}),
        (
            {"certified": "notary", "registry_number": "1\x07", "date": "2026-01-01"},
            {("registry_number", "control_character")},
        ),
        ({"certified": "other", "registry_number": "1"}, {("registry_number", "not_allowed")}),
        ({"certified": "other", "date": "2026-01-01"}, {("date", "not_allowed")}),
        ({"certified": "other", "note": "ұ" * 10_000}, {("note", "too_long")}),
    ],
)
async def test_a_power_of_attorney_is_entered_as_the_act_says(
    world: Any, operator: Any, attorney: dict[str, Any], wrong: set[tuple[str, str]]
) -> None:
    case = await operator.open()
    answer = await operator.consumer(case, world.iin(), {"iin": world.iin(), "attorney": attorney})
    assert answer.status_code == 422
    assert fields(answer) == {(f"representative.attorney.{name}", code) for name, code in wrong}


async def test_names_of_ten_thousand_characters_and_representatives_of_themselves_are_refused(
    world: Any, operator: Any
) -> None:
    case, iin = await operator.open(), world.iin()
    other = {"certified": "other"}
    answer = await operator.consumer(case, iin, {"iin": iin, "name": "Қ" * 10_000, "attorney": other})
    assert fields(answer) == {("representative.iin", "not_allowed"), ("representative.name", "too_long")}
    answer = await operator.consumer(case, iin, {"iin": "12", "attorney": other})
    assert answer.status_code == 422


async def test_a_wrong_iin_may_be_corrected_until_somebody_is_asked(world: Any, operator: Any) -> None:
    case, right = await operator.open(), world.iin()
    await operator.consumer(case, world.iin())
    assert (await operator.consumer(case, right)).json()["applicant"] == {"iin": right}
    await operator.ask(case)
    assert (await world.shep.next()).data["criterion"] == {"iin": right}
    assert (await operator.consumer(case, world.iin())).json()["code"] == "consumer.fixed"


async def test_the_form_is_kept_exactly_as_typed(world: Any, operator: Any) -> None:
    case = await operator.checked(world.iin())
    values = {
        "surname": KAZAKH,
        "note": "<b>Robert'); DROP TABLE cases;--</b>",
        "rooms": 2,
        "family": ["ӘСЕЛ", "ЕРЛАН"],
        "agreed": True,
    }
    papers = [
        {"name": "Жеке куәлік", "kind": "original", "note": "көрсетілді"},
        {"name": "Анықтама", "kind": "copy", "note": None},
    ]
    answer = await operator.fill(case, values, papers)
    assert answer.status_code == 200 and answer.headers["etag"] == '"2"'
    page = await operator.page(case)
    assert page["form"] == values and page["papers"] == papers and page["form_version"] == 2


async def test_every_wrong_value_is_named_and_nothing_is_saved(world: Any, operator: Any) -> None:
    """Which values cannot be taken is `egovorigin`'s (test_domain.py); which papers, the centre's."""
    case = await operator.checked(world.iin())
    wrongs: list[tuple[Any, Any, set[tuple[str, str]]]] = [
        ({"name": "Қ" * 10_000}, [], {("values.name", "too_long")}),
        ({"a": {"b": 1}, "c": 1.5}, [], {("values.a", "wrong_type"), ("values.c", "wrong_type")}),
        ({}, [{"name": " ", "kind": "copy"}], {("papers.0.name", "missing")}),
        ({}, [{"name": "ұ" * 10_000, "kind": "copy"}], {("papers.0.name", "too_long")}),
        ({}, [{"name": "x", "kind": "copy"}] * 51, {("papers", "too_many")}),
        ({f"f{n}": "Ұ" * 1000 for n in range(40)}, [], {("values", "too_large")}),
    ]
    for values, papers, wrong in wrongs:
        answer = await operator.fill(case, values, papers)
        assert answer.status_code == 422 and answer.json()["code"] == "form.invalid" and fields(answer) == wrong
    assert (await operator.page(case))["form_version"] == 1


async def test_of_two_windows_the_slower_one_is_told(world: Any, operator: Any) -> None:
    case = await operator.checked(world.iin())
    assert (await operator.fill(case, {"a": "1"}, **{"if-match": '"1"'})).status_code == 200
    slower = await operator.fill(case, {"a": "2"}, **{"if-match": '"1"'})
    assert slower.status_code == 412 and slower.json()["code"] == "form.changed_meanwhile"
    assert (await operator.fill(case, {"a": "2"}, **{"if-match": "old"})).status_code == 412


async def test_papers_are_scanned_only_once_the_registers_know_the_consumer(world: Any, operator: Any) -> None:
    [query] = await operator.asked(world.iin())
    assert (await operator.attach(query.subject)).json()["code"] == "case.wrong_state"
    assert (await operator.fill(query.subject)).json()["code"] == "case.wrong_state"


async def test_a_scan_that_cannot_be_taken_is_refused_and_not_kept(world: Any, operator: Any) -> None:
    case = await operator.checked(world.iin())
    for name, type_, content, code in (
        ("scan.png", "image/png", PDF, "attachment.not_what_it_says"),
        ("scan.exe", "application/x-msdownload", b"MZ", "attachment.type_not_allowed"),
        ("scan.pdf", "application/pdf", b"", "attachment.too_large"),
        (".hidden.pdf", "application/pdf", PDF, "attachment.name_invalid"),
    ):
        answer = await operator.attach(case, name, content, type_)
        assert answer.json()["code"] == code and answer.status_code in (413, 415, 422), name
    assert (await operator.page(case))["attachments"] == []


async def test_scans_are_replaced_by_name_and_taken_away(world: Any, operator: Any) -> None:
    case = await operator.checked(world.iin())
    name = f"{KAZAKH}.pdf"
    assert (await operator.attach(case, name)).status_code == 200
    assert (await operator.attach(case, name, PDF + b"again")).status_code == 200
    [kept] = (await operator.page(case))["attachments"]
    assert kept["name"] == name and kept["size"] == len(PDF) + 5
    path = f"/v1/cases/{case}/attachments/{name}"
    assert (await world.http.delete(path, headers=operator.headers())).status_code == 204
    assert (await world.http.delete(path, headers=operator.headers())).json()["code"] == "attachment.not_found"


async def test_a_case_of_another_centre_does_not_exist(world: Any, operator: Any) -> None:
    case = await operator.checked(world.iin())
    stranger = await world.hire("stranger", centre="con-2")
    for path in ("", "/history", "/queries", "/result", "/receipt", "/receipt.pdf", "/survey"):
        answer = await stranger.get(f"/v1/cases/{case}{path}")
        assert answer.status_code == 404 and answer.json()["code"] == "case.not_found", path
    assert (await stranger.ask(case)).json()["code"] == "case.not_found"
    assert (await stranger.attach(case)).json()["code"] == "case.not_found"
    assert (await stranger.get("/v1/cases")).json()["items"] == []


async def test_a_colleague_of_the_same_centre_goes_on_with_the_case(world: Any, operator: Any) -> None:
    case = await operator.checked(world.iin())
    colleague = await world.hire("colleague")
    assert (await colleague.fill(case, {"a": "1"})).status_code == 200
    assert (await colleague.page(case))["form"] == {"a": "1"}


@pytest.mark.law(
    topic="status_check", regulation=("semey-guardianship-certificate", "semey-housing-queue", "semey-minor-*")
)
@pytest.mark.law(topic="status_check", regulation="semey-unemployed-certificate")
async def test_a_status_is_looked_up_by_number_or_iin_and_lists_mask_the_iin(world: Any, operator: Any) -> None:
    iin = world.iin()
    provider = await operator.completed(iin)
    await operator.open()
    for wanted in ({"iin": iin}, {"number": "26000000001"}, {"state": "completed"}):
        [line] = (await operator.get("/v1/cases", **wanted)).json()["items"]
        assert line["id"] == provider.case and line["status"]["code"] == "completed"
        assert line["applicant"]["iin"] == f"{iin[:4]}******{iin[-2:]}"
    assert (await operator.get("/v1/cases", number="26000000002")).json()["items"] == []
    assert (await operator.get("/v1/cases", number="1 OR 1=1")).status_code == 422


async def test_lists_are_read_page_by_page(operator: Any) -> None:
    made = [await operator.open() for _ in range(3)]
    first = (await operator.get("/v1/cases", limit=2)).json()
    second = (await operator.get("/v1/cases", limit=2, cursor=first["next"])).json()
    assert [one["id"] for one in first["items"] + second["items"]] == made[::-1] and second["next"] is None
    assert (await operator.get("/v1/cases", cursor="???")).json()["code"] == "request.cursor_invalid"


async def test_the_history_is_read_page_by_page(world: Any, operator: Any) -> None:
    case = await operator.checked(world.iin())
    whole = await operator.history(case)
    first = (await operator.get(f"/v1/cases/{case}/history", limit=3)).json()
    rest = (await operator.get(f"/v1/cases/{case}/history", cursor=first["next"])).json()
    assert first["items"] + rest["items"] == whole
    events = [one["event"] for one in whole]
    assert events == ["opened", "step.done", "step.done", "consumer_entered", "asked", "answer_applied", "step.ok",
                      "data_in_order"]  # fmt: skip


async def test_a_changed_consumer_makes_a_prepared_document_void(world: Any, operator: Any) -> None:
    iin, representative = world.iin(), world.represented()
    case = await operator.checked(iin, representative)
    signature = operator.sign(await operator.prepared(case))
    await operator.consumer(case, iin)
    assert (await operator.submit(case, signature)).json()["code"] == "case.wrong_state"
    await operator.ask(case)
    await world.shep.answer(await world.shep.next(), person(iin))
    assert (await operator.page(case))["state"] == "data_checked"
