"""The applicant's question where he stands in the queue: what it asks for, and what an answer is worth. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from egovlaw.catalogue import Channel, Regulation

AKIMAT_REGISTER: Final = "akimat_register"  # a kind of participant, and the setting that names the act's register
ENQUEUES: Final = "enqueue"
POSITION: Final = "position"
PROCESSED: Final = "00000"
QUEUE_NUMBER: Final = "queue_number"  # of a result's values, where the register decided them
PATIENCE: Final = timedelta(seconds=60)  # ours: no act gives the answer a term
QUERY, ANSWER = "query.register", "answer.register"


class Asked(StrEnum):
    """What became of the last question."""

    WAITING = "waiting"
    ANSWERED = "answered"
    NO_ANSWER = "no_answer"  # in time; never stored
    UNUSABLE = "unusable"  # an answer that says nothing of what was asked
    REFUSED = "refused"  # by a gateway


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """The last question of a case, and the newest usable answer, which an unlucky question leaves as it is."""

    case_id: str
    question: str  # the envelope's id: what the answer's correlationid names
    asked: str  # participant's code
    state: Asked
    asked_at: datetime
    due_at: datetime
    problem: Mapping[str, Any] | None = None
    entry: Mapping[str, Any] | None = None  # None with a `told_at`: he stands nowhere
    told_at: datetime | None = None  # when the register said so

    def state_at(self, now: datetime) -> Asked:
        late = self.state is Asked.WAITING and now > self.due_at
        return Asked.NO_ANSWER if late else self.state


def queue_of(regulation: Regulation) -> str | None:
    """The queue the act's service is a place in; None for any other service."""
    setting = regulation.settings.get(AKIMAT_REGISTER)
    if setting is None or not isinstance(setting.value, Mapping) or setting.value["use"] != ENQUEUES:
        return None
    return str(setting.value["name"])


def may_ask_at(channel: Channel, step: str | None) -> bool:
    """Whether the act's channel lets the origin ask while the case stands there."""
    return any(one.type == QUERY and one.sender == "origin" and step in one.during for one in channel.side_messages)


def given_number(document: Mapping[str, Any] | None) -> str | None:
    """The number the provider's result names; None where it names none."""
    values = (document or {}).get("values")
    number = values.get(QUEUE_NUMBER) if isinstance(values, Mapping) else None
    return None if number is None else str(number)


def is_usable(data: Mapping[str, Any], queue: str, iin: str, number: str | None) -> bool:
    """Whether an answer says anything of what was asked (E1); that nobody stands there is an answer too. Somebody else
    than the applicant is his child, if he stands by the number of the result, and else a stranger."""
    fits = (data["register"], data["operation"], data["result"]["code"]) == (queue, POSITION, PROCESSED)
    own = all(one["person_iin"] == iin or str(one.get("number")) == number for one in data["entries"])
    return fits and own and len(data["entries"]) <= 1
