"""Idempotency-Key: a call repeated with its key does nothing twice and gets the first answer again.

    async def create(request: Request, body: NewCase) -> Response:
        async def work(attempt: Attempt) -> Answer:
            async with db.begin() as conn:
                case = await store.create(conn, ...)
                return await attempt.keep(conn, Answer(201, {"id": case.id}))
        return await idempotent.run(request, scope=account.id, call=work)

With `keep` the answer is stored in the transaction of the effect, so that not even a crash between the two can make
the repetition act again. Calls without a transaction of ours just return their Answer; it is stored afterwards.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson
from fastapi import Request, Response
from sqlalchemy import Table, and_, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.clock import Clock
from egovkit.db.engine import Database, upsert
from egovkit.errors import EgovError
from egovkit.ids import Ids

HEADER = "idempotency-key"
REPLAYED = "idempotency-replayed"  # response header of an answer that was given before
_KEY = re.compile(r"[\x21-\x7e]{1,255}")

# A call that holds its key longer is taken for dead with its process; longer than any call of ours runs.
LEASE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call answers. `body` is made JSON once; the repetition gets the very same bytes."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"

    def response(self) -> Response:
        return self.stored().response()

    def stored(self) -> StoredAnswer:
        content = b"" if self.body is None else orjson.dumps(self.body)
        headers = dict(self.headers)
        if content:
            headers["content-type"] = self.media_type
        return StoredAnswer(self.status, content, headers)


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    status: int
    content: bytes
    headers: Mapping[str, str]

    def response(self, **extra: str) -> Response:
        return Response(self.content, self.status, {**self.headers, **extra})


Call = Callable[["Attempt"], Awaitable[Answer]]


class Idempotent:
    def __init__(self, db: Database, table: Table, clock: Clock, ids: Ids) -> None:
        self._db = db
        self._table = table
        self._clock = clock
        self._ids = ids
        self._insert = upsert(table, db.dialect).on_conflict_do_nothing().returning(table.c.attempt)

    async def run(self, request: Request, *, scope: str, call: Call, required: bool = True) -> Response:
        """Runs `call` once per (scope, key). `scope` is who asks (an account, a participant), so that two callers
        cannot read each other's answers by guessing keys.

        EgovError idempotency.key_missing | key_invalid | key_reused (another method, address or body) |
        in_progress. When the call raises, the key is free again: nothing was done.
        """
        key = request.headers.get(HEADER)
        if key is None:
            if required:
                raise EgovError("idempotency.key_missing")
            return (await call(Attempt(None, self._table, "", "", ""))).response()
        if not _KEY.fullmatch(key):
            raise EgovError("idempotency.key_invalid")
        attempt = Attempt(self._db, self._table, scope, key, self._ids.new())
        stored = await self._claim(attempt, await fingerprint(request))
        if stored is not None:
            return stored.response(**{REPLAYED: "true"})
        try:
            answer = await call(attempt)
        except BaseException:
            await self._release(attempt)
            raise
        if not attempt.kept:
            async with self._db.begin() as conn:
                await attempt.keep(conn, answer)
        return answer.response()

    async def _claim(self, attempt: Attempt, print_: str) -> StoredAnswer | None:
        """None = the key is ours now."""
        row = {
            "scope": attempt.scope,
            "key": attempt.key,
            "fingerprint": print_,
            "attempt": attempt.id,
            "started": self._clock.now(),
        }
        async with self._db.begin() as conn:
            if (await conn.execute(self._insert, row)).one_or_none() is not None:
                return None
            query = select(self._table).where(attempt.is_key).with_for_update()
            found = (await conn.execute(query)).one_or_none()
            if found is None:  # released between the two statements
                raise EgovError("idempotency.in_progress")
            if found.fingerprint != print_:
                raise EgovError("idempotency.key_reused")
            if found.status is not None:
                return StoredAnswer(found.status, found.body or b"", json.loads(found.headers))
            if found.started + LEASE > self._clock.now():
                raise EgovError("idempotency.in_progress")
            taken = {"attempt": attempt.id, "started": self._clock.now()}
            await conn.execute(update(self._table).where(attempt.is_key).values(**taken))
            return None

    async def _release(self, attempt: Attempt) -> None:
        async with self._db.begin() as conn:
            await conn.execute(delete(self._table).where(attempt.is_mine))


class Attempt:
    """One run of a call under its key."""

    def __init__(self, db: Database | None, table: Table, scope: str, key: str, id_: str) -> None:
        self._keyed = db is not None
        self._table = table
        self.scope = scope
        self.key = key
        self.id = id_
        self.kept = False

    @property
    def is_key(self) -> Any:
        return and_(self._table.c.scope == self.scope, self._table.c.key == self.key)

    @property
    def is_mine(self) -> Any:
        """Still running and not taken over by a repetition that thought us dead."""
        return and_(self.is_key, self._table.c.attempt == self.id, self._table.c.status.is_(None))

    async def keep(self, conn: AsyncConnection, answer: Answer) -> Answer:
        """Stores the answer in the transaction of the effect. EgovError idempotency.in_progress, which rolls the
        effect back, when a repetition took the key over meanwhile."""
        if self._keyed:
            stored = answer.stored()
            values = {"status": stored.status, "body": stored.content, "headers": json.dumps(dict(stored.headers))}
            result = await conn.execute(update(self._table).where(self.is_mine).values(**values))
            if result.rowcount != 1:
                raise EgovError("idempotency.in_progress")
            self.kept = True
        return answer


async def fingerprint(request: Request) -> str:
    """What has to be the same for a repetition: method, address and the exact bytes of the body."""
    digest = hashlib.sha256()
    for part in (request.method, request.url.path, request.url.query):
        digest.update(part.encode() + b"\n")
    digest.update(await request.body())
    return digest.hexdigest()


async def forget_answers(conn: AsyncConnection, table: Table, before: datetime) -> int:
    """Deletes keys first used before this moment; returns how many."""
    return (await conn.execute(delete(table).where(table.c.started < before))).rowcount
