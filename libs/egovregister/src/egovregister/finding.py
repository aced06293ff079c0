"""What a register brings: how it is asked, how it finds, and where it answers to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.envelope import Envelope
from egovregister.domain import Found, asked_about, criterion_kind

NATIONAL_INGRESS = "shep.ingress"  # what national systems say goes through ШЭП


@dataclass(frozen=True, slots=True)
class Question:
    """`kind`: how was asked, without what was asked, for the record of reads; `iin`: whom the question names; `asker`:
    the code of the participant."""

    criterion: Mapping[str, Any]
    kind: str
    iin: str | None
    case: str
    region: str
    asker: str


class Register(Protocol):
    """`answer` is the short name of its message, `field` where that carries what was found."""

    @property
    def answer(self) -> str: ...

    @property
    def field(self) -> str: ...

    def question(self, envelope: Envelope) -> Question:
        """What an envelope asks; its data follow the schema."""
        ...

    async def find(self, conn: AsyncConnection, question: Question, as_of: date) -> Found:
        """What the register knew on that day; one item more than MOST_FOUND at most. Nothing found is no error."""
        ...

    async def stranger(self, conn: AsyncConnection, question: Question, asked: frozenset[str], as_of: date) -> Found:
        """One record of somebody else than those asked about; for the fault `wrong_person`."""
        ...

    def ingress(self, region: str) -> str:
        """The queue by which it speaks."""
        ...


class NationalRegister:
    """A register of the whole country, asked by a criterion: what ГБД ФЛ and ЕНИС have in common."""

    def question(self, envelope: Envelope) -> Question:
        criterion = envelope.data["criterion"]
        kind, iin = criterion_kind(criterion), asked_about(criterion)
        return Question(criterion, kind, iin, envelope.subject, envelope.region, envelope.source)

    def ingress(self, region: str) -> str:
        return NATIONAL_INGRESS
