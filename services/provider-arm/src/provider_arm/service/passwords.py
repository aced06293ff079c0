"""Passwords as argon2id, hashed in threads, a few at a time: each takes its memory and a core for a while."""

from __future__ import annotations

import asyncio
from functools import cached_property

NOBODY = "nobody has this password"


class Passwords:
    def __init__(self, time_cost: int, memory_kib: int, at_once: int) -> None:
        from argon2 import PasswordHasher  # 30 ms of import that nobody else needs

        self._hasher = PasswordHasher(time_cost=time_cost, memory_cost=memory_kib)
        self._turns = asyncio.Semaphore(at_once)

    async def hash(self, password: str) -> str:
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, hashed: str | None, password: str) -> bool:
        """Without a hash (nobody by this ИИН) the same work is done in vain, so that time tells nothing."""
        async with self._turns:
            return await asyncio.to_thread(self._matches, hashed, password)

    async def renewed(self, hashed: str, password: str) -> str | None:
        """A new hash when the cost has changed since the old one was made."""
        return await self.hash(password) if self._hasher.check_needs_rehash(hashed) else None

    def _matches(self, hashed: str | None, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            return self._hasher.verify(hashed or self._nobody, password) and hashed is not None
        except (VerificationError, InvalidHashError):
            return False

    @cached_property
    def _nobody(self) -> str:
        return self._hasher.hash(NOBODY)
