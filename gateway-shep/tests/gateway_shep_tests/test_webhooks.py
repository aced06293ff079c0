"""A participant that is called instead of asking: what it gets, when it gets it again, and what it can look up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import jwt
import pytest

from egovgateway.webhooks.courier import LEASE, MAX_ATTEMPTS, PACE, Courier
from egovkit.clock import ShiftedClock
from egovkit.envelope import WireEnvelope
from egovkit.errors import EgovError
from egovkit.journal import read_rows
from egovkit.membership import verify_envelope, verify_receipts
from egovkit.sandbox.clock import Control
from egovkit.signatures.webhook import verify_webhook
from egovkit.testing.journal import BODIES
from gateway_shep import tables

from .conftest import CODES, Shep
from .test_judge import by_trunk, completed, registered, submitted

pytestmark = pytest.mark.service
URL = "https://10.1.2.3/egov/hook"


@pytest.fixture
async def bus(shep: Shep) -> AsyncIterator[Shep]:
    """The portal has no broker: it is a partner's, and called at its webhook."""
    for code in CODES[1:]:
        await shep.enrol(code)
    await shep.http.patch("/v1/participants/portal-pep", json={"delivery": "http"}, headers=shep.admin)
    answer = await own(shep, "PUT", "", json={"url": URL})
    assert answer.status_code == 200, answer.text
    await deliver(shep)  # the news of all that
    yield shep
    shep.receiver.open.set()


async def own(bus: Shep, method: str, path: str, by: str = "portal-pep", **how: Any) -> httpx.Response:
    """The participant's call about its own webhook."""
    return await bus.http.request(method, f"/v1/webhook{path}", headers=bus.access(by), **how)


def courier(bus: Shep) -> Courier:
    found: Courier = bus.app.state.running.door.webhooks.courier
    return found


async def deliver(bus: Shep, by: Courier | None = None) -> None:
    """Everything that is due now."""
    await (by or courier(bus)).round()
    await (by or courier(bus)).idle()


async def history(bus: Shep, **wanted: Any) -> list[dict[str, Any]]:
    answer = await bus.http.get("/v1/webhooks/portal-pep/deliveries", params=wanted, headers=bus.admin)
    return [item for item in answer.json()["items"] if not item["type"].endswith("members.updated.v1")]


async def inbox(bus: Shep) -> list[str]:
    return [item["id"] for item in (await bus.http.get("/v1/inbox", headers=bus.access("portal-pep"))).json()["items"]]


async def whole_case(bus: Shep) -> str:
    """accepted, registered, completed wait for the portal."""
    case = bus.ids.new()
    for result in (
        await bus.take(submitted(bus, case)),
        await by_trunk(bus, registered(bus, case)),
        await by_trunk(bus, completed(bus, case)),
    ):
        assert result.error is None
    return case


async def test_what_waits_is_posted_in_order_with_the_exact_bytes_and_every_signature(bus: Shep) -> None:
    await whole_case(bus)
    await deliver(bus)
    assert bus.receiver.types == ["accepted", "registered", "completed"]
    members, trust = bus.app.state.node.membership.members, bus.pki.trust()
    for headers, body in bus.receiver.calls:
        assert headers["content-type"] == "application/cloudevents+json" and headers["host"] == "10.1.2.3"
        wire = WireEnvelope.of(body, headers)
        facts = verify_envelope(wire, members, trust, bus.clock.now())
        assert verify_receipts(wire, members, trust, bus.clock.now())[-1].gateway == "gateway-shep"
        assert facts.envelope.recipient == "portal-pep"
    assert await inbox(bus) == []


async def test_the_call_is_signed_by_the_gateway_as_an_independent_library_confirms(bus: Shep) -> None:
    await bus.take(submitted(bus, bus.ids.new()))
    await deliver(bus)
    [(headers, body)] = bus.receiver.calls
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    public = bus.keys["gateway-shep"].certificate.public_key()
    jws = jwt.PyJWS()
    found = jws.decode_complete(headers["webhook-signature"], public, ["ES256"], detached_payload=signed)
    assert found["header"]["typ"] == "egov-webhook+jws"
    with pytest.raises(jwt.InvalidSignatureError):
        jws.decode_complete(headers["webhook-signature"], public, ["ES256"], detached_payload=signed + b" ")


