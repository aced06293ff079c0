"""The law is data: the how-to's regulation runs from the portal to the result, and nothing but its file was added."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import scenario as scenarios
from sandbox.play import play
from sandbox.scenario import load
from sandbox.world import World

from ..howto.blocks import CODE, SCENARIO, blocks, contracts_with_it

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_a_regulation_added_as_one_file_goes_as_its_act_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EGOV_CONTRACTS", str(contracts_with_it(tmp_path)))
    monkeypatch.setattr(scenarios, "EXPECTED", tmp_path)
    (tmp_path / "scenario").mkdir()
    told = tmp_path / "scenario" / f"{SCENARIO}.yaml"
    told.write_text(blocks("scenario"), encoding="utf-8")
    (tmp_path / f"{SCENARIO}.yaml").write_text(blocks("expected"), encoding="utf-8")
    async with World(tmp_path / "home", ports="auto") as world:
        outcome = await play(world, load(told))
    assert outcome.differences == []
    assert (outcome.scenario.regulation, outcome.hops[-1].after) == (CODE, "completed")
