"""The examples that partners read are what travels: played again, the same cases have the same shape."""

from __future__ import annotations

import pytest

from egovkit.contracts import contracts_dir
from sandbox.contract_examples import conversations, recorded_in, shape
from sandbox.world import Deployment

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("world", ["embedded"], indirect=True, scope="session")
async def test_what_travels_now_has_the_shape_of_the_committed_examples(world: Deployment) -> None:
    told, now = conversations(contracts_dir()), await recorded_in(world)
    assert {name for name in now if shape(now[name]) != shape(told.get(name, ()))} == set(), "egov contracts examples"
    assert set(told) == set(now)
