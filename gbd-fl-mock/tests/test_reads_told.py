"""Who read my data: a person's question over the bus, answered from the record of reads."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from egovkit.contracts import contracts_dir, read_once
from egovkit.envelope import Envelope
from egovkit.messages import MessageRegister
from gbd_fl_mock.seed.population import EXAMPLES

if TYPE_CHECKING:
    from egovregister.testing import Bench

pytestmark = pytest.mark.service
ADULT, OTHER = EXAMPLES["ordinary_adult"], EXAMPLES["principal"]
NOWHERE = {"regulation": "-", "channel": "-", "step": "-", "region": "-", "caseseq": 0}


def question(twin: Bench, iin: str = ADULT, **data: Any) -> Envelope:
    """As the portal asks; the bench's centre stands for it, since who may ask is ШЭП's to judge."""
    asked = twin.question("query.reads", None, **NOWHERE)
    asked.data.clear()
    asked.data.update({"iin": iin, "limit": 100, **data})
    return asked


async def told(twin: Bench, iin: str = ADULT, **data: Any) -> dict[str, Any]:
    before = len(twin.sent)
    await twin.deliver(question(twin, iin, **data))
    found: dict[str, Any] = (await twin.answers(before + 1))[-1].data
    return found


async def read(twin: Bench, iin: str = ADULT, **changes: Any) -> Envelope:
    """Somebody asks about this person."""
    before, asked = len(twin.sent), twin.question("query.person", {"iin": iin}, **changes)
    await twin.deliver(asked)
    await twin.answers(before + 1)
    return asked


async def test_a_read_is_told_with_asker_purpose_step_and_clause_and_the_answer_fits_its_schema(twin: Bench) -> None:
    read_by = await read(twin)
    asked = question(twin)
    await twin.deliver(asked)
    answer = (await twin.answers(2))[-1]
    read_once(MessageRegister.load, contracts_dir()).check(answer.type, answer.data)
    assert (answer.type, answer.recipient, answer.correlationid) == ("kz.egov.answer.reads.v1", "con-arm", asked.id)
    assert (answer.regulation, answer.step, answer.caseseq) == ("-", "-", 0)
    [one] = answer.data["reads"]
    expected = {
        "source": "con-arm", "official": "operator-1", "purpose_ru": "Постановка на учёт нуждающихся в жилье",
        "clause": "8 3)", "case": read_by.subject, "regulation": "test-regulation", "channel": "centre", "step": "P3",
        "region": "test-region", "criterion": "iin", "found": 1, "outcome": "answered",
    }  # fmt: skip
    assert {name: one[name] for name in expected} == expected
    assert one.keys() == {*expected, "id", "at"}
    assert (answer.data["iin"], answer.data["more"]) == (ADULT, False)


async def test_only_reads_of_the_person_who_asks_are_told(twin: Bench) -> None:
    await read(twin, OTHER)
    assert (await told(twin))["reads"] == []
    assert len((await told(twin, OTHER))["reads"]) == 1


async def test_whoever_was_found_by_a_name_is_told_of_it_and_of_no_one_else(twin: Bench) -> None:
    person = (await twin.admin.get(f"/v1/persons/{ADULT}")).json()["person"]
    names = {name: person[name] for name in ("surname", "name", "birth_date")}
    before = len(twin.sent)
    await twin.deliver(twin.question("query.person", {**names, "patronymic": person["patronymic"]}))
    await twin.answers(before + 1)
    by_name = [one for one in (await told(twin))["reads"] if one["criterion"] != "iin"]
    assert [(one["criterion"], one["outcome"]) for one in by_name if one["outcome"] != "shown"] == [
        ("birth_date+name+patronymic+surname", "answered")
    ]
    assert not any(value in str(by_name) for value in (person["surname"], OTHER))


async def test_an_administrators_look_is_told_too(twin: Bench) -> None:
    assert (await twin.admin.get(f"/v1/persons/{ADULT}")).status_code == 200
    [one] = (await told(twin))["reads"]
    assert (one["source"], one["official"], one["outcome"], one["clause"]) == (twin.code, "administrator", "shown", "-")
    assert "case" not in one


async def test_telling_is_no_read_and_stands_in_the_journal(twin: Bench) -> None:
    await told(twin)
    assert (await told(twin))["reads"] == []
    assert [row["action"] for row in await twin.journal("admin")].count("reads.told") == 2


async def test_pages_follow_one_another_oldest_first(twin: Bench) -> None:
    asked = [await read(twin) for _ in range(3)]
    first = await told(twin, limit=2)
    assert [one["case"] for one in first["reads"]] == [one.subject for one in asked[:2]] and first["more"]
    rest = await told(twin, limit=2, after=first["reads"][-1]["id"])
    assert [one["case"] for one in rest["reads"]] == [asked[2].subject] and not rest["more"]


async def test_since_leaves_out_what_was_before(twin: Bench) -> None:
    await read(twin)
    await twin.clock.advance(timedelta(minutes=1))
    late = await read(twin)
    since = (twin.clock.now() - timedelta(seconds=30)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert [one["case"] for one in (await told(twin, since=since))["reads"]] == [late.subject]


async def test_a_bent_answer_was_a_read_like_any_other(twin: Bench) -> None:
    await twin.fault(kind="silent", times=1)
    asked = twin.question("query.person", {"iin": ADULT})
    await twin.deliver(asked)
    [one] = (await told(twin))["reads"]
    assert (one["case"], one["outcome"]) == (asked.subject, "answered")


async def test_an_expired_question_is_not_answered(twin: Bench) -> None:
    asked = question(twin)
    await twin.clock.advance(timedelta(minutes=5))
    await twin.app.state.node.refresh()
    await twin.deliver(asked)
    assert twin.sent == []
    assert [row["outcome"] for row in await twin.journal("admin") if row["action"] == "reads.told"] == ["expired"]
