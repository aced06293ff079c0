"""Use cases of the person register: found for the bus, shown to and changed by administrators."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, ClassVar

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError, FieldError
from egovkit.idempotency import Answer
from egovkit.messages import MessageRegister
from egovlaw.kinds import message_type
from egovregister.answering import Answering
from egovregister.domain import MOST_FOUND, Found, answer_data, today
from egovregister.finding import NationalRegister, Question
from gbd_fl_mock import store
from gbd_fl_mock.domain.person import Person, Version, completed, day_problem, merged, problems
from gbd_fl_mock.seed.population import EXAMPLES, population
from gbd_fl_mock.store import PersonFilter

TIES = "ties are two-sided and come with the seed alone"
FIXED = frozenset({"iin", "family"})  # a number is a person's for ever
# Stores what a call answers in the transaction of its effect.
Keep = Callable[[AsyncConnection, Version], Awaitable[Answer]]


class PersonRegister(NationalRegister):
    """How the register finds: `egovregister.finding.Register`."""

    answer: ClassVar[str] = "answer.person"
    field: ClassVar[str] = "persons"

    async def find(self, conn: AsyncConnection, question: Question, as_of: date) -> Found:
        criterion = question.criterion
        if "iin" in criterion:
            one = await store.by_iin(conn, criterion["iin"], as_of)
            return _found([] if one is None else [one])
        if "document_number" in criterion:
            return _found(await store.by_document(conn, criterion["document_number"], as_of))
        return _found(await store.by_names(conn, dict(criterion), as_of, MOST_FOUND + 1))

    async def stranger(self, conn: AsyncConnection, question: Question, asked: frozenset[str], as_of: date) -> Found:
        one = await store.somebody_else(conn, asked, as_of)
        return _found([] if one is None else [one])


def _found(versions: list[Version]) -> Found:
    return Found([one.person for one in versions], frozenset(one.iin for one in versions))


@dataclass(frozen=True, slots=True)
class Registrars:
    """What the administrators of the register do. Every change is a new version, its journal row and nothing else;
    every look at a person is recorded as a read, the one that a change gives too."""

    answering: Answering

    @property
    def _messages(self) -> MessageRegister:
        return self.answering.node.messages

    async def seed(self) -> None:
        """At the first start; a register that has anybody is left alone."""
        node = self.answering.node
        async with node.db.read() as conn:
            if not await store.is_empty(conn):
                return
        async with node.db.begin() as conn:
            await store.add_all(conn, population(node.clock.now()))

    def examples(self) -> dict[str, str]:
        return dict(EXAMPLES)

    async def listed(self, wanted: PersonFilter, *, after: str, limit: int) -> tuple[list[Version], bool]:
        """One page of last versions, and whether there is another."""
        async with self.answering.node.db.begin() as conn:
            found = await store.listed(conn, wanted, after=after, limit=limit + 1)
            page = found[:limit]
            given = [name for name in ("iin", "surname") if getattr(wanted, name) is not None]
            await self.answering.show(conn, "+".join(given) or "list", [one.iin for one in page], asked=wanted.iin)
        return page, len(found) > limit

    async def person(self, iin: str, as_of: date | None) -> Version:
        """The last version, or the one of a day; EgovError person.unknown."""
        async with self.answering.node.db.begin() as conn:
            found = await (store.last(conn, iin) if as_of is None else store.by_iin(conn, iin, as_of))
            if found is None:
                raise EgovError("person.unknown")
            await self.answering.show(conn, "iin", [iin], asked=iin)
        return found

    async def history(self, iin: str) -> list[Version]:
        async with self.answering.node.db.begin() as conn:
            if not (found := await store.history(conn, iin)):
                raise EgovError("person.unknown")
            await self.answering.show(conn, "iin", [iin], asked=iin)
        return found

    async def create(self, person: Person, valid_from: date | None, reason: str, keep: Keep) -> Answer:
        """A person's first version, from the birth unless said otherwise. EgovError person.exists."""
        if "family" in person:
            raise EgovError("request.invalid", errors=[FieldError("person.family", "not_allowed", TIES)])
        person = self._checked(person)
        born = date.fromisoformat(person["birth_date"])
        version = self._version(person, 1, valid_from or born, reason, born)
        async with self.answering.node.db.begin() as conn:
            if not await store.add(conn, version):
                raise EgovError("person.exists")
            return await self._done(conn, "person.created", version, keep)

    async def change(
        self, iin: str, seen: int, change: Mapping[str, Any], valid_from: date | None, *, reason: str, keep: Keep
    ) -> Answer:
        """The next version: the last one with `change` merged into it (RFC 7396).

        EgovError person.unknown | person.changed_meanwhile (`seen` is not the last version) | data.invalid.
        """
        async with self.answering.node.db.begin() as conn:
            last = await store.last(conn, iin)
            if last is None:
                raise EgovError("person.unknown")
            if last.version != seen:
                raise EgovError("person.changed_meanwhile", version=last.version)
            fixed = [FieldError(f"change.{name}", "not_allowed", "is not changed") for name in FIXED & change.keys()]
            if fixed:
                raise EgovError("request.invalid", errors=sorted(fixed, key=lambda one: one.field))
            person = self._checked(merged(last.person, change))
            day = valid_from or today(self.answering.node.clock.now())
            version = self._version(person, seen + 1, day, reason, last.valid_from)
            if not await store.add(conn, version):
                raise EgovError("person.changed_meanwhile", version=seen + 1)
            await self.answering.show(conn, "iin", [iin], asked=iin)  # the answer has the whole record
            return await self._done(conn, "person.changed", version, keep)

    def _checked(self, person: Person) -> Person:
        """Complete and well-formed, by the schema that answers have to follow and by what it does not see."""
        person = completed(person)
        data = answer_data("persons", Found([person], frozenset()), None, self.answering.node.clock.now())
        self._messages.check(message_type("answer.person"), data)
        if mistakes := problems(person):
            raise EgovError("request.invalid", errors=mistakes)
        return person

    def _version(self, person: Person, number: int, day: date, reason: str, earliest: date) -> Version:
        now = self.answering.node.clock.now()
        if (mistake := day_problem(day, earliest, today(now))) is not None:
            raise EgovError("request.invalid", errors=[mistake])
        return Version(person["iin"], number, day, now, reason, person)

    async def _done(self, conn: AsyncConnection, action: str, version: Version, keep: Keep) -> Answer:
        # Neither names nor numbers: the journal outlives what may be known of a person.
        facts = {"version": version.version, "valid_from": version.valid_from.isoformat()}
        await self.answering.note_action(conn, action, None, **facts)
        return await keep(conn, version)
