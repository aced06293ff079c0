"""The survey of a case, for its applicant; the counts, for everybody."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import Field

from egovkit.declared import keyed, refuses
from egovkit.routes import Routes
from egovlaw.catalogue import FormField, Kazakh
from egovorigin.api import Key, Shown, Strict, Title, kept, model_answer
from egovorigin.origin import Keep
from portal_pep.api.base import Confirmed, ThePortal, once
from portal_pep.domain import surveys as rules
from portal_pep.service import surveys
from portal_pep.service.surveys import Counts, Questionnaire

router = Routes(prefix="/v1", tags=["survey"])


class Words(Shown):
    """Russian as the act prints it; `kk_status` tells where the Kazakh comes from: the acts print none (E11)."""

    ru: str
    kk: str | None
    kk_status: str | None


class OptionShown(Words):
    number: int


class QuestionShown(Shown):
    name: str
    text: Words
    options: list[OptionShown]


class GivenShown(Shown):
    answers: dict[str, int]
    given_at: datetime
    changed_at: datetime
    may_change_until: datetime


class SurveyShown(Shown):
    regulation: str
    version: int
    clause: str
    title: Words
    service: Title
    questions: list[QuestionShown]
    may_answer: bool
    given: GivenShown | None


class Answers(Strict):
    answers: Annotated[
        dict[str, int], Field(max_length=50, description="by question: the number of the option, from 1")
    ]


class OptionCounted(OptionShown):
    count: int


class QuestionCounted(Shown):
    name: str
    text: Words
    options: list[OptionCounted]


class SurveyCounts(Shown):
    """`people`: whose answers are counted: those that can no longer change, in whole groups of `group`. Fewer than a
    group are not counted yet."""

    regulation: str
    version: int
    clause: str
    service: Title
    people: int
    group: int = rules.GROUP
    settles_after_s: int = int(rules.MAY_CHANGE.total_seconds())
    questions: list[QuestionCounted]


@router.get("/cases/{case_id}/survey")
@refuses("case.not_found", "survey.not_found")
async def show_survey(portal: ThePortal, identity: Confirmed, case_id: str) -> SurveyShown:
    """The act's form as data, and what was answered."""
    return _shown(await surveys.questionnaire(portal, identity.account, case_id))


@router.post("/cases/{case_id}/survey", response_model=SurveyShown)
@keyed
@refuses("case.not_found", "survey.invalid", "survey.not_found", "survey.settled", "survey.too_early")
async def answer_survey(
    *, request: Request, portal: ThePortal, identity: Confirmed, case_id: str, body: Answers, key: Key = None
) -> Response:
    """Answers when the case has ended: once, and for a day anew."""

    async def work(keep: Keep[Questionnaire]) -> None:
        await surveys.answer(portal, identity.account, case_id, body.answers, keep)

    return await once(request, identity, kept(lambda found: model_answer(200, _shown(found)), work))


@router.get("/surveys/{regulation}")
@refuses("service.not_found", "survey.not_found")
async def count_answers(portal: ThePortal, regulation: str) -> SurveyCounts:
    """How people judged the quality and availability of a service: numbers, no persons."""
    return _counted(await surveys.counts(portal, regulation))


def _shown(found: Questionnaire) -> SurveyShown:
    given = found.given
    return SurveyShown(
        regulation=found.regulation.code,
        version=found.regulation.version,
        clause=found.form.clause,
        title=Words(ru=found.form.name_ru, **_kazakh(found.form.name_kk)),
        service=Title(kk=found.regulation.title_kk, ru=found.regulation.title_ru),
        questions=[
            QuestionShown(name=one.name, text=_label(one), options=[OptionShown(**option) for option in _options(one)])
            for one in rules.questions(found.form)
        ],
        may_answer=found.may_answer,
        given=None
        if given is None
        else GivenShown(
            answers=dict(given.answers),
            given_at=given.given_at,
            changed_at=given.changed_at,
            may_change_until=given.until,
        ),
    )


def _counted(found: Counts) -> SurveyCounts:
    return SurveyCounts(
        regulation=found.regulation.code,
        version=found.regulation.version,
        clause=found.form.clause,
        service=Title(kk=found.regulation.title_kk, ru=found.regulation.title_ru),
        people=found.people,
        questions=[
            QuestionCounted(
                name=one.name,
                text=_label(one),
                options=[
                    OptionCounted(**option, count=found.chosen.get((one.name, option["number"]), 0))
                    for option in _options(one)
                ],
            )
            for one in rules.questions(found.form)
        ],
    )


def _label(question: FormField) -> Words:
    return Words(ru=question.label_ru, **_kazakh(question.label_kk))


def _options(question: FormField) -> list[dict[str, Any]]:
    pairs = zip(question.options_ru, question.options_kk, strict=True)
    return [
        {"number": number, "ru": russian, **_kazakh(translated)}
        for number, (russian, translated) in enumerate(pairs, start=1)
    ]


def _kazakh(text: Kazakh | None) -> dict[str, str | None]:
    return {"kk": text.text, "kk_status": text.status} if text else {"kk": None, "kk_status": None}
