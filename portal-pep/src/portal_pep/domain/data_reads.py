"""Who read my data: what is asked of a register, what its answer is worth, and the words for both. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from egovorigin.domain.texts import Text

QUERY, ANSWER = "query.reads", "answer.reads"
REGISTER_KINDS: Final = ("person_register", "attorney_register", "akimat_register")
PATIENCE: Final = timedelta(seconds=60)  # ours: no act has this question
AT_ONCE: Final = 100  # reads of one answer; more are asked for when it has come
# A read is numbered a moment before it is committed, so a later one may be told before it.
AGAIN: Final = timedelta(minutes=5)
PROCESSED: Final = "00000"


class Asked(StrEnum):
    """What became of the last question to a register."""

    NEVER = "never_asked"  # never stored
    WAITING = "waiting"
    ANSWERED = "answered"
    NO_ANSWER = "no_answer"  # in time; never stored
    UNUSABLE = "unusable"  # an answer about somebody else, or one that says it could not be worked on
    REFUSED = "refused"  # by a gateway


@dataclass(frozen=True, slots=True)
class RegisterAsked:
    """The last question of a person to a register, and when it told what is known, which an unlucky one leaves as it
    is."""

    account_id: str
    register: str  # participant's code
    question: str  # the envelope's id: what the answer's correlationid names
    state: Asked
    asked_at: datetime
    due_at: datetime
    problem: Mapping[str, Any] | None = None
    told_at: datetime | None = None

    def state_at(self, now: datetime) -> Asked:
        late = self.state is Asked.WAITING and now > self.due_at
        return Asked.NO_ANSWER if late else self.state


@dataclass(frozen=True, slots=True)
class DataRead:
    """A read as a register told it: `told` is an item of its answer."""

    id: str
    register: str
    at: datetime
    told: Mapping[str, Any]


def is_usable(data: Mapping[str, Any], iin: str) -> bool:
    """Whether an answer says anything of what was asked (E1)."""
    return (data["iin"], data["result"]["code"]) == (iin, PROCESSED)


STATE_TEXTS: Final[Mapping[Asked, Text]] = MappingProxyType(
    {
        Asked.NEVER: Text(
            "Тіркелімге сұрау жіберілмеген", "Регистр ещё не спрашивали", "The register has not been asked"
        ),
        Asked.WAITING: Text(
            "Тіркелімнің жауабы күтілуде", "Ожидается ответ регистра", "The register's answer is awaited"
        ),
        Asked.ANSWERED: Text("Тіркелім жауап берді", "Регистр ответил", "The register has answered"),
        Asked.NO_ANSWER: Text(
            "Тіркелім жауап бермеді: бұрын белгілі болғаны көрсетілген, кейінірек қайта сұраңыз",
            "Регистр не ответил: показано известное ранее, спросите позже ещё раз",
            "The register did not answer: what was known before is shown; ask again later",
        ),
        Asked.UNUSABLE: Text(
            "Тіркелімнің жауабын пайдалану мүмкін емес: бұрын белгілі болғаны көрсетілген",
            "Ответ регистра нельзя использовать: показано известное ранее",
            "The register's answer cannot be used: what was known before is shown",
        ),
        Asked.REFUSED: Text("Шлюз сұраудан бас тартты", "Шлюз отклонил вопрос", "A gateway refused the question"),
    }
)

OUTCOME_TEXTS: Final[Mapping[str, Text]] = MappingProxyType(
    {
        "answered": Text("Деректер берілді", "Сведения предоставлены", "The data were given"),
        "refused": Text("Тіркелім бас тартты", "Регистр отказал", "The register refused"),
        "expired": Text(
            "Сұрау салудың мерзімі өткен, дерек берілген жоқ",
            "Срок запроса истёк, сведения не предоставлены",
            "The question had expired, nothing was given",
        ),
        "shown": Text(
            "Тіркелімнің әкімшісі қарады",
            "Просмотрел администратор регистра",
            "An administrator of the register looked",
        ),
    }
)
