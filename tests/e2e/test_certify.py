"""A partner's system is certified when it keeps the rules of its role, and else told which clause it hurts."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
import pytest_asyncio

from egovkit.contracts import contracts_dir, contracts_version
from sandbox.certify.command import certify, chosen
from sandbox.certify.driver import About, Driver
from sandbox.certify.partners.base import Partner
from sandbox.certify.partners.base import driver as driver_of
from sandbox.certify.partners.centre import Centre
from sandbox.certify.partners.portal import Portal
from sandbox.certify.partners.provider import Provider
from sandbox.certify.partners.register import Register
from sandbox.certify.reporting import as_text
from sandbox.certify.stage import LEFT_OUT, Troupe
from sandbox.hosting import Host, listen
from sandbox.world import World

from .wrong_partners import MORE, WRONG, Wrong

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

PLAYED = (*WRONG, *MORE) if os.environ.get("EGOV_TEST_FULL") == "1" else WRONG
ACT = "semey-guardianship-certificate"
LONG, SHORT = 30.0, 1.0  # seconds for who will come, and for who will not


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def troupe(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Troupe]:
    async with World(tmp_path_factory.mktemp("certify"), ports="auto", without=LEFT_OUT) as world:
        yield Troupe(world)


@asynccontextmanager
async def served(troupe: Troupe, partner: Partner) -> AsyncIterator[tuple[Driver, About]]:
    """The partner's system at an address of its own, and what it says it is."""
    host, bound = Host(), listen("127.0.0.1", 0)
    async with httpx.AsyncClient(trust_env=False) as http:
        await host.serve("partner", driver_of(partner), bound)
        try:
            driver = Driver(http, f"http://127.0.0.1:{bound.getsockname()[1]}", troupe.world.clock)
            yield driver, await driver.about(partner.role, contracts_version(contracts_dir()))
        finally:
            await partner.http.aclose()
            await host.close()


@pytest.mark.parametrize("kind", [Provider, Register, Portal, Centre])
async def test_a_system_that_keeps_the_rules_is_certified(troupe: Troupe, kind: type[Partner]) -> None:
    async with served(troupe, kind()) as (driver, about):
        found = await certify(troupe, driver, about, chosen(about, [ACT]), patience=LONG, code=f"right-{kind.role}")
    assert found.passed, as_text(found)
    assert {one.verdict for one in found.obligations} == {"met"}


async def test_the_provider_of_the_howto_is_certified_as_written(troupe: Troupe) -> None:
    page = (contracts_dir().parent / "docs/howto/certify-your-system.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    assert len(code.splitlines()) < 100
    module: dict[str, Any] = {"__name__": "my_provider"}
    exec(compile(code, "my_provider", "exec"), module)
    kind: type[Partner] = module["MyProvider"]
    async with served(troupe, kind()) as (driver, about):
        owed = [one for one in chosen(about, [ACT]) if one.side == "portal"]
        found = await certify(troupe, driver, about, owed, patience=LONG, code="my-provider")
    assert found.passed, as_text(found)


@pytest.mark.parametrize("kind", PLAYED, ids=lambda kind: kind.__name__)
async def test_a_system_that_breaks_a_rule_is_told_its_clause(troupe: Troupe, kind: type[Wrong]) -> None:
    partner = kind()
    partner.world_clock = troupe.world.clock
    async with served(troupe, partner) as (driver, about):
        owed = [one for one in chosen(about, [ACT]) if all(act.outcome != "violation" for act in one.when)]
        best = next((one for one in owed if one.side == "portal"), owed[0])
        code = f"wrong-{kind.__name__.lower()}"
        found = await certify(troupe, driver, about, [best], patience=SHORT, code=code)
    assert not found.passed
    cited = {clause for clause, _ in found.violated} | {one.code for one in found.broken}
    assert kind.caught in cited, as_text(found)
