"""What any envelope can meet at ШЭП, through the HTTP door of partners: each refusal says code, side and remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from egovkit.envelope import Envelope
from sandbox.composition import PORTAL, SHEP
from sandbox.partner import Partner, Where
from sandbox.replay.reading import load_all
from sandbox.sabotage import case_rows
from sandbox.world import Deployment

from .problems import problem

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="session")]
SCENARIO = load_all()[0]
WHERE = Where(SCENARIO.regulation, SCENARIO.channel, SCENARIO.region)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def partner(world: Deployment) -> Partner:
    return await Partner.join(world, "partner-portal", WHERE)


async def test_a_good_submission_is_accepted_with_a_receipt(partner: Partner) -> None:
    answer = await partner.send(partner.submission())
    assert answer.status_code == 202, answer.text
    assert answer.json()["state"] == "accepted"
    assert answer.json()["receipt"].count(".") == 2


async def test_an_answer_waits_in_the_inbox_until_it_is_acknowledged(world: Deployment, partner: Partner) -> None:
    envelope = partner.submission()
    await partner.send(envelope)
    deadline = world.clock.monotonic() + 60
    while True:
        items = await partner.inbox()
        mine = [item for item in items if envelope.subject in decoded(item).subject]
        if any(decoded(item).type == "kz.egov.case.registered.v1" for item in mine):
            break
        assert world.clock.monotonic() < deadline, items
        await partner.acknowledge([item["id"] for item in items if item not in mine] or [world.ids.new()])
        await world.clock.sleep(0.1)
    assert await partner.acknowledge([item["id"] for item in mine]) == len(mine)
    left = {item["id"] for item in await partner.inbox()}
    assert not left & {item["id"] for item in mine}


def decoded(item: dict[str, Any]) -> Envelope:
    import base64

    return Envelope.parse(base64.b64decode(item["envelope"]))


async def test_the_same_envelope_again_gets_the_same_answer(partner: Partner) -> None:
    envelope = partner.submission()
    raw = envelope.encode()
    signature = partner.sign(raw)
    first, again = await partner.post(raw, signature), await partner.post(raw, signature)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["receipt"] == again.json()["receipt"]


async def test_the_same_id_with_another_body_is_refused(partner: Partner) -> None:
    envelope = partner.submission()
    await partner.send(envelope)
    answer = await partner.send(replace(envelope, region="semey"))
    problem(answer, "replay.other_body")


async def test_a_flipped_byte_is_refused_and_nobody_is_told(partner: Partner) -> None:
    raw = partner.submission().encode()
    forged = raw.replace(b'"caseseq":1', b'"caseseq":2')
    assert forged != raw
    problem(await partner.post(forged, partner.sign(raw)), "signature.invalid")


async def test_an_envelope_in_anothers_name_is_refused(partner: Partner) -> None:
    problem(await partner.send(partner.submission(source=PORTAL)), "signature.not_of_source")


async def test_an_envelope_without_a_signature_is_refused(partner: Partner) -> None:
    problem(await partner.post(partner.submission().encode(), ""), "signature.malformed")


async def test_a_suspended_participant_is_refused_until_it_is_resumed(world: Deployment) -> None:
    partner = await Partner.join(world, "partner-suspended", WHERE)
    await partner.set_state("suspend")
    problem(await partner.send(partner.submission()), "participant.suspended")
    await partner.set_state("resume")
    answer = await partner.send(partner.submission())
    assert answer.status_code == 202, answer.text


async def test_a_submission_whose_time_is_up_is_refused_at_the_door(world: Deployment, partner: Partner) -> None:
    past = world.clock.now() - timedelta(seconds=30)
    answer = await partner.send(partner.submission(expirytime=past, time=past - timedelta(seconds=20)))
    found = problem(answer, "time.expired")
    assert found["clause"]


async def test_a_submission_longer_under_way_than_the_table_allows_is_refused(partner: Partner) -> None:
    envelope = partner.submission(expirytime=None)
    late = replace(envelope, data={**envelope.data, "trail": partner.trail(ago=75)})
    found = problem(await partner.send(late), "time.late")
    assert found["clause"] == "Приложение 1, таблица 1, 5"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"region": "nowhere"}, "route.unknown_region"),
        ({"regulation": "no-such-service"}, "route.unknown_regulation"),
        ({"channel": "akim"}, "route.unknown_channel"),
        ({"region": "semey"}, "route.region_mismatch"),
        ({"recipient": "nobody"}, "route.recipient_unknown"),
        ({"recipient": PORTAL}, "route.recipient_not_allowed"),
    ],
)
async def test_a_wrong_route_is_refused(partner: Partner, change: dict[str, str], code: str) -> None:
    found = problem(await partner.send(partner.submission(**change)), code)
    # The act names the channel's participants in clause 6; of what it does not describe at all it has no clause.
    assert found.get("clause") == ("6" if "recipient" in change else None)


async def test_a_portal_may_not_say_what_a_provider_says(partner: Partner) -> None:
    data = {"number": "26000000001", "registered_at": "2026-01-15T04:00:00.000Z", "version": 1, "trail": []}
    problem(await partner.send(partner.envelope("case.registered", "P6", data)), "route.source_not_allowed")


async def test_a_submission_that_skips_the_certificate_check_is_refused_by_its_clause(partner: Partner) -> None:
    envelope = partner.submission()
    trail = partner.trail((("P1", "done"), ("C1", "ok"), ("P3", "done")))
    answer = await partner.send(replace(envelope, data={**envelope.data, "trail": trail}))
    assert problem(answer, "order.trail_broken")["clause"] == "6 6)"


async def test_a_second_submission_of_one_case_is_out_of_order(partner: Partner) -> None:
    first = partner.submission()
    await partner.send(first)
    found = problem(await partner.send(partner.submission(first.subject, caseseq=2)), "order.step_not_allowed")
    assert found["clause"] == "6 8)"


async def until_waiting(world: Deployment, partner: Partner, case: str, *types: str) -> list[Envelope]:
    """What waits for a partner about a case, oldest first, once these types are there."""
    deadline = world.clock.monotonic() + 60
    while True:
        found = [one for one in map(decoded, await partner.inbox()) if one.subject == case]
        if {f"kz.egov.{name}.v1" for name in types} <= {one.type for one in found}:
            return found
        assert world.clock.monotonic() < deadline, [one.type for one in found]
        await world.clock.sleep(0.1)


async def test_every_refusal_is_told_to_its_sender_in_a_signed_envelope_with_hop_and_clock(
    world: Deployment,
) -> None:
    partner = await Partner.join(world, "partner-refused", WHERE)
    past = world.clock.now() - timedelta(seconds=30)
    envelope = partner.submission(expirytime=past, time=past - timedelta(seconds=20))
    problem(await partner.send(envelope), "time.expired")
    [notice] = await until_waiting(world, partner, envelope.subject, "envelope.refused")
    assert (notice.source, notice.data["id"]) == (SHEP, envelope.id)
    said = notice.data["problem"]
    assert (said["code"], said["side"], said["hop"]) == ("time.expired", "sender", SHEP)
    assert said["clause"] == "Приложение 1, таблица 1, 5"
    assert (said["limit_s"], bool(said["received"]), bool(said["expires"])) == (60, True, True)
    for language in ("kk", "ru", "en"):
        assert said[f"title_{language}"] and said[f"detail_{language}"] and said[f"remedy_{language}"]


async def provider_of_a_partner(world: Deployment, name: str) -> Partner:
    """A second system that takes Atyrau's services. Among equals the portal chooses by code: this one comes last,
    and the other tests keep their provider."""
    return await Partner.join(world, f"zz-{name}", WHERE, kind="provider", regions=(WHERE.region,))


def registered(world: Deployment) -> dict[str, Any]:
    now = world.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"number": "26000000001", "registered_at": now, "version": 1, "trail": []}


def status(world: Deployment) -> dict[str, Any]:
    now = world.clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    texts = {"text_ru": "В работе", "text_kk": "Өңделуде"}
    return {"number": "26000000001", "status": "in_work", "version": 2, "at": now, **texts}


async def test_an_early_fact_is_parked_and_passes_when_its_predecessor_has_come(world: Deployment) -> None:
    """A provider of a partner's, through РШЭП's own door: its second word arrives before its first."""
    origin = await Partner.join(world, "partner-origin", WHERE)
    provider = await provider_of_a_partner(world, "partner-provider")
    case = world.ids.new()
    sent = await origin.send(origin.submission(case, recipient=provider.code))
    assert sent.json()["state"] == "accepted", sent.text
    await until_waiting(world, provider, case, "case.submitted")
    early = provider.envelope("case.status", "P6", status(world), case=case, recipient=origin.code, caseseq=2)
    assert (await provider.send(early)).status_code == 202
    late = provider.envelope("case.registered", "P6", registered(world), case=case, recipient=origin.code)
    await until_parked(world, early)
    assert not [one for one in map(decoded, await origin.inbox()) if one.source == provider.code]
    assert (await provider.send(late)).status_code == 202
    await until_waiting(world, origin, case, "case.registered", "case.status")
    rows = [row for row in await case_rows(world, case) if row.facts.get("service") == SHEP]
    of_provider = {early.id: "status", late.id: "registered"}
    seen = [(of_provider[row.facts["id"]], row.facts["outcome"]) for row in rows if row.facts["id"] in of_provider]
    # "waiting": passed, and kept in the HTTP inbox of its recipient.
    assert seen == [("status", "parked"), ("registered", "waiting"), ("status", "waiting")]


async def until_parked(world: Deployment, envelope: Envelope) -> None:
    deadline = world.clock.monotonic() + 30
    while not any(
        row.facts.get("id") == envelope.id and row.facts.get("outcome") == "parked"
        for row in await case_rows(world, envelope.subject)
    ):
        assert world.clock.monotonic() < deadline, "ШЭП has not parked the early envelope"
        await world.clock.sleep(0.1)


async def test_a_provider_is_refused_at_the_door_of_the_national_gateway(world: Deployment) -> None:
    provider = await provider_of_a_partner(world, "partner-wrong-door")
    provider.door = SHEP
    problem(await provider.send(provider.envelope("case.registered", "P6", registered(world))), "route.wrong_door")


async def test_a_provider_cannot_speak_of_a_case_it_was_never_given(world: Deployment, partner: Partner) -> None:
    provider = await provider_of_a_partner(world, "partner-stranger")
    word = provider.envelope("case.registered", "P6", registered(world), recipient=partner.code)
    problem(await provider.send(word), "order.case_unknown")
    first = partner.submission()
    await partner.send(first)
    stolen = replace(word, id=world.ids.new(), subject=first.subject)
    await until_waiting(world, partner, first.subject, "case.registered")
    problem(await provider.send(stolen), "order.not_party_of_case")


async def test_an_early_envelope_is_parked_and_judged_when_its_predecessor_comes(
    world: Deployment, partner: Partner
) -> None:
    case = world.ids.new()
    early = partner.submission(case, caseseq=2)
    answer = await partner.send(early)
    assert (answer.status_code, answer.json()["state"]) == (202, "parked")
    first = await partner.send(partner.submission(case))
    assert first.json()["state"] == "accepted"
    later = await partner.send(early)
    problem(later, "order.step_not_allowed")


Change = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda raw: b"{", "envelope.malformed"),
        (lambda raw: b"[]", "envelope.malformed"),
        (lambda raw: raw.replace(b'"caseseq":1', b'"caseseq":1,"caseseq":1'), "envelope.malformed"),
        (lambda raw: raw.replace(b'"caseseq":1', b'"caseseq":1,"extra":1'), "envelope.unknown_attribute"),
        (lambda raw: raw.replace(b'"caseseq":1', b'"caseseq":"1"'), "envelope.attribute_invalid"),
        (lambda raw: raw + b" " * 300_000, "request.too_large"),
    ],
)
async def test_what_is_no_envelope_is_refused(partner: Partner, change: Change, code: str) -> None:
    raw = change(partner.submission().encode())
    problem(await partner.post(raw, partner.sign(raw)), code)


async def test_data_against_their_schema_are_refused_with_every_field_named(partner: Partner) -> None:
    envelope = partner.submission()
    found = problem(await partner.send(replace(envelope, data={"trail": "no"})), "data.invalid")
    assert len(found["errors"]) > 1


async def test_another_media_type_is_refused(partner: Partner) -> None:
    raw = partner.submission().encode()
    answer = await partner.post(raw, partner.sign(raw), headers={"Content-Type": "application/json"})
    problem(answer, "request.media_type")
