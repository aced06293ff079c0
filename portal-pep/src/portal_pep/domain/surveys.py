"""The survey of the acts (act 427, cl. 15, Приложение 3): what is asked, when, how much of it is told to others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from egovlaw.catalogue import Form, FormField, Regulation
from portal_pep.domain.states import CaseState

# The act measures the result of the service: who got none (a certificate or a gateway refused) is not asked.
ASKED: Final = frozenset({CaseState.REFUSED, CaseState.COMPLETED})

# A slip of the hand can be put right for a day; after it the answer counts, so that counts never go back.
MAY_CHANGE: Final = timedelta(days=1)

# Counts grow by whole groups: who reads them before and after one person's answer learns nothing about that person.
GROUP: Final = 5


@dataclass(frozen=True, slots=True)
class AnswerProblem:
    question: str
    code: str  # unknown, not_allowed, missing


def survey_form(regulation: Regulation) -> Form | None:
    return next((form for form in regulation.forms if form.kind == "survey"), None)


def questions(form: Form) -> tuple[FormField, ...]:
    """What is answered by choosing; the name of the service, which the form has a line for, is known."""
    return tuple(field for field in form.fields if field.type == "choice")


def problems(asked: Sequence[FormField], answers: Mapping[str, int]) -> list[AnswerProblem]:
    """Everything wrong with the answers. A question may be left out, all of them may not."""
    options = {question.name: len(question.options_ru) for question in asked}
    found = [AnswerProblem(name[:60], "unknown") for name in answers if name not in options]
    found += [
        AnswerProblem(name, "not_allowed")
        for name, option in answers.items()
        if name in options and not 1 <= option <= options[name]
    ]
    return found or ([] if answers else [AnswerProblem("", "missing")])


def published(people: int) -> int:
    """How many people's answers are told when so many have settled."""
    return people - people % GROUP
