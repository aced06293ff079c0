"""Faults by name and magic identities in a running world: what the systems around a broken one say, in whose code."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from egovkit.contracts import contracts_dir
from egovkit.envelope import Envelope
from egovkit.sandbox.identities import Identity, load_identities
from egovkit.signatures.keys import SigningKey
from sandbox.bootstrap import RefusedByService
from sandbox.composition import ATTORNEYS, NUC, PERSONS, PORTAL
from sandbox.faults import checked, clear, listed, put
from sandbox.identities import issue, write_container
from sandbox.partner import Partner, Where
from sandbox.people import Citizen
from sandbox.sabotage import case_rows
from sandbox.target import TargetRefused
from sandbox.world import World

from .test_registers import SCENARIO, Desk

# The faults are the service's own, whatever bus it runs on (libs/egovkit/tests/test_faulty_rabbit.py); of the shared
# worlds the embedded one alone is a sandbox.
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("world", ["embedded"], indirect=True),
]
IDENTITIES = load_identities(contracts_dir())
CERTIFICATES = [one for one in IDENTITIES.values() if one.refusal is not None]
ANSWER = "answer.person"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def desk(world: World) -> Desk:
    where = Where(SCENARIO.regulation, "centre", SCENARIO.region)
    return Desk(world, await Partner.join(world, "partner-faults", where, kind="centre"), {})


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def mended(world: World) -> AsyncIterator[None]:
    """Nobody else's test finds a fault of ours."""
    yield
    await clear(world.aim)
    assert await listed(world.aim) == []


async def broken(world: World, name: str, system: str = PERSONS, **wish: Any) -> dict[str, Any]:
    [rule] = await put(world.aim, world.home, checked(system, {"name": name, **wish}))
    return rule


def person(name: str = "person-ordinary") -> dict[str, Any]:
    return {"iin": IDENTITIES[name].iin}


async def refusals(desk: Desk, question: Envelope) -> list[str]:
    """Codes in the journals of the case."""
    rows = await case_rows(desk.world, question.subject)
    return [row.facts["code"] for row in rows if row.kind == "refusal"]


async def test_a_lost_answer_never_comes_and_the_repeated_question_is_answered(world: World, desk: Desk) -> None:
    await broken(world, "drop", message=ANSWER, person=person()["iin"], times=1)
    asked = await desk.ask("person", person())

    async def is_lost() -> bool:
        [rule] = await listed(world.aim, PERSONS)
        return bool(rule["hits"] == 1)

    await desk.until(is_lost)
    again = await desk.ask("person", person(), case=asked.subject, seq=2)
    await desk.answered(again)
    assert await desk.answers_to(asked) == []


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("bad-signature", "signature.invalid"),
        ("expired-certificate", "certificate.expired"),
        ("revoked-certificate", "certificate.revoked"),
    ],
)
async def test_what_a_register_signs_wrongly_shep_refuses_by_its_own_code(
    world: World, desk: Desk, name: str, code: str
) -> None:
    await broken(world, name, message=ANSWER, person=person()["iin"], times=1)
    asked = await desk.ask("person", person())
    assert await desk.until(lambda: refusals(desk, asked)) == [code]
    assert await desk.answers_to(asked) == []
    again = await desk.ask("person", person(), case=asked.subject, seq=2)
    assert [one["iin"] for one in (await desk.answered(again))["persons"]] == [person()["iin"]]


async def test_a_duplicated_answer_happens_once(world: World, desk: Desk) -> None:
    rule = await broken(world, "duplicate", message=ANSWER, person=person()["iin"], parameters={"copies": 3})
    asked = await desk.ask("person", person())
    await desk.answered(asked)
    await world.idle()
    assert len(await desk.answers_to(asked)) == 1
    [now] = await listed(world.aim, PERSONS)
    assert (now["id"], now["hits"]) == (rule["id"], 1)


async def test_an_answer_to_somebody_else_is_refused_by_its_route(world: World, desk: Desk) -> None:
    wish = {"message": ANSWER, "times": 1, "parameters": {"recipient": PORTAL}}
    await broken(world, "wrong-recipient", **wish)
    asked = await desk.ask("person", person())
    [code] = await desk.until(lambda: refusals(desk, asked))
    assert code.startswith(("order.", "route."))
    assert await desk.answers_to(asked) == []


async def test_a_register_without_its_broker_answers_once_it_is_back(world: World, desk: Desk) -> None:
    await broken(world, "broker-restart", parameters={"seconds": 1.0})
    asked = await desk.ask("person", person())
    await desk.answered(asked)
    assert len(await desk.answers_to(asked)) == 1


