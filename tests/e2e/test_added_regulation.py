"""The law is data: the how-to's regulation runs from the portal to the result, and nothing but its file was added."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.replay.player import play_in
from sandbox.replay.reading import load_all
from sandbox.world import World

from ..howto.blocks import CODE, SCENARIO, blocks, contracts_with_it

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


async def test_a_regulation_added_as_one_file_goes_as_its_act_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EGOV_CONTRACTS", str(contracts_with_it(tmp_path)))
    told = tmp_path / f"{SCENARIO}.yaml"
    told.write_text(blocks("scenario"), encoding="utf-8")
    async with World(tmp_path / "home", ports="auto") as world:
        [verdict] = await play_in(world, load_all(told))
    assert verdict.differences == []
    assert (verdict.regulation, verdict.steps[-1].step) == (CODE, "P8")
