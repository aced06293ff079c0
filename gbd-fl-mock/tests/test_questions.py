"""Questions over the bus: how persons are found, as of which day, and that every read is recorded."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from egovkit.contracts import contracts_dir, read_once
from egovkit.envelope import Envelope
from egovkit.messages import MessageRegister
from egovlaw.identifiers import synthetic_iin
from gbd_fl_mock.seed.population import EXAMPLES

if TYPE_CHECKING:
    from egovregister.testing import Bench

pytestmark = pytest.mark.service
ADULT = EXAMPLES["ordinary_adult"]


async def asked(twin: Bench, criterion: dict[str, Any], **changes: Any) -> Envelope:
    """The answer to a question."""
    before = len(twin.sent)
    await twin.deliver(twin.question("query.person", criterion, **changes))
    return (await twin.answers(before + 1))[-1]


async def found(twin: Bench, criterion: dict[str, Any], **changes: Any) -> list[dict[str, Any]]:
    persons: list[dict[str, Any]] = (await asked(twin, criterion, **changes)).data["persons"]
    return persons


async def names_of(twin: Bench, iin: str) -> dict[str, Any]:
    [person] = await found(twin, {"iin": iin})
    return {name: person[name] for name in ("surname", "name", "patronymic", "birth_date") if name in person}


async def test_an_answer_belongs_to_its_question_and_goes_back_to_who_asked(twin: Bench) -> None:
    question = twin.question("query.person", {"iin": ADULT})
    await twin.deliver(question)
    [answer] = await twin.answers(1)
    assert (answer.type, answer.source, answer.recipient) == ("kz.egov.answer.person.v1", "gbd-fl-mock", "con-arm")
    assert (answer.correlationid, answer.causationid, answer.caseseq) == (question.id, question.id, 0)
    for name in ("subject", "regulation", "channel", "step", "region"):
        assert getattr(answer, name) == getattr(question, name)
    assert twin.sent[0].queue == "shep.ingress"
    assert answer.data["result"]["code"] == "00000"
    assert [person["iin"] for person in answer.data["persons"]] == [ADULT]
    read_once(MessageRegister.load, contracts_dir()).check(answer.type, answer.data)


async def test_an_answered_question_is_one_line_of_the_trace(twin: Bench) -> None:
    answer = await asked(twin, {"iin": ADULT})
    [line] = await twin.journal()
    assert {name: line[name] for name in ("service", "step", "clause", "outcome", "type", "id", "recipient")} == {
        "service": "gbd-fl-mock",
        "step": "P3",
        "clause": "8 3)",
        "outcome": "answered",
        "type": "kz.egov.answer.person.v1",
        "id": answer.id,
        "recipient": "con-arm",
    }
    assert ADULT not in str(line)


async def test_every_read_says_who_asked_why_and_what_was_found(twin: Bench) -> None:
    question = twin.question("query.person", {"iin": ADULT})
    await twin.deliver(question)
    [answer] = await twin.answers(1)
    [read] = await twin.reads()
    assert read | {"id": "", "at": ""} == {
        "id": "",
        "at": "",
        "source": "con-arm",
        "question": question.id,
        "case": question.subject,
        "official": "operator-1",
        "purpose_ru": "Постановка на учёт нуждающихся в жилье",
        "clause": "8 3)",
        "regulation": "test-regulation",
        "channel": "centre",
        "step": "P3",
        "region": "test-region",
        "criterion": "iin",
        "asked_iin": ADULT,
        "as_of": None,
        "found": 1,
        "outcome": "answered",
        "fault": None,
        "answers": [{"id": answer.id, "at": "2026-01-15T04:00:00Z", "refused": None}],
    }


@pytest.mark.parametrize(
    "iin",
    [EXAMPLES["not_in_register"], "991231600013", "991331600012", "000000000000"],
    ids=["unknown", "wrong check digit", "wrong date", "zeroes"],
)
async def test_who_is_not_there_is_an_empty_list_and_no_mistake(twin: Bench, iin: str) -> None:
    answer = await asked(twin, {"iin": iin})
    assert (answer.data["result"]["code"], answer.data["persons"]) == ("00000", [])
    [read] = await twin.reads(iin=iin)
    assert (read["found"], read["outcome"]) == (0, "answered")


async def test_a_person_is_found_by_names_and_birth_date_in_any_case_of_letters(twin: Bench) -> None:
    names = await names_of(twin, ADULT)
    for spelled in (names, {k: v.upper() for k, v in names.items()}, {k: f" {v.lower()} " for k, v in names.items()}):
        wanted = {**spelled, "birth_date": names["birth_date"]}
        assert [person["iin"] for person in await found(twin, wanted)] == [ADULT]
    reads = await twin.reads(iin=ADULT)
    assert {read["criterion"] for read in reads} == {"iin", "birth_date+name+patronymic+surname"}


async def test_a_name_that_is_left_out_means_that_the_person_has_none(twin: Bench) -> None:
    names = await names_of(twin, ADULT)
    del names["patronymic"]
    assert await found(twin, names) == []
    nameless = EXAMPLES["without_surname"]
    wanted = await names_of(twin, nameless)
    assert wanted.keys() == {"name", "birth_date"}
    assert [person["iin"] for person in await found(twin, wanted)] == [nameless]


@pytest.mark.parametrize("example", ["kazakh_letters", "hyphens", "without_patronymic", "foreign"])
async def test_unusual_names_are_found_as_others_are(twin: Bench, example: str) -> None:
    names = await names_of(twin, EXAMPLES[example])
    assert [person["iin"] for person in await found(twin, names)] == [EXAMPLES[example]]


async def test_a_person_is_found_by_any_document_he_has(twin: Bench) -> None:
    [person] = await found(twin, {"iin": EXAMPLES["two_documents"]})
    valid = [paper for paper in person["documents"] if paper["status"]["code"] == "00"]
    assert len(valid) == 2
    for paper in valid:
        [same] = await found(twin, {"document_number": paper["number"]})
        assert same["iin"] == person["iin"]
    assert await found(twin, {"document_number": "N00000000"}) == []


async def test_the_state_of_a_day_is_given_when_it_is_asked_for(twin: Bench) -> None:
    dead = {"iin": EXAMPLES["deceased"]}
    [now] = await found(twin, dead)
    assert (now["life_status"]["code"], now["death_date"]) == ("1", "2024-02-11")
    answer = await asked(twin, dead, data={"as_of": "2024-02-10"})
    [then] = answer.data["persons"]
    assert then["life_status"]["code"] == "0" and "death_date" not in then
    assert answer.data["as_of"] == "2024-02-10"
    assert await found(twin, dead, data={"as_of": "1900-01-01"}) == []
    assert [read["as_of"] for read in await twin.reads()] == ["1900-01-01", "2024-02-10", None]


async def test_a_person_is_found_by_the_name_of_that_day(twin: Bench) -> None:
    iin = EXAMPLES["changed_name"]
    names = await names_of(twin, iin)
    assert names["surname"] == "Жаңғыртова"
    assert await found(twin, names, data={"as_of": "2023-10-01"}) == []
    [before] = await found(twin, {"iin": iin}, data={"as_of": "2023-10-01"})
    old = names | {"surname": before["surname"]}
    assert await found(twin, old) == []
    [same] = await found(twin, old, data={"as_of": "2023-10-01"})
    assert same["iin"] == iin


async def test_a_question_nobody_waits_for_any_more_is_recorded_and_not_answered(twin: Bench) -> None:
    late = twin.question("query.person", {"iin": ADULT}, expirytime=twin.clock.now() - timedelta(seconds=2.1))
    await twin.deliver(late)
    [read] = await twin.reads()
    assert (read["outcome"], read["found"], read["answers"]) == ("expired", None, [])
    [line] = await twin.journal()
    assert (line["outcome"], line["type"], line["id"]) == ("expired", late.type, late.id)
    assert await twin.node.relay.backlog() == 0 and twin.sent == []


async def test_clocks_may_differ_by_two_seconds(twin: Bench) -> None:
    answer = await asked(twin, {"iin": ADULT}, expirytime=twin.clock.now() - timedelta(seconds=2))
    assert len(answer.data["persons"]) == 1


async def test_more_than_twenty_are_cut_and_said_to_be_more(twin: Bench) -> None:
    twins = {"surname": "Көпшілік", "name": "Аты", "birth_date": "1990-01-01"}
    codes = {name: {"code": code} for name, code in CODES.items()}
    for n in range(21):
        person = {"iin": synthetic_iin(6000 + n), **twins, **codes, "birth_place": {}}
        made = await twin.admin.post("/v1/persons", json={"person": person, "reason": "Проба"})
        assert made.status_code == 201, made.text
    answer = await asked(twin, twins)
    assert (answer.data["result"]["code"], len(answer.data["persons"])) == ("00001", 20)


CODES = {"gender": "1", "nationality": "005", "citizenship": "398", "life_status": "0"}


async def test_reads_are_filtered_and_paged_newest_first(twin: Bench) -> None:
    cases = [twin.ids.new() for _ in range(3)]
    for case in cases:
        await asked(twin, {"iin": ADULT}, subject=case)
    assert [read["case"] for read in await twin.reads()] == cases[::-1]
    assert [read["case"] for read in await twin.reads(case=cases[1])] == [cases[1]]
    assert len(await twin.reads(source="con-arm", iin=ADULT)) == 3
    assert await twin.reads(source="portal-pep") == []
    assert await twin.reads(iin=EXAMPLES["deceased"]) == []
    page = (await twin.admin.get("/v1/reads", params={"limit": 2})).json()
    rest = (await twin.admin.get("/v1/reads", params={"limit": 2, "cursor": page["next"]})).json()
    assert [read["case"] for read in page["items"] + rest["items"]] == cases[::-1]
    assert rest["next"] is None


@pytest.mark.parametrize("params", [{"iin": "12"}, {"limit": 0}, {"limit": 201}, {"cursor": "' OR 1=1 --"}])
async def test_a_filter_that_cannot_be_is_refused(twin: Bench, params: dict[str, Any]) -> None:
    answer = await twin.admin.get("/v1/reads", params=params)
    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")


@pytest.mark.parametrize(
    "criterion",
    [
        {},
        {"iin": "99123160001"},
        {"iin": ADULT, "document_number": "991000000"},
        {"birth_date": "1990-01-01"},
        {"birth_date": "1990-13-01", "name": "Аты"},
        {"name": "А" * 10_000, "birth_date": "1990-01-01"},
        {"phone": "+77010000000"},
    ],
)
async def test_a_question_that_is_none_is_a_dead_letter(twin: Bench, criterion: dict[str, Any]) -> None:
    await twin.deliver(twin.question("query.person", criterion))
    assert await twin.dead() == ["data.invalid"]
    assert await twin.reads() == []


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "'; DROP TABLE versions; --", "%", "_____", "\u202eкері", "Ә" * 120]
)
async def test_hostile_names_find_nobody_and_break_nothing(twin: Bench, name: str) -> None:
    assert await found(twin, {"name": name, "surname": name, "birth_date": "1991-01-15"}) == []
    assert await found(twin, {"document_number": name[:40]}) == []
    assert len(await found(twin, {"iin": ADULT})) == 1


async def test_a_question_for_another_register_is_a_dead_letter(twin: Bench) -> None:
    await twin.deliver(twin.question("query.attorney", {"principal_iin": ADULT}))
    assert await twin.dead() == ["message.type_unknown"]


async def test_a_gateways_acceptance_changes_nothing(twin: Bench) -> None:
    told = twin.question("envelope.accepted", {}, source="gateway-shep", caseseq=0, expirytime=None)
    told.data.clear()
    told.data.update({"id": told.id, "sha256": "0" * 64, "receipt": "a.b.c"})
    await twin.deliver(told)
    assert (twin.letters, await twin.reads(), await twin.journal("admin")) == ([], [], [])


async def test_logs_name_no_person(twin: Bench, caplog: pytest.LogCaptureFixture) -> None:
    await twin.fault(kind="garbage")
    answer = await asked(twin, {"iin": ADULT})
    await twin.deliver(twin.refusal(answer, "data.invalid"))
    await twin.admin.get(f"/v1/persons/{ADULT}")
    assert ADULT not in caplog.text
