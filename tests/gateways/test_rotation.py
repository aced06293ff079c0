"""Rotation and suspension with several processes of each gateway: no good envelope is lost to a replica's old list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from egovkit.envelope import Envelope
from egovkit.signatures.keys import SigningKey
from sandbox import bootstrap
from sandbox.bootstrap import bearer
from sandbox.composition import NUC, PORTAL, PROVIDER, SHEP

from .bus import Gateways

pytestmark = [pytest.mark.connected, pytest.mark.asyncio(loop_scope="session")]
WAY = (("P1", "done"), ("C1", "ok"), ("P3", "done"), ("C2", "ok"))
MANY = 30


async def operate(gateways: Gateways, method: str, path: str, **body: Any) -> None:
    """An operator's call of ШЭП's register."""
    headers = bearer(gateways.admin_token(SHEP))
    answer = await gateways.http.request(method, f"{gateways.url(SHEP)}{path}", headers=headers, **body)
    assert answer.is_success, answer.text


async def rotated(gateways: Gateways, code: str) -> SigningKey:
    """A second certificate of the participant, registered beside the one in use."""
    bin_ = bootstrap.participants()[code]["bin"]
    key, pem = await bootstrap.request_certificate(gateways.http, gateways.home, gateways.url(NUC), code=code, bin=bin_)
    await operate(gateways, "POST", f"/v1/participants/{code}/certificates", json={"certificate": pem})
    return key


def submissions(gateways: Gateways) -> list[Envelope]:
    data = gateways.data("case.submitted", WAY)
    return [gateways.envelope("case.submitted", gateways.ids.new(), "P5", 1, data) for _ in range(MANY)]


async def pass_through(gateways: Gateways, sent: Sequence[Envelope]) -> None:
    keys = {(e.source, e.id) for e in sent}
    await gateways.put("shep.ingress", *sent)
    await gateways.until("all submissions", lambda: keys <= gateways.arrived[PROVIDER].keys())


def refused(gateways: Gateways, sent: Sequence[Envelope]) -> dict[str, str]:
    """Code of the refusal by the id of the refused."""
    ids = {e.id for e in sent}
    notices = [n for n in gateways.arrived[PORTAL].values() if n.type == "kz.egov.envelope.refused.v1"]
    return {n.data["id"]: n.data["problem"]["code"] for n in notices if n.data["id"] in ids}


async def test_a_new_certificate_is_good_at_once_at_every_process_and_the_old_one_until_it_is_withdrawn(
    gateways: Gateways,
) -> None:
    old = gateways.keys[PORTAL]
    new = await rotated(gateways, PORTAL)
    try:
        gateways.keys[PORTAL] = new
        await pass_through(gateways, submissions(gateways))
        gateways.keys[PORTAL] = old
        await pass_through(gateways, submissions(gateways))
        await operate(gateways, "DELETE", f"/v1/participants/{PORTAL}/certificates/{old.thumbprint}")
        gateways.keys[PORTAL] = new
        await pass_through(gateways, submissions(gateways))
    finally:
        gateways.keys[PORTAL] = new


async def test_a_suspended_participant_is_refused_by_name_and_passes_again_after_it_is_resumed(
    gateways: Gateways,
) -> None:
    await operate(gateways, "POST", f"/v1/participants/{PORTAL}/suspend")
    try:
        sent = submissions(gateways)
        await gateways.clock.sleep(1.0)  # the other process of ШЭП reads the register twice a second
        await gateways.put("shep.ingress", *sent)
        await gateways.until("all refusals", lambda: len(refused(gateways, sent)) == MANY)
        assert set(refused(gateways, sent).values()) == {"participant.suspended"}
    finally:
        await operate(gateways, "POST", f"/v1/participants/{PORTAL}/resume")
    await pass_through(gateways, submissions(gateways))
