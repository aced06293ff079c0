"""A registered case's questions to the akimat's register: what an answer is worth, what it decides of the result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from provider_arm.domain.answers import PROCESSED
from provider_arm.domain.own import GRACE, QueryState

STANDS: Final = frozenset({"active", "standing"})  # statuses of an entry that has not ended


class Use(StrEnum):
    """What the act asks its register for: a setting of the catalogue entry."""

    LOOKUP = "lookup"  # a fact for the document condition
    ENQUEUE = "enqueue"  # the service is a place in the queue
    CERTIFY = "certify"  # the result says what the register says

    @property
    def operation(self) -> str:
        return "enqueue" if self is Use.ENQUEUE else "find"


@dataclass(frozen=True, slots=True)
class RegisterQuery:
    id: str  # of its envelope: what the answer's correlationid names
    case_id: str
    asked: str  # participant's code
    register: str  # which of its registers
    operation: str
    person_iin: str
    state: QueryState
    asked_at: datetime
    asked_by: str | None  # null: the system itself, of an automated service
    clause: str
    due_at: datetime  # by the act's limit, or by our own patience where it gives none
    limit_s: int | None  # the act's
    answered_at: datetime | None
    entries: Sequence[Mapping[str, Any]] | None  # of an answer in time
    problem: Mapping[str, Any] | None  # a gateway's refusal

    def is_late(self, at: datetime) -> bool:
        return at > self.due_at + GRACE

    def state_at(self, now: datetime) -> QueryState:
        return QueryState.EXPIRED if self.state is QueryState.WAITING and self.is_late(now) else self.state

    def accepts(self, data: Mapping[str, Any]) -> bool:
        """E1: whether the answer says anything about what was asked."""
        same = (data["register"], data["operation"]) == (self.register, self.operation)
        about = {entry["person_iin"] for entry in data["entries"]} <= {self.person_iin}
        found = bool(data["entries"]) or self.operation == "find"  # who is entered has an entry
        return data["result"]["code"] == PROCESSED and same and about and found


def decided_values(use: Use, queries: Sequence[RegisterQuery]) -> dict[str, str | int | bool]:
    """The values of a result that the register decides, by its last answer; none before it has answered."""
    answers = [query for query in queries if query.state is QueryState.ANSWERED and query.operation == use.operation]
    if not answers or use is Use.LOOKUP:
        return {}
    entries = answers[-1].entries or ()
    if use is Use.CERTIFY:
        standing = next((entry for entry in entries if entry["status"]["code"] in STANDS), None)
        since = {} if standing is None else {"since": standing["since"]}
        return {"belongs": standing is not None, **since}
    entry = entries[0]
    names = {"number": "queue_number", "position": "queue_position", "family_size": "family_size"}
    found = {ours: entry[theirs] for theirs, ours in names.items() if theirs in entry}
    category = entry.get("category")
    return found if category is None else {**found, "category": category["name_ru"]}
