"""What the acts give the provider's officials to do, asked of the rules for every act: who does which step of an
internal procedure, which form a result has, how long it is valid. Nothing runs.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from egovkit.contracts import contracts_dir, read_once
from egovlaw.catalogue import InternalBranch, InternalStep, Regulation
from egovlaw.loader import load_catalogue
from egovlaw.terms import lodged_in
from provider_arm.domain.cases import Answer, OfficeKind, Role, Staff
from provider_arm.domain.internal import Draft, Running, after, key_of, makes_result, may_do
from provider_arm.service.results import form_of, valid_until

NOW = datetime(2026, 1, 15, 4, 0, tzinfo=UTC)
OFFICIAL = Staff("s1", "991231600012", "ҮЛГІЛІ", frozenset(), "some", None, "Бөлім", OfficeKind.PROVIDER, True, NOW)
WAYS: dict[InternalBranch, str] = {"default": "state_corporation", "akim": "akim", "centre": "employment_centre"}
LAW = read_once(load_catalogue, contracts_dir())
WITH_PROCEDURE = [one for one in LAW.regulations if one.internal_procedure]
KINDS = {Answer.POSITIVE: "positive", Answer.NEGATIVE: "negative"}


def walked(regulation: Regulation, lodged: InternalBranch, answer: Answer) -> list[InternalStep]:
    """The steps one after another, as tasks follow one another."""
    running = Running("case", lodged, NOW, None, Draft(answer))
    steps = running.steps(regulation)
    way: list[InternalStep] = []
    step: InternalStep | None = steps[0]
    while step is not None:
        way.append(step)
        able = {
            (role, office)
            for role in Role
            for office in OfficeKind
            if may_do(replace(OFFICIAL, roles=frozenset({role}), office_kind=office), running, step)
        }
        assert {role for role, _ in able} == {Role(step.role)}
        assert (Role(step.role), OfficeKind(step.office)) in able
        assert lodged == "default" or len(able) == 1, "a step of a named desk is no other desk's"
        step = after(steps, step)
    assert way == list(steps)
    assert sum(makes_result(steps, one) for one in way) == 1, "one signature makes the result"
    return way


@pytest.mark.law(topic="internal")
@pytest.mark.parametrize("regulation", WITH_PROCEDURE, ids=lambda one: one.code)
def test_every_step_of_a_procedure_comes_in_its_turn_to_its_role_at_its_desk(regulation: Regulation) -> None:
    lodged = [name for name, channel in WAYS.items() if lodged_in(regulation, channel) == name]
    ways = [walked(regulation, branch, answer) for branch in lodged for answer in Answer]
    keys = [[key_of(step) for step in way] for way in ways]
    assert all(len(one) == len(set(one)) for one in keys)
    assert {key for one in keys for key in one} == {key_of(step) for step in regulation.internal_procedure}


# Written down from the acts: 5 days "со дня его выдачи", 1 month "со дня выдачи"; A27: the day of issue is not counted.
@pytest.mark.law(topic="validity")
@pytest.mark.parametrize(
    ("code", "variant", "last"),
    [
        ("semey-kindergarten-queue", "direction", "2026-02-05"),
        ("semey-minor-funds-certificate", "pension", "2026-02-28"),
        ("semey-minor-funds-certificate", "bank", "2026-02-28"),
        ("semey-minor-funds-certificate", "vehicle", "2026-02-28"),
        ("semey-minor-property-certificate", None, "2026-02-28"),
        ("semey-kindergarten-queue", "queue", None),
    ],
)
def test_a_result_is_valid_as_long_as_the_act_says(code: str, variant: str | None, last: str | None) -> None:
    form = form_of(LAW.by_code[code], Answer.POSITIVE, None, variant)
    assert form is not None and form.variant == variant
    late_on_the_30th_in_london = datetime(2026, 1, 30, 19, 30, tzinfo=UTC)
    assert valid_until(form, late_on_the_30th_in_london) == last


@pytest.mark.law(topic="forms", regulation="tayynsha-social-assistance", clause="14")
@pytest.mark.parametrize("answer", Answer)
def test_a_result_has_the_form_that_the_act_prints_for_the_answer(answer: Answer) -> None:
    for one in LAW.regulations:
        printed = [form for form in one.forms if form.kind == KINDS[answer]]
        found = [form_of(one, answer, answer, form.variant) for form in printed]
        assert found == printed or len(printed) > len({form.variant for form in printed}), one.code
        if not printed:
            assert form_of(one, answer, answer, None) is None
    tayynsha = form_of(LAW.by_code["tayynsha-social-assistance"], answer, answer, None)
    assert tayynsha is not None and tayynsha.clause.startswith("Приложение 5")
