"""One set of gateways for all tests of this folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from .bus import Gateways

if TYPE_CHECKING:
    from egovkit.testing.servers import PrivatePostgres, PrivateRabbit


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def gateways(
    rabbit: PrivateRabbit, postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Gateways]:
    """Two processes of ШЭП and two of РШЭП."""
    made: Any = Gateways(
        tmp_path_factory.mktemp("gateways"),
        amqp=rabbit.url,
        db=postgres.database("egov_gateways"),
        gateways=2,
        ports="auto",
    )
    async with made:
        yield made
