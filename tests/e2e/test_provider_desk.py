"""The provider's own desk played from outside: the flow that signs first, and a channel that is only named."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from sandbox.composition import PROVIDER, SHEP
from sandbox.journals import read_copy
from sandbox.replay.scenario import ResultText
from sandbox.world import Deployment, World

if TYPE_CHECKING:
    from sandbox.staff import Official

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

SIGNED_FIRST, REGION = "tayynsha-social-assistance", "tayynsha"
NAMED_ONLY, CENTRE = "wko-asp-recipient-certificate", "employment_centre"
PAPERS = [{"name": "Жеке куәлік", "kind": "original", "note": ""}]
ADDRESS = "tutynushy@example.kz"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def desk_world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    async with World(tmp_path_factory.mktemp("desk"), ports="auto") as world:
        yield world


async def filled(world: Deployment, official: Official) -> str:
    case = await official.open_visit(SIGNED_FIRST, PAPERS)
    await official.enter_consumer(case, (await world.citizen()).iin)
    await official.fill(case, {"email": ADDRESS}, ())
    return case


async def told(world: Deployment, case: str, last: str) -> list[str]:
    """What ШЭП took in of a case, once it has the last of it."""
    clock, names = world.clock, list[str]()
    deadline = clock.monotonic() + 60
    while last not in names:
        assert clock.monotonic() < deadline, names
        await clock.sleep(0.1)
        rows = (await read_copy(SHEP, world.journals()[SHEP])).rows
        mine = [row.facts for row in rows if row.case_id == case and row.facts.get("outcome") == "consumed"]
        names = [str(facts["type"]).removeprefix("kz.egov.").removesuffix(".v1") for facts in mine]
    return names


async def test_a_case_signed_first_goes_to_its_hand_over_by_e_mail(desk_world: Deployment) -> None:
    official = await desk_world.official(region=REGION)
    case = await filled(desk_world, official)
    signed = await official.sign_first(case)
    assert signed.status_code == 200, signed.text
    await official.take(case)
    await official.decide(case, "negative", [{"code": "income.above", "text": "Доход выше черты бедности"}])
    await official.take(case)
    await official.issue_result(case, ResultText("Отказано", "Бас тартылды", outcome="negative"))
    assert await official.give_out(case, "by_email", ADDRESS) == "handed_over"
    assert await told(desk_world, case, "case.handed_over") == [
        "case.registered",
        "case.decided",
        "case.completed",
        "case.handed_over",
    ]


async def test_a_certificate_that_ran_out_ends_the_case_with_the_acts_refusal(desk_world: Deployment) -> None:
    now = desk_world.clock.now()
    dates = {"not_before": now - timedelta(days=400), "not_after": now - timedelta(days=35)}
    wanted = {name: moment.isoformat() for name, moment in dates.items()}
    official = await desk_world.official(region=REGION, **wanted)
    case = await filled(desk_world, official)
    refused = await official.sign_first(case)
    assert (refused.json()["code"], refused.json()["clause"]) == ("certificate.expired", "6 8)")
    assert await told(desk_world, case, "steps.reported") == ["steps.reported"]


@pytest.mark.law(topic="general", regulation="wko-targeted-social-assistance", clause=("1 абзац 2", "1 1)"))
@pytest.mark.law(topic="flow", regulation="wko-targeted-social-assistance")
@pytest.mark.law(topic="receipt", regulation="wko-targeted-social-assistance")
async def test_the_employment_centre_takes_in_and_the_procedure_begins(desk_world: Deployment) -> None:
    clerk = await desk_world.official(region="wko", desk=CENTRE)
    iin = (await desk_world.citizen()).iin
    receipt = await clerk.take_in(NAMED_ONLY, CENTRE, iin, PAPERS)
    document: dict[str, Any] = json.loads(base64.b64decode(receipt["document"]))
    assert (document["number"], document["papers"]) == (receipt["number"], PAPERS)
    assert (await clerk.find(receipt["case"]))["internal"]["n"] == 1
    missing = await clerk.refuse_to_accept(NAMED_ONLY, CENTRE, iin, PAPERS)
    assert (missing["kind"], missing["case"]) == ("refused", None)
    rows = (await read_copy(PROVIDER, desk_world.journals()[PROVIDER])).rows
    assert next(row.facts["action"] for row in rows if row.case_id == receipt["case"]) == "intake.accepted"
