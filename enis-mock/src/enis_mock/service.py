"""Use cases of the notaries' register: found for the bus, shown to and changed by administrators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import ClassVar

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError
from egovkit.idempotency import Answer
from egovregister.answering import Answering
from egovregister.domain import MOST_FOUND, Found, today
from egovregister.finding import NationalRegister, Question
from enis_mock import store
from enis_mock.domain import Attorney, Deed, as_answer, deed_problems, revocation_problem
from enis_mock.seed.deeds import EXAMPLES, deeds
from enis_mock.store import AttorneyFilter

# Stores what a call answers in the transaction of its effect.
Keep = Callable[[AsyncConnection, Attorney], Awaitable[Answer]]


class AttorneyRegister(NationalRegister):
    """How the register finds: `egovregister.finding.Register`."""

    answer: ClassVar[str] = "answer.attorney"
    field: ClassVar[str] = "attorneys"

    async def find(self, conn: AsyncConnection, question: Question, as_of: date) -> Found:
        criterion = question.criterion
        if "registry_number" in criterion:
            day = date.fromisoformat(criterion["date"])
            return _found(await store.by_number(conn, criterion["registry_number"], day, as_of), as_of)
        role: store.Role = "representative" if "representative_iin" in criterion else "principal"
        iin = criterion[f"{role}_iin"]
        return _found(await store.by_party(conn, role, iin, as_of, MOST_FOUND + 1), as_of)

    async def stranger(self, conn: AsyncConnection, question: Question, asked: frozenset[str], as_of: date) -> Found:
        return _found(await store.of_others(conn, asked, as_of), as_of)


def _found(attorneys: Sequence[Attorney], as_of: date) -> Found:
    iins = frozenset(iin for one in attorneys for iin in one.deed.iins)
    return Found([as_answer(one, as_of) for one in attorneys], iins)


@dataclass(frozen=True, slots=True)
class Notaries:
    """What the administrators of the register do, in the notaries' place. A change and its journal row commit
    together; every look at people's deeds is recorded as a read."""

    answering: Answering

    @property
    def today(self) -> date:
        return today(self.answering.node.clock.now())

    async def seed(self) -> None:
        """At the first start; a register that has anything is left alone."""
        node = self.answering.node
        async with node.db.read() as conn:
            if not await store.is_empty(conn):
                return
        async with node.db.begin() as conn:
            for seeded in deeds():
                added = await store.add(conn, seeded.deed, node.clock.now())
                if added is not None and seeded.revoked_on is not None:
                    await store.revoke(conn, added.id, seeded.revoked_on, "По заявлению доверителя")

    def examples(self) -> dict[str, dict[str, str]]:
        return {name: dict(example) for name, example in EXAMPLES.items()}

    async def listed(self, wanted: AttorneyFilter, *, after: int, limit: int) -> tuple[list[Attorney], bool]:
        """One page, and whether there is another."""
        async with self.answering.node.db.begin() as conn:
            found = await store.listed(conn, wanted, after=after, limit=limit + 1)
            page = found[:limit]
            given = [name for name in ("registry_number", "iin") if getattr(wanted, name) is not None]
            iins = frozenset(iin for one in page for iin in one.deed.iins)
            await self.answering.show(conn, "+".join(given) or "list", iins, asked=wanted.iin)
        return page, len(found) > limit

    async def attorney(self, id_: int) -> Attorney:
        """EgovError attorney.unknown."""
        async with self.answering.node.db.begin() as conn:
            found = await _known(conn, id_)
            await self.answering.show(conn, "id", found.deed.iins, asked=None)
        return found

    async def create(self, deed: Deed, keep: Keep) -> Answer:
        """EgovError attorney.exists; request.invalid naming every wrong field."""
        if mistakes := deed_problems(deed, self.today):
            raise EgovError("request.invalid", errors=mistakes)
        async with self.answering.node.db.begin() as conn:
            added = await store.add(conn, deed, self.answering.node.clock.now())
            if added is None:
                raise EgovError("attorney.exists")
            await self.answering.note_action(conn, "attorney.created", None, attorney=added.id)
            return await keep(conn, added)

    async def revoke(self, id_: int, day: date | None, reason: str, keep: Keep) -> Answer:
        """From `day` on (today, unless said otherwise). EgovError attorney.unknown | attorney.revoked."""
        day = day or self.today
        async with self.answering.node.db.begin() as conn:
            known = await _known(conn, id_)
            if (mistake := revocation_problem(known, day, self.today)) is not None:
                raise EgovError("request.invalid", errors=[mistake])
            if not await store.revoke(conn, id_, day, reason):
                raise EgovError("attorney.revoked", date=str((await _known(conn, id_)).revoked_on))
            await self.answering.show(conn, "id", known.deed.iins, asked=None)  # the answer has the whole deed
            await self.answering.note_action(conn, "attorney.revoked", None, attorney=id_, date=day.isoformat())
            return await keep(conn, replace(known, revoked_on=day, revoke_reason=reason))


async def _known(conn: AsyncConnection, id_: int) -> Attorney:
    if (found := await store.get(conn, id_)) is None:
        raise EgovError("attorney.unknown")
    return found
