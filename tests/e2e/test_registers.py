"""A partner's centre asks both registers through ШЭП; what a bent register says meets ШЭП's judgement."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from egovkit.envelope import Envelope
from sandbox.bootstrap import answer, bearer
from sandbox.composition import ATTORNEYS, PERSONS
from sandbox.partner import Partner, Where
from sandbox.replay.reading import load_all
from sandbox.world import Deployment

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
SCENARIO = load_all()[0]
WAY = (("P1", "done"), ("P2", "done"))  # of the centre's flow, to the step at which registers are asked
ASKED_AT = "P3"
PATIENCE = 60.0
REGISTERS = {"person": PERSONS, "attorney": ATTORNEYS}


@dataclass
class Desk:
    """The partner's operator, and the registers' administrator."""

    world: Deployment
    partner: Partner
    examples: dict[str, dict[str, Any]]

    async def ask(self, name: str, criterion: dict[str, Any], case: str | None = None, seq: int = 1) -> Envelope:
        data = {"criterion": criterion, "official": "op-1", "purpose_ru": "Проверка", "clause": "8 3)"}
        trail = self.partner.trail(WAY) if seq == 1 else []
        question = self.partner.envelope(f"query.{name}", ASKED_AT, data | {"trail": trail}, case=case)
        limit = self.world.clock.now() + timedelta(seconds=60)
        question = replace(question, recipient=REGISTERS[name], caseseq=seq, expirytime=limit)
        sent = await self.partner.send(question)
        assert sent.status_code == 202, sent.text
        return question

    async def answers_to(self, question: Envelope) -> list[Envelope]:
        found = [Envelope.parse(base64.b64decode(item["envelope"])) for item in await self.partner.inbox()]
        return [one for one in found if one.correlationid == question.id]

    async def answered(self, question: Envelope) -> dict[str, Any]:
        return (await self.until(lambda: self.answers_to(question)))[0].data

    async def read_of(self, register: str, question: Envelope) -> dict[str, Any] | None:
        page = await self.admin("GET", register, "/v1/reads", params={"case": question.subject})
        return next((read for read in page.json()["items"] if read["question"] == question.id), None)

    async def refused(self, question: Envelope) -> list[str]:
        """What gateways said against the answers of a person's question."""
        read = await self.read_of(PERSONS, question)
        return [one["refused"]["code"] for one in (read or {"answers": []})["answers"] if one["refused"]]

    async def admin(self, method: str, register: str, path: str, **sent: Any) -> httpx.Response:
        headers = bearer(self.world.admin_token(register))
        return await self.world.http.request(method, f"{self.world.url(register)}{path}", headers=headers, **sent)

    async def until(self, look: Any) -> Any:
        deadline = self.world.clock.monotonic() + PATIENCE
        while not (seen := await look()):
            assert self.world.clock.monotonic() < deadline, "it did not come"
            await self.world.clock.sleep(0.05)
        return seen

    @asynccontextmanager
    async def fault(self, **wish: Any) -> AsyncIterator[None]:
        answer(await self.admin("PUT", PERSONS, "/v1/control/fault", json=wish))
        try:
            yield
        finally:
            await self.admin("DELETE", PERSONS, "/v1/control/fault")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def desk(world: Deployment) -> Desk:
    where = Where(SCENARIO.regulation, "centre", SCENARIO.region)
    made = Desk(world, await Partner.join(world, "partner-centre", where, kind="centre"), {})
    for code in (PERSONS, ATTORNEYS):
        made.examples[code] = answer(await made.admin("GET", code, "/v1/control/examples"))
    return made


async def test_both_registers_answer_one_case(desk: Desk) -> None:
    valid = desk.examples[ATTORNEYS]["valid"]
    person = await desk.ask("person", {"iin": valid["principal_iin"]})
    number = {name: valid[name] for name in ("registry_number", "date")}
    attorney = await desk.ask("attorney", number, case=person.subject, seq=2)
    [who] = (await desk.answered(person))["persons"]
    [deed] = (await desk.answered(attorney))["attorneys"]
    assert deed["status"]["code"] == "valid"
    [principal] = deed["principals"]
    assert principal["iin"] == who["iin"]
    assert principal["name"] == " ".join(who[part] for part in ("surname", "name", "patronymic"))
    for code, question in ((PERSONS, person), (ATTORNEYS, attorney)):
        read = await desk.read_of(code, question)
        assert read is not None and (read["outcome"], read["source"]) == ("answered", "partner-centre")


async def test_nobody_is_found_without_a_mistake(desk: Desk) -> None:
    data = await desk.answered(await desk.ask("person", {"iin": desk.examples[PERSONS]["not_in_register"]}))
    assert (data["result"]["code"], data["persons"]) == ("00000", [])


async def test_garbage_is_refused_by_shep_and_the_register_hears_of_it(desk: Desk) -> None:
    iin = desk.examples[PERSONS]["ordinary_adult"]
    async with desk.fault(kind="garbage", iin=iin):
        asked = await desk.ask("person", {"iin": iin})
        assert await desk.until(lambda: desk.refused(asked)) == ["data.invalid"]
    assert await desk.answers_to(asked) == []
    again = await desk.ask("person", {"iin": iin}, case=asked.subject, seq=2)
    assert [one["iin"] for one in (await desk.answered(again))["persons"]] == [iin]


async def test_a_second_answer_is_refused_and_the_first_one_stands(desk: Desk) -> None:
    iin = desk.examples[PERSONS]["ordinary_adult"]
    async with desk.fault(kind="twice", iin=iin, times=1):
        asked = await desk.ask("person", {"iin": iin})
        assert await desk.until(lambda: desk.refused(asked)) == ["order.already_answered"]
    assert len(await desk.answers_to(asked)) == 1


async def test_a_wrong_signature_goes_no_further_than_shep(desk: Desk) -> None:
    iin = desk.examples[PERSONS]["ordinary_adult"]
    async with desk.fault(kind="wrong_signature", iin=iin, times=1):
        asked = await desk.ask("person", {"iin": iin})
        read = await desk.until(lambda: desk.read_of(PERSONS, asked))
        assert (read["outcome"], len(read["answers"])) == ("bent", 1)
    again = await desk.ask("person", {"iin": iin}, case=asked.subject, seq=2)
    await desk.answered(again)
    assert await desk.answers_to(asked) == [], "whoever does not sign as himself is not heard"


async def test_a_late_answer_comes_later(desk: Desk) -> None:
    iin = desk.examples[PERSONS]["ordinary_adult"]
    async with desk.fault(kind="late", seconds=1.5, iin=iin, times=1):
        asked = await desk.ask("person", {"iin": iin})
        read = await desk.until(lambda: desk.read_of(PERSONS, asked))
        assert (read["outcome"], read["fault"]) == ("bent", "late")
    [late] = await desk.until(lambda: desk.answers_to(asked))
    assert late.time >= asked.time + timedelta(seconds=1.5)


@pytest.mark.law(topic="quality", regulation="atyrau-housing-queue", clause="16 3)")
@pytest.mark.law(topic="quality", regulation="semey-*", clause=("16 5)", "17 5)"))
async def test_what_a_register_missed_while_it_was_down_is_answered_afterwards(desk: Desk) -> None:
    iin = desk.examples[PERSONS]["ordinary_adult"]
    async with desk.fault(kind="down"):
        asked = await desk.ask("person", {"iin": iin})
        assert await desk.read_of(PERSONS, asked) is None
    assert [one["iin"] for one in (await desk.answered(asked))["persons"]] == [iin]
