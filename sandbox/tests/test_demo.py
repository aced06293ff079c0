"""What a newcomer reads: one line per hop, within a terminal of 120 columns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.demo import HEADING, line
from sandbox.replay.reading import load_all
from sandbox.replay.scenario import Scenario
from sandbox.trace import Hop

ENVELOPE = "019bbfcf-6a00-71cb-98b2-d48879552c1d"


def hop(service: str, step: str, **changed: Any) -> Hop:
    values: dict[str, Any] = {
        "time": datetime(2026, 1, 15, 4, 0, tzinfo=UTC),
        "service": service,
        "kind": "envelope",
        "step": step,
        "clause": None,
        "message": "",
        "outcome": "done",
        "before": None,
        "after": None,
        "limit_s": None,
        "used_s": None,
        "late": False,
        "envelope": None,
        "code": None,
        "position": 1,
        **changed,
    }
    return Hop(**values)


# The longest states of each service, with the longest limits of the act.
LONGEST = (
    hop("portal-pep", "C2", before="form_filled", after="certificate_checked"),
    hop(
        "portal-pep",
        "P5",
        message="case.submitted",
        envelope=ENVELOPE,
        before="certificate_checked",
        after="submitted",
        limit_s=60.0,
        used_s=0.2,
    ),
    hop("provider-arm", "P8", before="documents_checked", after="completed", limit_s=900.0, used_s=0.2),
    hop(
        "regional-gateway-rshep",
        "P6",
        message="case.registered",
        outcome="accepted",
        envelope=ENVELOPE,
        before="submitted",
        after="registered",
        limit_s=60.0,
        used_s=5.0,
    ),
)


@pytest.mark.parametrize("one", LONGEST, ids=lambda one: one.service)
def test_a_line_fits_into_120_columns(one: Hop) -> None:
    assert len(line(one, "6 12)")) <= 120
    assert len(HEADING) <= 120


def test_a_line_tells_time_service_step_clause_envelope_states_and_share_of_the_limit() -> None:
    said = line(LONGEST[3], "6 9)").split()
    assert said == [
        "04:00:00.000",
        "regional-gateway-rshep",
        "P6",
        "6",
        "9)",
        "case.registered",
        "accepted",
        "79552c1d",
        "submitted→registered",
        "5.0/60",
        "8%",
    ]


@pytest.mark.parametrize("scenario", load_all(), ids=lambda scenario: scenario.name)
def test_every_scenario_has_a_title_in_both_languages_and_a_clause_for_every_step(scenario: Scenario) -> None:
    assert scenario.title and any(letter in scenario.title_kk for letter in "әғқңөұүһі")
    by_step: dict[str, set[str]] = {}
    for one in scenario.then.lines:
        by_step.setdefault(one.step, set()).add(one.clause)
    assert all(len(clauses) == 1 for clauses in by_step.values()), "РШЭП's lines show the clause of their step"
