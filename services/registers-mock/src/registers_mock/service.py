"""Use cases of the akimats' registers: found and entered for the bus, shown to and changed by administrators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, ClassVar

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.envelope import Envelope
from egovkit.errors import EgovError, FieldError
from egovkit.idempotency import Answer
from egovregister.answering import Answering
from egovregister.domain import MOST_FOUND, Found, today
from egovregister.finding import Question
from registers_mock import store
from registers_mock.domain import (
    CATEGORIES,
    GENERAL,
    NO_CATEGORY,
    PROVIDER_KIND,
    PROVIDER_ONLY,
    QUEUES,
    Book,
    Entry,
    Leaving,
    Operation,
    Place,
    Register,
    Wish,
    as_answer,
    leaving_problem,
    wish_problems,
)
from registers_mock.seed.entries import examples, seeded
from registers_mock.store import EntryFilter

SHOWN_IN_LINE = 200  # of one list, to an administrator

Told = dict[str, Any]
# Stores what a call answers in the transaction of its effect.
Keep = Callable[[AsyncConnection, Told], Awaitable[Answer]]


class AkimatRegister:
    """How the registers are asked: `egovregister.finding.Register`.

    `kind_of`: what a participant is. A provider looks up and enters; whoever has the applicant before him (the portal,
    the centre) is told where he stands whom a provider entered for the case, whomever the question names.
    """

    answer: ClassVar[str] = "answer.register"
    field: ClassVar[str] = "entries"

    def __init__(self, kind_of: Callable[[str], str | None]) -> None:
        self._kind_of = kind_of

    def question(self, envelope: Envelope) -> Question:
        data = envelope.data
        kind = f"{data['register']}.{data['operation']}"
        return Question(data, kind, data["person_iin"], envelope.subject, envelope.region, envelope.source)

    def ingress(self, region: str) -> str:
        return f"rshep.{region}.ingress"  # a regional system speaks through РШЭП

    async def find(self, conn: AsyncConnection, question: Question, as_of: date) -> Found:
        operation = Operation(question.criterion["operation"])
        is_provider = self._kind_of(question.asker) == PROVIDER_KIND
        if operation is Operation.POSITION:
            return await self._standing(conn, question, as_of, anybody=is_provider)
        if not is_provider:
            return _answered(question, result=PROVIDER_ONLY)
        if operation is Operation.FIND:
            return await self._known(conn, question, as_of)
        return await self._entered(conn, question, as_of)

    async def stranger(self, conn: AsyncConnection, question: Question, asked: frozenset[str], as_of: date) -> Found:
        found = await store.of_others(conn, _book(question), asked, as_of)
        return _answered(question, [(entry, None) for entry in found], as_of)

    async def _known(self, conn: AsyncConnection, question: Question, as_of: date) -> Found:
        iin = question.criterion["person_iin"]
        found = await store.of_person(conn, _book(question), iin, as_of, MOST_FOUND + 1)
        return _answered(question, [(entry, await _place(conn, question, entry, as_of)) for entry in found], as_of)

    async def _standing(self, conn: AsyncConnection, question: Question, day: date, *, anybody: bool) -> Found:
        """The place the case was given, whoever of the family stands there; else the one its person had already."""
        book, iin = _book(question), question.criterion["person_iin"]
        entry = await store.of_case(conn, book.register, question.case)
        if entry is None and not anybody:
            iin = await store.entered_for(conn, book.register, question.case)
        if entry is None and iin is not None:
            entry = await store.standing(conn, book, iin, day)
        found = [] if entry is None else [(entry, await _place(conn, question, entry, day))]
        return _answered(question, found, day)

    async def _entered(self, conn: AsyncConnection, question: Question, day: date) -> Found:
        """The next place, or the one that was given before: to the case, or to the person who stands there."""
        asked, book = question.criterion, _book(question)
        if (category := asked.get("category", GENERAL)) not in CATEGORIES:
            return _answered(question, result=NO_CATEGORY)
        last = await store.lock(conn, book)
        entry = await store.of_case(conn, book.register, question.case)
        if entry is None:
            entry = await store.standing(conn, book, asked["person_iin"], day)
        if entry is None:
            size = asked.get("family_size")
            wish = Wish(*book, asked["person_iin"], day, category, size, case_id=question.case)
            entry = await store.add(conn, wish, last=last)
        now = await _place(conn, question, entry, day)
        given = entry.first_position
        place = None if given is None else Place(given, now is not None and now.direction)
        return _answered(question, [(entry, place)], day)


def _book(question: Question) -> Book:
    return Book(Register(question.criterion["register"]), question.region)


async def _place(conn: AsyncConnection, question: Question, entry: Entry, day: date) -> Place | None:
    return await store.place(conn, entry, day, now="as_of" not in question.criterion)


def _answered(
    question: Question,
    found: list[tuple[Entry, Place | None]] | None = None,
    day: date = date.min,
    *,
    result: Mapping[str, str] | None = None,
) -> Found:
    asked = question.criterion
    items = [as_answer(entry, day, place, asked["person_iin"]) for entry, place in found or []]
    iins = frozenset(iin for entry, _ in found or [] for iin in entry.iins)
    return Found(items, iins, {"register": asked["register"], "operation": asked["operation"]}, result)


@dataclass(frozen=True, slots=True)
class Akimats:
    """What the administrators of the registers do, in the akimats' place. A change and its journal row commit together;
    every look at people's entries is recorded as a read."""

    answering: Answering
    regions: tuple[str, ...]

    @property
    def today(self) -> date:
        return today(self.answering.node.clock.now())

    async def seed(self) -> None:
        """At the first start; registers that have anything are left alone."""
        node = self.answering.node
        async with node.db.read() as conn:
            if not await store.is_empty(conn):
                return
        async with node.db.begin() as conn:
            for one in seeded(self.regions):
                entry = await store.add(conn, one.wish, last=await store.lock(conn, one.wish.book))
                if one.until is not None:
                    await store.leave(conn, entry, one.until, _ended(entry))

    def examples(self) -> dict[str, dict[str, dict[str, str]]]:
        return examples(self.regions)

    async def listed(self, wanted: EntryFilter, *, after: tuple[str, str, int], limit: int) -> tuple[list[Told], bool]:
        """One page, and whether there is another."""
        async with self.answering.node.db.begin() as conn:
            found = await store.listed(conn, wanted, after=after, limit=limit + 1)
            page = found[:limit]
            given = [name for name in ("register", "region", "iin") if getattr(wanted, name) is not None]
            iins = frozenset(iin for one in page for iin in one.iins)
            await self.answering.show(conn, "+".join(given) or "list", iins, asked=wanted.iin)
            return [await self._told(conn, one) for one in page], len(found) > limit

    async def line(self, book: Book, category: str) -> tuple[int, list[Told]]:
        """The free places of a list, and who stands in it, the first one first."""
        self._require_list(book, category)
        async with self.answering.node.db.begin() as conn:
            found = await store.line(conn, book, category, self.today, SHOWN_IN_LINE)
            iins = frozenset(iin for one in found for iin in one.iins)
            await self.answering.show(conn, "line", iins, asked=None)
            free = await store.free_places(conn, book, category)
            return free, [await self._told(conn, one) for one in found]

    async def create(self, wish: Wish, keep: Keep) -> Answer:
        """EgovError entry.standing; request.invalid naming every wrong field."""
        mistakes = wish_problems(wish, self.today)
        if wish.region not in self.regions:
            mistakes.append(FieldError("region", "not_allowed", "no register is kept there"))
        if mistakes:
            raise EgovError("request.invalid", errors=mistakes)
        if wish.register in QUEUES:
            wish = replace(wish, category=wish.category or GENERAL)
        async with self.answering.node.db.begin() as conn:
            last = await store.lock(conn, wish.book)
            if wish.register in QUEUES:
                there = await store.standing(conn, wish.book, wish.person_iin, self.today)
                if there is not None:
                    raise EgovError("entry.standing", entry=there.id)
            return await self._changed(conn, "entry.created", await store.add(conn, wish, last=last), keep)

    async def end(self, book: Book, number: int, day: date | None, keep: Keep) -> Answer:
        """From `day` on (today): who stood behind moves up. EgovError entry.unknown | entry.ended."""
        day = day or self.today
        async with self.answering.node.db.begin() as conn:
            await store.lock(conn, book)
            if (entry := await store.get(conn, book, number)) is None:
                raise EgovError("entry.unknown")
            if (mistake := leaving_problem(entry, day, self.today)) is not None:
                raise EgovError("request.invalid", errors=[mistake])
            await self.answering.show(conn, "number", entry.iins, asked=None)
            how = Leaving.REMOVED if entry.is_queue else Leaving.ENDED
            if not await store.leave(conn, entry, day, how):
                raise EgovError("entry.ended", date=str(entry.until))
            return await self._changed(conn, "entry.ended", replace(entry, until=day, leaving=how), keep)

    async def serve(self, book: Book, category: str, keep: Keep) -> Answer:
        """The first of a list gets what he stood for, and a free place with it. EgovError queue.empty."""
        self._require_list(book, category)
        async with self.answering.node.db.begin() as conn:
            await store.lock(conn, book)
            first = await store.line(conn, book, category, self.today, 1)
            if not first:
                raise EgovError("queue.empty", queue=book.register.value, region=book.region, category=category)
            await self.answering.show(conn, "line", first[0].iins, asked=None)
            await store.leave(conn, first[0], self.today, Leaving.SERVED)
            free = await store.free_places(conn, book, category)
            await store.set_free(conn, book, category, max(0, free - 1))
            served = replace(first[0], until=self.today, leaving=Leaving.SERVED)
            return await self._changed(conn, "queue.served", served, keep)

    async def set_free(self, book: Book, category: str, free: int) -> None:
        """So many of the first in a list have a direction from now on."""
        self._require_list(book, category)
        async with self.answering.node.db.begin() as conn:
            await store.set_free(conn, book, category, free)
            facts = {"register": book.register.value, "region": book.region, "category": category, "free": free}
            await self.answering.note_action(conn, "queue.places_set", None, **facts)

    def _require_list(self, book: Book, category: str) -> None:
        wrong = []
        if book.register not in QUEUES:
            wrong.append(FieldError("register", "not_allowed", "not a queue"))
        if book.region not in self.regions:
            wrong.append(FieldError("region", "not_allowed", "no register is kept there"))
        if category not in CATEGORIES:
            wrong.append(FieldError("category", "not_allowed", "no category of this register"))
        if wrong:
            raise EgovError("request.invalid", errors=wrong)

    async def _changed(self, conn: AsyncConnection, action: str, entry: Entry, keep: Keep) -> Answer:
        await self.answering.note_action(conn, action, entry.wish.case_id, entry=entry.id)
        return await keep(conn, await self._told(conn, entry))

    async def _told(self, conn: AsyncConnection, entry: Entry) -> Told:
        return as_answer(entry, self.today, await store.place(conn, entry, self.today, now=True))


def _ended(entry: Entry) -> Leaving:
    return Leaving.SERVED if entry.is_queue else Leaving.ENDED