async def test_a_call_that_was_changed_or_played_again_later_is_seen_as_such(bus: Shep) -> None:
    await bus.take(submitted(bus, bus.ids.new()))
    await deliver(bus)
    [(headers, body)] = bus.receiver.calls
    find, now = bus.app.state.node.membership.members.certificate_for, bus.clock.now()
    assert verify_webhook(body, headers, find, now) == headers["webhook-id"]
    changes = ({"webhook-id": bus.ids.new()}, {"webhook-timestamp": str(int(now.timestamp()) + 1)})
    for change in changes:
        with pytest.raises(EgovError, match=r"signature\.invalid"):
            verify_webhook(body, {**headers, **change}, find, now)
    with pytest.raises(EgovError, match=r"signature\.malformed"):  # an envelope's signature is none of a call
        verify_webhook(body, {**headers, "webhook-signature": headers["egov-signature"]}, find, now)
    with pytest.raises(EgovError, match=r"signature\.unknown_certificate"):
        verify_webhook(body, headers, lambda _: None, now)
    with pytest.raises(EgovError, match=r"signature\.missing"):
        verify_webhook(body, {}, find, now)
    await bus.clock.advance(301)
    with pytest.raises(EgovError, match=r"webhook\.stale"):
        verify_webhook(body, headers, find, bus.clock.now())


@pytest.mark.parametrize("status", [500, 302])
async def test_a_failure_is_tried_again_after_its_back_off_and_holds_up_its_case_alone(bus: Shep, status: int) -> None:
    bus.receiver.answers = [status]
    await whole_case(bus)
    other = bus.ids.new()
    await bus.take(submitted(bus, other))
    await deliver(bus)
    assert bus.receiver.types == ["accepted", "accepted"]  # the first case's, then the other's
    failed = (await history(bus, state="waiting"))[-1]
    wait = PACE.delay(failed["id"], 1).total_seconds()
    assert 2.5 <= wait <= 5
    assert [one["status"] for one in failed["attempts"]] == [status]
    await bus.clock.advance(wait - 0.01)
    await deliver(bus)
    assert len(bus.receiver.calls) == 2
    await bus.clock.advance(0.01)
    await deliver(bus)
    assert bus.receiver.types[2:] == ["accepted", "registered", "completed"]
    assert bus.receiver.calls[0][0]["webhook-id"] == bus.receiver.calls[2][0]["webhook-id"]


async def test_a_receiver_that_never_answers_well_is_given_up_and_its_case_goes_on(bus: Shep) -> None:
    bus.receiver.answers = [503] * MAX_ATTEMPTS
    await bus.take(submitted(bus, case := bus.ids.new()))
    await by_trunk(bus, registered(bus, case))
    for _ in range(MAX_ATTEMPTS - 1):
        await deliver(bus)
        [_, mine] = await history(bus)
        assert mine["state"] == "waiting"
        await bus.clock.advance(PACE.delay(mine["id"], len(mine["attempts"])))
    await deliver(bus)
    [later, mine] = await history(bus)
    assert (mine["state"], len(mine["attempts"]), later["state"]) == ("exhausted", MAX_ATTEMPTS, "delivered")
    bus.pki.publish()
    await bus.app.state.node.refresh()
    assert await inbox(bus) == [mine["envelope"]]  # still there to be fetched
    again = await own(bus, "POST", f"/deliveries/{mine['id']}/redeliver")
    assert again.status_code == 202
    await deliver(bus)
    assert await inbox(bus) == [] and (await history(bus))[-1]["state"] == "delivered"


async def test_gone_pauses_until_the_participant_resumes(bus: Shep) -> None:
    bus.receiver.answers = [410]
    await whole_case(bus)
    await deliver(bus)
    shown = (await own(bus, "GET", "")).json()
    assert (shown["state"], shown["reason"], shown["waiting"]) == ("paused", "gone", 3)
    await bus.clock.advance(3600)
    await deliver(bus)
    assert len(bus.receiver.calls) == 1
    [*_, first] = await history(bus)
    refused = await own(bus, "POST", f"/deliveries/{first['id']}/redeliver")
    assert (refused.status_code, refused.json()["code"]) == (409, "webhook.paused")
    assert (await own(bus, "POST", "/resume")).json()["state"] == "active"
    await deliver(bus)
    assert bus.receiver.types[1:] == ["accepted", "registered", "completed"]


