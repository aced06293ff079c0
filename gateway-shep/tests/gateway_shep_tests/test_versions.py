"""A new version of a regulation while cases run: each case ends under the version it began with."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from egovkit.contracts import contracts_dir
from egovlaw.loader import load_catalogue

from .conftest import Shep
from .test_judge import REGULATION, bus, by_trunk, registered, submitted

pytestmark = pytest.mark.service
__all__ = ["bus"]


@pytest.fixture
def contracts(tmp_path: Path) -> Path:
    """The law with a second version of the housing queue, in which a number may take two minutes."""
    root = tmp_path / "contracts"
    for name in ("regulations", "schemas"):
        shutil.copytree(contracts_dir() / name, root / name)
    shutil.copy(contracts_dir() / "regions.yaml", root)
    first = root / "regulations/atyrau/housing-queue.yaml"
    head, row, table = first.read_text().partition("Регистрация запроса с присвоением номера заявлению")
    table = table.replace('limit_ru: "1 минута"', 'limit_ru: "2 минуты"', 1).replace("{max_s: 60}", "{max_s: 120}", 1)
    middle, start, limits = table.partition("stops_on: {message: case.submitted}")
    longer = middle + start + limits.replace("max_s: 60", "max_s: 120", 1)
    second = (head + row + longer).replace("\nversion: 1\n", "\nversion: 2\n", 1)
    first.with_name("housing-queue.v2.yaml").write_text(second)
    return root


def now_reads(shep: Shep, catalogue: Any) -> None:
    shep.app.state.running.door.gateway._judge._catalogue = catalogue


async def test_a_running_case_keeps_its_version_and_a_new_one_takes_the_newest(bus: Shep, contracts: Path) -> None:
    old, new = bus.ids.new(), bus.ids.new()
    await bus.take(submitted(bus, old))
    now_reads(bus, load_catalogue(contracts))
    await bus.take(submitted(bus, new))
    await bus.clock.advance(timedelta(seconds=90))
    budgets = {}
    for case in (old, new):
        assert (await by_trunk(bus, registered(bus, case))).error is None
        answer = (await bus.http.get(f"/v1/cases/{case}/budget", headers=bus.admin)).json()
        number = answer["items"][-1]
        budgets[case] = (answer["regulation_version"], number["step"], number["limit_s"], number["late"])
    assert budgets == {old: (1, "P6", 60.0, True), new: (2, "P6", 120.0, False)}


async def test_a_version_that_was_taken_away_is_an_error_that_names_it(bus: Shep, contracts: Path) -> None:
    case = bus.ids.new()
    both = load_catalogue(contracts)
    now_reads(bus, both)
    await bus.take(submitted(bus, case))
    older = [one for one in both.superseded if one.code == REGULATION]
    now_reads(bus, replace(both, regulations=tuple(older), superseded=()))
    result = await by_trunk(bus, registered(bus, case))
    assert result.error is not None and result.error.code == "route.version_unknown"
    assert result.error.params["version"] == "2"
