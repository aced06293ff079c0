"""Every outcome of every channel, played from outside and held against the trace written by hand from the act."""

from __future__ import annotations

import pytest

from egovkit.contracts import contracts_dir
from egovlaw.loader import load_catalogue
from sandbox.play import play
from sandbox.scenario import Scenario, load_all
from sandbox.trace import load_expected
from sandbox.world import Deployment

SCENARIOS = load_all()


@pytest.mark.e2e
@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
async def test_a_case_goes_as_the_act_says(world: Deployment, scenario: Scenario) -> None:
    outcome = await play(world, scenario)
    assert outcome.differences == []


def test_the_outcome_matrix_has_no_empty_cell() -> None:
    """Every end the acts give a channel has a scenario whose expected trace ends there, for each regulation played."""
    played = {(one.regulation, one.channel, load_expected(one.expected).lines[-1].step) for one in SCENARIOS}
    regulations = {regulation for regulation, _, _ in played}
    ends = {
        (regulation.code, channel.code, item.label)
        for regulation in load_catalogue(contracts_dir()).regulations
        for channel in regulation.channels.values()
        for item in channel.flow
        if item.outcome != "continue" and regulation.code in regulations
    }
    for regulation, channel, end in sorted(ends):
        print(f"{regulation} {channel} {end}: {'played' if (regulation, channel, end) in played else 'EMPTY'}")
    assert ends == played