async def test_a_register_says_it_has_no_data_until_the_fault_is_cleared(world: World, desk: Desk) -> None:
    rule = await broken(world, "no-data", person=person()["iin"])
    assert (rule["name"], rule["place"], rule["matched"]) == ("no-data", "register", None)
    asked = await desk.ask("person", person())
    assert (await desk.answered(asked))["persons"] == []
    await clear(world.aim, PERSONS, "no-data")
    again = await desk.ask("person", person(), case=asked.subject, seq=2)
    assert len((await desk.answered(again))["persons"]) == 1


async def test_the_authority_can_fail_too_and_a_fault_it_cannot_have_is_refused(world: World) -> None:
    await broken(world, "http-500", NUC, parameters={"path": "/v1/certificates"}, times=1)
    headers = {"Authorization": f"Bearer {world.admin_token(NUC)}"}
    asked = [await world.http.get(f"{world.url(NUC)}/v1/certificates", headers=headers) for _ in range(2)]
    assert [answer.status_code for answer in asked] == [500, 200]
    with pytest.raises(TargetRefused, match=r"fault\.not_here"):
        await broken(world, "drop", NUC)


async def test_a_wrong_clock_is_one_services_alone(world: World) -> None:
    """Though all of them share one in this process."""
    await broken(world, "clock-skew", PORTAL, parameters={"seconds": 3600})
    views = {
        code: (await world.aim.ask("GET", world.aim.of(code)[0], "/v1/sandbox/clock"))["skew_s"]
        for code in (PORTAL, PERSONS)
    }
    assert views == {PORTAL: 3600, PERSONS: 0}


@pytest.mark.parametrize("name", ["person-ordinary", "person-deceased", "person-incapable", "person-minor"])
async def test_a_magic_person_is_always_the_same(desk: Desk, name: str) -> None:
    [found] = (await desk.answered(await desk.ask("person", person(name))))["persons"]
    told = {
        "alive": found["life_status"]["code"] == "0",
        "capable": "capable_status" not in found,
        "adult": found["birth_date"] < "2008",
    }
    plain = {"alive": True, "capable": True, "adult": True}
    lacking = {"person-deceased": "alive", "person-incapable": "capable", "person-minor": "adult"}
    assert told == (plain | {lacking[name]: False} if name in lacking else plain)


@pytest.mark.parametrize(
    ("name", "fault"), [("register-silent", "silent"), ("register-late", "late"), ("register-garbage", "garbage")]
)
async def test_the_register_is_always_bent_for_some_persons(desk: Desk, name: str, fault: str) -> None:
    asked = await desk.ask("person", person(name))
    read = await desk.until(lambda: desk.read_of(PERSONS, asked))
    assert (read["outcome"], read["fault"]) == ("bent", fault)
    assert await desk.answers_to(asked) == []
    if name == "register-garbage":
        assert await desk.until(lambda: desk.refused(asked)) == ["data.invalid"]


@pytest.mark.parametrize(
    ("name", "status"), [("attorney-expired", "expired"), ("attorney-revoked", "revoked"), ("attorney-absent", None)]
)
async def test_a_magic_deed_is_always_in_the_same_state(desk: Desk, name: str, status: str | None) -> None:
    begun = await desk.ask("person", person())
    asked = await desk.ask("attorney", dict(IDENTITIES[name].facts), case=begun.subject, seq=2)
    deeds = (await desk.answered(asked))["attorneys"]
    assert [deed["status"]["code"] for deed in deeds] == ([] if status is None else [status])
    assert IDENTITIES[name].system == ATTORNEYS


@pytest.mark.parametrize("identity", CERTIFICATES, ids=lambda one: one.name)
async def test_whoever_signs_with_a_magic_certificate_meets_its_refusal(
    world: World, identity: Identity, tmp_path: Path
) -> None:
    issued = await issue(world.aim, world.home, identity)
    container, password = write_container(issued, identity, tmp_path)
    key = SigningKey.load(container.read_bytes(), password.read_text())
    assert identity.iin is not None
    citizen = Citizen(
        world, world.url(PORTAL), identity.iin, f"Құпия-{world.ids.token(9)}", key, issued["certificate"], ""
    )
    await citizen.register()
    await citizen.log_in()
    with pytest.raises(RefusedByService) as refused:
        await citizen.confirm()
    assert f'"{identity.refusal}"' in str(refused.value)
