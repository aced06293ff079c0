"""Officials and operators of a deployment, shared by scenarios: appointing one costs a key and a password's hash."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandbox import bootstrap

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sandbox.replay.scenario import Person
    from sandbox.staff import Official, Operator
    from sandbox.world import Deployment


class Staff:
    """Each is appointed once; every scenario gets a session of its own."""

    def __init__(self, world: Deployment) -> None:
        self._world = world
        self._known: dict[tuple[str, ...], asyncio.Task[Any]] = {}

    async def official(self, region: str, office: str, names: Person, desk: str = "provider") -> Official:
        named = {"surname": names.surname, "name": names.name}

        async def appoint() -> Official:
            return await self._world.official(region=region, office=office, desk=desk, **named)

        found: Official = await self._once(("official", region, office, desk, *named.values()), appoint)
        return replace(found)

    async def operator(self, region: str, names: Person) -> Operator:
        async def appoint() -> Operator:
            return await self._world.operator(centre=f"{region}-1", surname=names.surname, name=names.name)

        found: Operator = await self._once(("operator", region, names.surname, names.name), appoint)
        return replace(found)

    async def example(self, register: str, name: str) -> Any:
        """One of the well-known entries of a register's seed, by its name."""

        async def ask() -> Any:
            headers = bootstrap.bearer(self._world.admin_token(register))
            url = f"{self._world.url(register)}/v1/control/examples"
            return bootstrap.answer(await self._world.http.get(url, headers=headers))

        return (await self._once(("examples", register), ask))[name]

    async def _once(self, key: tuple[str, ...], make: Callable[[], Awaitable[Any]]) -> Any:
        if key not in self._known:
            self._known[key] = asyncio.ensure_future(make())
        return await asyncio.shield(self._known[key])
