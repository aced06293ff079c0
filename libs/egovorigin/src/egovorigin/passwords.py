"""Passwords as argon2id, hashed in threads, a few at a time: each holds its memory and a core for a while."""

from __future__ import annotations

import asyncio
from base64 import b64encode

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from egovorigin.settings import OriginSettings


def nobodys(hasher: PasswordHasher) -> str:
    """A hash in its written form that no password has: who names no account waits as long as who names a wrong
    password. Its bytes are made up, since making a true one would take the start 0.2 s."""
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    salt, tail = (b64encode(bytes(length)).decode().rstrip("=") for length in (hasher.salt_len, hasher.hash_len))
    return f"$argon2id$v=19${costs}${salt}${tail}"


class Passwords:
    def __init__(self, settings: OriginSettings) -> None:
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_time, memory_cost=settings.argon2_memory_kib, parallelism=1
        )
        self._room = asyncio.Semaphore(settings.argon2_at_once)
        self._nobody = nobodys(self._hasher)

    async def hash(self, password: str) -> str:
        async with self._room:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, hashed: str | None, password: str) -> bool:
        async with self._room:
            return await asyncio.to_thread(self._verify, hashed, password)

    def _verify(self, hashed: str | None, password: str) -> bool:
        try:
            return self._hasher.verify(hashed or self._nobody, password) and hashed is not None
        except (VerifyMismatchError, InvalidHashError):
            return False
