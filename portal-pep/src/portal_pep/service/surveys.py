"""The survey: one answer for one case, changeable for a day, counted without persons. It is never a ground to refuse
anything (E10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.errors import EgovError, FieldError
from egovlaw.catalogue import Form, Regulation
from egovorigin.origin import Keep
from egovorigin.store.records import Record
from egovorigin.trail import note
from portal_pep.domain.surveys import ASKED, MAY_CHANGE, problems, published, questions, survey_form
from portal_pep.service.cases import owned
from portal_pep.service.parts import Portal
from portal_pep.store import surveys as store
from portal_pep.store.accounts import Account
from portal_pep.store.cases import Case
from portal_pep.store.records import records
from portal_pep.store.surveys import Survey


@dataclass(frozen=True, slots=True)
class Given:
    """An answer, and until when it may be changed."""

    answers: Mapping[str, int]
    given_at: datetime
    changed_at: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Questionnaire:
    """The form of a case's regulation, and what was answered."""

    regulation: Regulation
    form: Form
    may_answer: bool
    given: Given | None


@dataclass(frozen=True, slots=True)
class Counts:
    regulation: Regulation
    form: Form
    people: int
    chosen: Mapping[tuple[str, int], int]  # by question and number of the option


async def questionnaire(portal: Portal, account: Account, case_id: str) -> Questionnaire:
    async with portal.db.read() as conn:
        case = await owned(conn, account, case_id)
        given = await _given(conn, case_id)
    return _of_case(portal, case, given)


async def answer(
    portal: Portal, account: Account, case_id: str, answers: Mapping[str, int], keep: Keep[Questionnaire]
) -> None:
    """The first answer, or another one in its place within a day. EgovError survey.too_early | survey.invalid |
    survey.settled."""
    now = portal.clock.now()
    async with portal.db.begin() as conn:
        case = await owned(conn, account, case_id, lock=True)
        form = _form(_law_of(portal, case))
        if case.state not in ASKED:
            raise EgovError("survey.too_early", state=case.state.value)
        if wrong := problems(questions(form), answers):
            errors = [FieldError(f"answers.{one.question}".rstrip("."), one.code, one.code) for one in wrong]
            raise EgovError("survey.invalid", errors=errors)
        former = await store.survey(conn, case_id)
        if former is not None and now >= former.given_at + MAY_CHANGE:
            raise EgovError("survey.settled", until=(former.given_at + MAY_CHANGE).isoformat())
        given_at = now if former is None else former.given_at
        survey = Survey(case_id, case.regulation, case.regulation_version, given_at, now)
        await store.put(conn, survey, answers, first=former is None)
        await _record(conn, portal, case, now, "survey_answered" if former is None else "survey_changed")
        await keep(conn, _of_case(portal, case, await _given(conn, case_id)))


async def counts(portal: Portal, code: str) -> Counts:
    """What people have answered, told in whole groups (domain/surveys.py)."""
    regulation, _ = portal.regulation(code)
    form = _form(regulation)
    before = portal.clock.now() - MAY_CHANGE
    async with portal.db.read() as conn:
        people = published(await store.settled(conn, regulation.code, regulation.version, before))
        chosen = await store.counts(conn, regulation.code, regulation.version, people) if people else {}
    return Counts(regulation, form, people, chosen)


def _form(regulation: Regulation) -> Form:
    form = survey_form(regulation)
    if form is None:
        raise EgovError("survey.not_found", regulation=regulation.code)
    return form


def _law_of(portal: Portal, case: Case) -> Regulation:
    """That which the case went by, whatever has come since."""
    return portal.regulation(case.regulation, case.regulation_version)[0]


def _of_case(portal: Portal, case: Case, given: Given | None) -> Questionnaire:
    regulation = _law_of(portal, case)
    open_ = given is None or portal.clock.now() < given.until
    return Questionnaire(regulation, _form(regulation), case.state in ASKED and open_, given)


async def _given(conn: AsyncConnection, case_id: str) -> Given | None:
    found = await store.survey(conn, case_id)
    if found is None:
        return None
    answers = await store.answers_of(conn, case_id)
    return Given(answers, found.given_at, found.changed_at, found.given_at + MAY_CHANGE)


async def _record(conn: AsyncConnection, portal: Portal, case: Case, at: datetime, event: str) -> None:
    """That it was answered stands in journal and history; what was answered does not."""
    await note(conn, portal, "admin", case, {"action": event})
    state = case.state.value
    await records.add_record(conn, Record(case_id=case.id, at=at, event=event, state_before=state, state_after=state))