async def test_a_delivered_one_is_delivered_again_by_hand_with_the_same_id_and_bytes(bus: Shep) -> None:
    await whole_case(bus)
    await deliver(bus)
    [*_, first] = await history(bus)
    assert (await own(bus, "POST", f"/deliveries/{first['id']}/redeliver")).status_code == 202
    await deliver(bus)
    (before, body), (after, again) = bus.receiver.calls[0], bus.receiver.calls[3]
    assert (before["webhook-id"], body) == (after["webhook-id"], again)
    assert [one["status"] for one in (await history(bus))[-1]["attempts"]] == [204, 204]
    unknown = await own(bus, "POST", f"/deliveries/{bus.ids.new()}/redeliver")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "webhook.delivery_unknown")


async def test_two_processes_never_call_with_one_delivery_at_the_same_time(bus: Shep) -> None:
    bus.receiver.open.clear()
    one, two = courier(bus), Courier(bus.app.state.running.door.gateway.parts, courier(bus)._p)
    await bus.take(submitted(bus, bus.ids.new()))
    await one.round()
    await bus.receiver.called.wait()
    await deliver(bus, two)
    assert len(bus.receiver.calls) == 1
    [mine] = await history(bus)
    busy = await own(bus, "POST", f"/deliveries/{mine['id']}/redeliver")
    assert (busy.status_code, busy.json()["code"]) == (409, "webhook.delivery_under_way")
    bus.receiver.open.set()
    await one.idle()
    await deliver(bus, two)
    assert len(bus.receiver.calls) == 1 and (await history(bus))[0]["state"] == "delivered"


async def test_what_a_process_left_in_the_middle_is_taken_up_by_the_next_one(bus: Shep) -> None:
    bus.receiver.open.clear()
    killed = Courier(bus.app.state.running.door.gateway.parts, courier(bus)._p)
    await bus.take(submitted(bus, bus.ids.new()))
    await killed.round()
    await bus.receiver.called.wait()
    await killed.close()
    bus.receiver.open.set()
    await bus.clock.advance(LEASE)
    await deliver(bus)
    [mine] = await history(bus)
    assert [one["status"] for one in mine["attempts"]] == [None, 204]
    assert mine["state"] == "delivered" and await inbox(bus) == []


async def test_what_was_fetched_at_the_inbox_is_not_delivered_any_more(bus: Shep) -> None:
    bus.receiver.answers = [500]
    await whole_case(bus)
    await deliver(bus)
    first = (await inbox(bus))[0]
    await bus.http.post("/v1/inbox/ack", json={"ids": [first]}, headers=bus.access("portal-pep"))
    await deliver(bus)
    assert bus.receiver.types == ["accepted", "registered", "completed"]
    assert (await history(bus))[-1]["state"] == "fetched"


async def test_a_suspended_participant_gets_nothing_until_it_takes_part_again(bus: Shep) -> None:
    await whole_case(bus)
    await bus.http.post("/v1/participants/portal-pep/suspend", headers=bus.admin)
    await deliver(bus)
    assert bus.receiver.calls == []
    await bus.http.post("/v1/participants/portal-pep/resume", headers=bus.admin)
    await deliver(bus)
    assert len(bus.receiver.calls) == 3


async def test_a_ping_is_signed_and_tells_at_once_what_came_of_it(bus: Shep) -> None:
    bus.receiver.answers = [418]
    tried = (await own(bus, "POST", "/test")).json()
    assert (tried["status"], tried["error"]) == (418, None)
    [(headers, body)] = bus.receiver.calls
    assert headers["egov-event"] == "ping"
    find = bus.app.state.node.membership.members.certificate_for
    assert verify_webhook(body, headers, find, bus.clock.now()) in body.decode()
    assert await history(bus) == []


async def test_a_url_that_leads_astray_is_refused(bus: Shep) -> None:
    for url, code in (
        ("http://10.1.2.3/", "webhook.url_scheme"),
        ("https://user:word@10.1.2.3/", "webhook.url_form"),
        ("https://xn--a.example/", "webhook.url_form"),
        ("https://169.254.169.254/latest/meta-data", "webhook.url_address"),
    ):
        answer = await own(bus, "PUT", "", json={"url": url})
        assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert (await own(bus, "GET", "")).json()["url"] == URL


