"""kill -9 at every numbered boundary of a gateway, under load: nothing is lost, nothing is doubled."""

from __future__ import annotations

import os
from collections import Counter

import pytest

from egovkit.envelope import Envelope
from sandbox.composition import PORTAL, PROVIDER, RSHEP, SHEP
from sandbox.journals import read_copy

from .bus import Gateways, door

pytestmark = [pytest.mark.connected, pytest.mark.asyncio(loop_scope="session")]
BOUNDARIES = (
    "2-verified",
    "3-looked-up",
    "6-judged",
    "7-written",
    "7-committed",
    "8-before-ack",
    "9-before-publish",
    "9-published",
    "9-forwarded",
)
FULL = os.environ.get("EGOV_TEST_FULL") == "1"
LOAD = 400 if FULL else 40  # cases under way when the process dies
# The pipeline is one; РШЭП's half of the rounds is run whole in `make test-full`.
ROUNDS = [(SHEP, boundary) for boundary in BOUNDARIES] + [
    (RSHEP, boundary) for boundary in (BOUNDARIES if FULL else ("6-judged", "7-committed", "9-published"))
]
WAY = (("P1", "done"), ("C1", "ok"), ("P3", "done"), ("C2", "ok"))


def load(gateways: Gateways) -> list[Envelope]:
    """One submission and one registration per case; the registration may well overtake a gateway's death."""
    sent = []
    for _ in range(LOAD):
        case = gateways.ids.new()
        sent.append(gateways.envelope("case.submitted", case, "P5", 1, gateways.data("case.submitted", WAY)))
    return sent


def answers(gateways: Gateways, submitted: list[Envelope]) -> list[Envelope]:
    data = gateways.data("case.registered")
    return [gateways.envelope("case.registered", e.subject, "P6", 1, data) for e in submitted]


async def dies_under(gateways: Gateways, code: str, boundary: str, submitted: list[Envelope]) -> list[Envelope]:
    """Put the load through both gateways while one process of `code` dies at `boundary`."""
    before = gateways.restarts(code)
    fuse = gateways.fuse(code)
    half = len(submitted) // 2
    await gateways.put("shep.ingress", *submitted[:half])
    fuse.write_text(boundary)
    await gateways.put("shep.ingress", *submitted[half:])
    keys = {(e.source, e.id) for e in submitted}
    await gateways.until("submissions", lambda: keys <= gateways.arrived[PROVIDER].keys())
    registered = answers(gateways, submitted)
    for envelope in registered:
        await gateways.put(door(envelope), envelope)
    back = {(e.source, e.id) for e in registered}
    await gateways.until("registrations", lambda: back <= gateways.arrived[PORTAL].keys())
    await gateways.until(f"a death at {boundary}", lambda: gateways.restarts(code) > before)
    return registered


@pytest.mark.parametrize(("code", "boundary"), ROUNDS)
@pytest.mark.law(topic="quality", regulation="atyrau-housing-queue", clause="16 3)")
@pytest.mark.law(topic="quality", regulation="semey-*", clause=("16 5)", "17 5)"))
async def test_a_death_at_any_boundary_loses_and_doubles_nothing(gateways: Gateways, boundary: str, code: str) -> None:
    submitted = load(gateways)
    registered = await dies_under(gateways, code, boundary, submitted)
    await all_forwarded(gateways, code, [*submitted, *registered])
    for envelope in (*submitted, *registered):
        assert len(gateways.copies[envelope.source, envelope.id]) == 1  # a repeated copy is the same bytes
    for gateway in (SHEP, RSHEP):
        copy, cases = await read_copy(gateway, gateways.journals()[gateway]), {e.subject for e in submitted}
        passed = [row for row in copy.rows if row.case_id in cases and "kz.egov.case." in (row.body or "")]
        assert Counter(row.case_id for row in passed) == dict.fromkeys(cases, 2), gateway
    positions = await gateways.rows(
        SHEP,
        "SELECT position, ended FROM cases WHERE case_id = ANY(:cases)",
        cases=[e.subject for e in submitted],
    )
    assert [(row["position"], row["ended"]) for row in positions] == [("P6", False)] * LOAD


async def all_forwarded(gateways: Gateways, code: str, sent: list[Envelope]) -> None:
    """Also the rows of the dead process come to their end: the next one takes them up."""
    for _ in range(240):
        rows = await gateways.rows(
            code,
            "SELECT count(*) AS n FROM envelopes WHERE state <> 'forwarded' AND id = ANY(:ids)",
            ids=[e.id for e in sent],
        )
        if rows[0]["n"] == 0:
            return
        await gateways.clock.sleep(0.25)
    raise AssertionError(f"{rows[0]['n']} envelopes of {code} were never marked forwarded")


async def test_the_journals_of_both_gateways_are_unbroken_after_all_these_deaths(gateways: Gateways) -> None:
    from egovkit.journal import verify_rows

    for code in (SHEP, RSHEP):
        rows = (await read_copy(code, gateways.journals()[code])).rows
        assert rows and verify_rows(rows) == []
        assert {row.writer for row in rows} == {f"{code}/1", f"{code}/2"}
