"""A journal may say anything of the provider's own steps; the checker tells it and goes on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from egovlaw.catalogue import Channel, Regulation
from egovlaw.conformance.events import Entry
from egovlaw.conformance.internal import judge_steps


@pytest.mark.parametrize("n", [99, "1", None, [], {}, 1.5])
def test_a_step_that_the_procedure_does_not_have_is_a_deviation(housing: Regulation, portal: Channel, n: Any) -> None:
    facts = {"branch": "default", "n": n}
    at = datetime(2026, 1, 15, tzinfo=UTC)
    entry = Entry("provider-arm/1", 1, at, "admin", "provider-arm", "", "", "done", facts)
    found = next(judge_steps((housing, portal), [entry], ended=False))
    assert (found.dimension, found.text) == ("fitness", "no such step of the procedure")