async def test_a_webhook_is_its_owners_and_at_the_gateway_that_delivers_to_him(bus: Shep) -> None:
    assert (await bus.http.get("/v1/webhook")).json()["code"] == "access.missing"
    assert (await own(bus, "GET", "", by="provider-arm")).json()["code"] == "webhook.unknown"
    body = {"url": URL}
    by_broker = await own(bus, "PUT", "", by="provider-arm", json=body)
    assert (by_broker.status_code, by_broker.json()["code"]) == (409, "webhook.not_by_http")
    await bus.http.patch("/v1/participants/provider-arm", json={"delivery": "http"}, headers=bus.admin)
    regional = await own(bus, "PUT", "", by="provider-arm", json=body)
    assert (regional.status_code, regional.json()["code"]) == (409, "webhook.other_gateway")


async def test_an_operator_sees_all_and_acts_for_a_participant_and_the_journal_tells(bus: Shep) -> None:
    path = "/v1/webhooks/portal-pep"
    assert (await bus.http.get("/v1/webhooks")).json()["code"] == "access.missing"
    paused = await bus.http.post(f"{path}/pause", headers=bus.admin)
    assert (paused.json()["state"], paused.json()["reason"], paused.json()["updated_by"]) == (
        "paused",
        "asked",
        "operator",
    )
    [shown] = (await bus.http.get("/v1/webhooks", headers=bus.admin)).json()["items"]
    assert shown == paused.json()
    assert (await bus.http.delete(path, headers=bus.admin)).status_code == 204
    assert (await bus.http.delete(path, headers=bus.admin)).json()["code"] == "webhook.unknown"
    nobody = await bus.http.get("/v1/webhooks/nobody", headers=bus.admin)
    assert nobody.json()["code"] == "participant.unknown"
    async with bus.app.state.node.db.read() as conn:
        rows = [row.body or "" for row in await read_rows(conn, tables.gateway.journal, bodies=BODIES)]
    told = [body for body in rows if '"webhook.' in body]
    assert len(told) == 3 and all("/egov/hook" not in body for body in told)


async def test_the_history_goes_page_by_page_and_is_forgotten_in_the_end(bus: Shep) -> None:
    case = await whole_case(bus)
    await deliver(bus)
    first = (await own(bus, "GET", "/deliveries", params={"limit": 2})).json()
    rest = (await own(bus, "GET", "/deliveries", params={"limit": 2, "cursor": first["next"]})).json()
    assert [item["case"] == case for item in first["items"] + rest["items"]] == [True, True, True, False]
    assert (first["next"], rest["next"]) == (first["items"][-1]["id"], None)
    assert await history(bus, state="waiting") == []
    await bus.clock.advance(31 * 86400)
    await deliver(bus)
    assert await history(bus) == []


async def test_a_sandboxs_clock_stops_where_a_webhook_is_called_again(bus: Shep) -> None:
    control = Control(bus.app.state.node.settings, ShiftedClock(bus.clock))
    courier(bus).watch(control)
    bus.receiver.answers = [500] * 6
    await bus.take(submitted(bus, bus.ids.new()))
    assert await control.busy() == ["calls to webhooks"] and await control.following() == []
    for tries in range(1, 7):
        await deliver(bus)
        assert await control.busy() == []
        [mine] = await history(bus)
        [following] = await control.following()
        assert following.at == bus.clock.now() + PACE.delay(mine["id"], tries)
        assert following.stops == (
            tries <= 5
        )  # a receiver that is away must not stop a jump of a month again and again
        await bus.clock.advance(following.at - bus.clock.now())


async def test_metrics_tell_how_much_waits_and_since_when(bus: Shep) -> None:
    bus.receiver.answers = [500]
    await whole_case(bus)
    await deliver(bus)
    await bus.clock.advance(1)
    text = (await bus.http.get("/metrics")).text
    assert 'egov_webhook_attempts_total{outcome="failed",service="gateway-shep"} 1.0' in text
    assert 'egov_webhook_deliveries{service="gateway-shep",state="waiting"} 3.0' in text
    assert 'egov_webhook_oldest_waiting_seconds{service="gateway-shep"} 1.0' in text


async def test_deleting_a_webhook_leaves_what_waits_in_the_inbox_for_the_next_one(bus: Shep) -> None:
    bus.receiver.answers = [500]
    await whole_case(bus)
    await deliver(bus)
    assert (await own(bus, "DELETE", "")).status_code == 204
    assert len(await inbox(bus)) == 3
    await own(bus, "PUT", "", json={"url": "https://10.1.2.4/"})
    await deliver(bus)
    assert bus.receiver.types[1:] == ["accepted", "registered", "completed"]
    assert bus.receiver.calls[-1][0]["host"] == "10.1.2.4"
