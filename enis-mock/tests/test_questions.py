"""Questions over the bus: how powers of attorney are found, in which status, and what the read records."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from egovkit.contracts import contracts_dir, read_once
from egovkit.envelope import Envelope
from egovkit.messages import MessageRegister
from egovlaw.identifiers import synthetic_iin
from enis_mock.seed.deeds import EXAMPLES

if TYPE_CHECKING:
    from egovregister.testing import Bench

pytestmark = pytest.mark.service
VALID = EXAMPLES["valid"]
PRINCIPAL, REPRESENTATIVE = VALID["principal_iin"], VALID["representative_iin"]


def by_number(example: str) -> dict[str, str]:
    return {name: EXAMPLES[example][name] for name in ("registry_number", "date")}


async def asked(twin: Bench, criterion: dict[str, Any], **changes: Any) -> Envelope:
    """The answer to a question."""
    before = len(twin.sent)
    await twin.deliver(twin.question("query.attorney", criterion, **changes))
    return (await twin.answers(before + 1))[-1]


async def found(twin: Bench, criterion: dict[str, Any], **changes: Any) -> list[dict[str, Any]]:
    attorneys: list[dict[str, Any]] = (await asked(twin, criterion, **changes)).data["attorneys"]
    return attorneys


async def test_a_power_of_attorney_is_found_by_number_and_date(twin: Bench) -> None:
    question = twin.question("query.attorney", by_number("valid"))
    await twin.deliver(question)
    [answer] = await twin.answers(1)
    assert (answer.type, answer.recipient, answer.caseseq) == ("kz.egov.answer.attorney.v1", "con-arm", 0)
    assert answer.correlationid == question.id
    read_once(MessageRegister.load, contracts_dir()).check(answer.type, answer.data)
    [attorney] = answer.data["attorneys"]
    assert attorney["status"] == {"code": "valid", "name_ru": "Действует", "name_kk": "Қолданыста"}
    assert [party["iin"] for party in attorney["principals"]] == [PRINCIPAL]
    assert [party["iin"] for party in attorney["representatives"]] == [REPRESENTATIVE]
    assert "revoke_date" not in attorney


@pytest.mark.parametrize(
    ("example", "status"),
    [("valid", "valid"), ("expired", "expired"), ("revoked", "revoked"), ("not_yet_valid", "not_yet_valid")],
)
async def test_the_status_is_that_of_the_moment(twin: Bench, example: str, status: str) -> None:
    [attorney] = await found(twin, by_number(example))
    assert attorney["status"]["code"] == status
    assert ("revoke_date" in attorney) == (status == "revoked")


async def test_the_status_of_an_earlier_day_is_given_when_it_is_asked_for(twin: Bench) -> None:
    day_before = {"as_of": "2025-08-31"}
    [attorney] = await found(twin, by_number("revoked"), data=day_before)
    assert attorney["status"]["code"] == "valid" and "revoke_date" not in attorney
    [attorney] = await found(twin, by_number("expired"), data={"as_of": "2024-05-03"})
    assert attorney["status"]["code"] == "valid"
    assert await found(twin, by_number("valid"), data={"as_of": "2025-03-02"}) == [], "not made yet"


async def test_one_that_runs_out_during_a_case_is_expired_the_next_time(twin: Bench) -> None:
    made = await twin.admin.post("/v1/attorneys", json=deed(valid_to="2026-01-15"))
    assert made.status_code == 201, made.text
    number = {"registry_number": "9-1", "date": "2026-01-10"}
    assert (await found(twin, number))[0]["status"]["code"] == "valid"
    await twin.clock.advance(timedelta(hours=24))
    assert (await found(twin, number))[0]["status"]["code"] == "expired"


def deed(**changes: Any) -> dict[str, Any]:
    return {
        "registry_number": "9-1",
        "date": "2026-01-10",
        "notary": {"surname": "Растаева", "name": "Нұсқа", "licence_number": "99000002", "region": "Атырау облысы"},
        "principals": [{"name": "Сынақов Сынақ", "iin": synthetic_iin(21)}],
        "representatives": [{"name": "Үлгілі Үміт", "iin": synthetic_iin(20)}],
        "valid_from": "2026-01-10",
        "valid_to": "2028-01-10",
        "substitution_right": False,
        "powers_text": "Өтініш беру",
        **changes,
    }


async def test_what_no_notary_certified_is_not_there(twin: Bench) -> None:
    answer = await asked(twin, by_number("absent"))
    assert (answer.data["result"]["code"], answer.data["attorneys"]) == ("00000", [])


async def test_number_and_date_have_to_agree(twin: Bench) -> None:
    assert await found(twin, by_number("valid") | {"date": "2025-03-04"}) == []


async def test_powers_are_found_by_either_side(twin: Bench) -> None:
    given = await found(twin, {"principal_iin": PRINCIPAL})
    taken = await found(twin, {"representative_iin": REPRESENTATIVE})
    numbers = {attorney["registry_number"] for attorney in given}
    assert {EXAMPLES[name]["registry_number"] for name in ("valid", "expired", "revoked")} <= numbers
    assert EXAMPLES["other_principal"]["registry_number"] not in numbers
    assert EXAMPLES["other_principal"]["registry_number"] in {attorney["registry_number"] for attorney in taken}
    assert all(REPRESENTATIVE in {party.get("iin") for party in one["representatives"]} for one in taken)
    days = [attorney["date"] for attorney in taken]
    assert days == sorted(days, reverse=True), "newest first"
    assert await found(twin, {"representative_iin": EXAMPLES["valid"]["principal_iin"]}) != given


async def test_a_power_of_attorney_of_another_principal_names_him(twin: Bench) -> None:
    [attorney] = await found(twin, by_number("other_principal"))
    assert [party["iin"] for party in attorney["principals"]] != [PRINCIPAL]


async def test_several_parties_and_an_organisation_are_named(twin: Bench) -> None:
    [attorney] = await found(twin, by_number("several_principals"))
    assert len(attorney["principals"]) == 2
    [attorney] = await found(twin, by_number("several_representatives"))
    assert len(attorney["representatives"]) == 2
    [attorney] = await found(twin, by_number("organisation"))
    [organisation] = attorney["principals"]
    assert organisation["bin"] == "991240991014" and "iin" not in organisation


@pytest.mark.parametrize(("example", "right"), [("with_substitution", True), ("without_substitution", False)])
async def test_the_right_of_substitution_is_told(twin: Bench, example: str, right: bool) -> None:
    [attorney] = await found(twin, by_number(example))
    assert attorney["substitution_right"] is right


async def test_a_read_is_recorded_for_everybody_in_the_deed(twin: Bench) -> None:
    question = twin.question("query.attorney", by_number("several_representatives"))
    await twin.deliver(question)
    await twin.answers(1)
    [read] = await twin.reads(iin=PRINCIPAL)
    assert [one["id"] for one in await twin.reads(iin=EXAMPLES["valid"]["representative_iin"])] == [read["id"]]
    assert (read["criterion"], read["asked_iin"], read["found"]) == ("date+registry_number", None, 1)
    assert (read["source"], read["case"], read["clause"]) == ("con-arm", question.subject, "8 3)")
    [line] = await twin.journal()
    assert (line["service"], line["outcome"], line["type"]) == ("enis-mock", "answered", "kz.egov.answer.attorney.v1")


async def test_an_expired_question_is_recorded_and_not_answered(twin: Bench) -> None:
    late = twin.clock.now() - timedelta(seconds=5)
    await twin.deliver(twin.question("query.attorney", by_number("valid"), expirytime=late))
    [read] = await twin.reads()
    assert (read["outcome"], read["answers"], twin.sent) == ("expired", [], [])


@pytest.mark.parametrize(
    ("kind", "more", "numbers"),
    [
        ("silent", {}, None),
        ("late", {"seconds": 30.0}, ["1-101"]),
        ("wrong_person", {}, ["2-201"]),
        ("wrong_signature", {}, ["1-101"]),
        ("garbage", {}, None),
    ],
)
async def test_every_fault_bends_this_register_too(
    twin: Bench, kind: str, more: dict[str, Any], numbers: list[str] | None
) -> None:
    await twin.fault(kind=kind, times=1, **more)
    await twin.deliver(twin.question("query.attorney", by_number("valid")))
    await twin.later(31)
    [read] = await twin.reads()
    assert (read["outcome"], read["fault"]) == ("bent", kind)
    if kind == "silent":
        assert twin.sent == []
    else:
        [answer] = await twin.answers(1)
        told = answer.data["attorneys"]
        assert told == "<attorneys>" if numbers is None else [one["registry_number"] for one in told] == numbers
    [again] = (await found(twin, by_number("valid")))[-1:]
    assert again["registry_number"] == "1-101", "and then it is over"


async def test_a_fault_about_a_principal_bends_questions_by_number(twin: Bench) -> None:
    await twin.fault(kind="silent", iin=PRINCIPAL)
    await twin.deliver(twin.question("query.attorney", by_number("valid")))
    [answered] = await found(twin, by_number("other_principal"))
    assert answered["registry_number"] == "1-105" and len(twin.sent) == 1


@pytest.mark.parametrize(
    "criterion",
    [
        {},
        {"registry_number": "1-101"},
        {"registry_number": "1-101", "date": "2025-02-30"},
        {"registry_number": "x" * 10_000, "date": "2025-03-03"},
        {"principal_iin": "1"},
        {"principal_iin": PRINCIPAL, "representative_iin": REPRESENTATIVE},
        {"iin": PRINCIPAL},
    ],
)
async def test_a_question_that_is_none_is_a_dead_letter(twin: Bench, criterion: dict[str, Any]) -> None:
    await twin.deliver(twin.question("query.attorney", criterion))
    assert await twin.dead() == ["data.invalid"]


@pytest.mark.parametrize("iin", ["991231600013", "991331600012", synthetic_iin(9000)])
async def test_a_number_that_nobody_has_finds_nothing(twin: Bench, iin: str) -> None:
    assert await found(twin, {"principal_iin": iin}) == []


@pytest.mark.parametrize("number", ["<b>1-101</b>", "' OR '1'='1", "%", "1-10_"])
async def test_hostile_numbers_find_nothing(twin: Bench, number: str) -> None:
    assert await found(twin, {"registry_number": number, "date": VALID["date"]}) == []
