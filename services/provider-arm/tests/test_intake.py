"""What the bus brings in, and what leaves because of it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from egovkit.envelope import Envelope
from egovkit.journal import read_heads, read_rows, verify_rows
from egovkit.signatures.cms import sign_cms
from egovkit.testing.journal import BODIES
from egovkit.verdict import SignatureVerdict, verdict_of
from egovlaw.identifiers import synthetic_iin
from provider_arm.handlers import HANDLERS
from provider_arm.store import cases
from provider_arm.tables import kit

if TYPE_CHECKING:
    from conftest import Arm

pytestmark = pytest.mark.service


async def stored(arm: Arm, case: str) -> Any:
    async with arm.ws.db.read() as conn:
        return await cases.get(conn, case)


async def refused_at_registration(arm: Arm, envelope: Envelope) -> list[str]:
    """Delivers; the reasons for which the application counts as not verified."""
    await arm.deliver(arm.wire(envelope))
    case = await stored(arm, envelope.subject)
    assert case is not None, arm.letters
    assert case.verified is (not case.reasons)
    return list(case.reasons)


def good(arm: Arm, **changes: Any) -> Envelope:
    key = arm.pki.person(arm.applicant)
    return arm.submission(arm.application(key=key, **changes), key)


async def test_an_application_gets_a_number_and_its_origin_is_told(arm: Arm) -> None:
    case = await arm.submit()
    [told] = await arm.outgoing(1)
    assert (told.type, told.step, told.recipient) == ("kz.egov.case.registered.v1", "P6", "portal-pep")
    assert (told.subject, told.region, told.channel) == (case, "atyrau", "portal")
    assert told.data == {
        "number": "26000000001",
        "registered_at": "2026-01-15T04:00:00.000Z",
        "version": 1,
        "trail": [],
    }


async def test_registration_is_a_step_of_our_own_journal_with_the_acts_limit(arm: Arm) -> None:
    key = arm.pki.person(arm.applicant)
    envelope = arm.submission(arm.application(key=key), key)
    wire = arm.wire(envelope)
    await arm.clock.advance(20)  # on its way
    await arm.deliver(wire)
    async with arm.ws.db.read() as conn:
        [row] = await read_rows(conn, kit.journal, bodies=BODIES, case_id=envelope.subject)
    facts = row.facts
    assert (facts["step"], facts["clause"], facts["outcome"]) == ("P6", "6 9)", "done")
    assert (facts["state_before"], facts["state_after"]) == ("submitted", "registered")
    assert (facts["limit_s"], facts["used_s"]) == (60.0, 20.0)
    assert row.signature is not None


async def test_what_was_known_of_a_signature_is_kept_journalled_and_never_found_out_again(arm: Arm) -> None:
    key = arm.pki.person(arm.applicant)
    envelope = arm.submission(arm.application(key=key), key)
    await arm.deliver(arm.wire(envelope))
    official = await arm.appoint("executor")
    told = (await official.get(f"/v1/cases/{envelope.subject}")).json()["judged"]
    assert told["verdict"] == "accepted" and told["signer"]["certificate"] == key.thumbprint
    assert [(one["number"], one["code"]) for one in told["checks"]] == [(number, None) for number in range(4, 12)]
    arm.pki.revoke(key.certificate, arm.clock.now() - timedelta(days=1))
    await arm.app.state.node.trust_source.refresh(force=True)
    assert (await official.get(f"/v1/cases/{envelope.subject}")).json()["judged"] == told
    async with arm.ws.db.read() as conn:
        [row] = await read_rows(conn, kit.journal, bodies=BODIES, case_id=envelope.subject)
    assert verdict_of(row.facts["judged"]) == SignatureVerdict.model_validate(told)


async def test_a_signature_that_is_not_believed_is_shown_with_the_check_that_failed(arm: Arm) -> None:
    bad = arm.pki.person(arm.applicant)
    arm.pki.revoke(bad.certificate)
    await arm.app.state.node.trust_source.refresh(force=True)
    refused = arm.submission(arm.application(key=bad), bad)
    unreadable = replace(refused, id=arm.ids.new(), subject=arm.ids.new())
    unreadable = replace(unreadable, data={**unreadable.data, "signature": "MAA="})
    assert await refused_at_registration(arm, refused) == ["certificate.revoked"]
    await arm.deliver(arm.wire(unreadable))
    official = await arm.appoint("executor")
    judged = (await official.get(f"/v1/cases/{refused.subject}")).json()["judged"]
    failed = [(one["number"], one["code"]) for one in judged["checks"] if one["code"]]
    assert judged["verdict"] == "certificate.revoked" and failed == [(9, "certificate.revoked")]
    assert (await official.get(f"/v1/cases/{unreadable.subject}")).json()["judged"] is None


async def test_the_journal_holds_after_a_day_of_work(arm: Arm) -> None:
    for _ in range(3):
        await arm.submit()
    async with arm.ws.db.read() as conn:
        rows, heads = await read_rows(conn, kit.journal, bodies=BODIES), await read_heads(conn, kit.journal)
    assert len(rows) == 3
    assert verify_rows(rows, heads) == []


async def test_the_same_delivery_twice_is_one_case_and_one_number(arm: Arm) -> None:
    wire = arm.wire(good(arm))
    await arm.deliver(wire, wire)
    await arm.deliver(wire)
    await arm.submit()
    first, second = await arm.outgoing(2)
    assert [first.data["number"], second.data["number"]] == ["26000000001", "26000000002"]


async def test_the_same_case_under_another_envelope_id_is_registered_once(arm: Arm) -> None:
    envelope = good(arm)
    await arm.deliver(arm.wire(envelope), arm.wire(replace(envelope, id=arm.ids.new(), caseseq=2)))
    await arm.submit()
    told = await arm.outgoing(2)
    assert [one.subject == envelope.subject for one in told] == [True, False]
    assert arm.letters == []


async def test_the_same_id_with_other_bytes_is_a_dead_letter(arm: Arm) -> None:
    envelope = good(arm)
    await arm.deliver(arm.wire(envelope), arm.wire(replace(envelope, caseseq=9)))
    assert await arm.dead() == ["replayed_with_other_body"]


async def test_every_handler_given_the_same_delivery_again_changes_nothing(arm: Arm) -> None:
    submitted = good(arm)
    refusal = notice(arm, "envelope.refused", REFUSED | {"id": arm.ids.new()})
    accepted = notice(arm, "envelope.accepted", {"id": arm.ids.new(), "sha256": "0" * 64, "receipt": "x"})
    wires = [arm.wire(submitted), arm.wire(refusal, arm.gateway), arm.wire(accepted, arm.gateway)]
    # test_own_queries, test_handover, test_registers
    elsewhere = {f"kz.egov.{name}.v1" for name in ("answer.person", "case.handed_over", "answer.register")}
    assert {submitted.type, refusal.type, accepted.type} | elsewhere == set(HANDLERS)
    await arm.deliver(*wires)
    await arm.outgoing(1)
    async with arm.ws.db.read() as conn:
        before = await read_rows(conn, kit.journal, bodies=BODIES)
    await arm.deliver(*wires)
    async with arm.ws.db.read() as conn:
        assert await read_rows(conn, kit.journal, bodies=BODIES) == before
    assert len(arm.sent) == 1
    assert arm.letters == []


async def test_numbers_are_unique_by_provider_when_many_applications_come_at_once(arm: Arm) -> None:
    key = arm.pki.person(arm.applicant)
    wires = []
    for n in range(30):
        provider = ("first-department", "second-department")[n % 2]
        body = arm.application(key=key, provider=provider)
        wires.append(arm.wire(arm.submission(body, key, provider=provider)))
    await asyncio.gather(*(arm.deliver(wire) for wire in wires))
    told = await arm.outgoing(30)
    numbers: dict[str, set[str]] = {}
    for one in told:
        case = await stored(arm, one.subject)
        numbers.setdefault(case.provider, set()).add(one.data["number"])
    expected = {f"26{n:09d}" for n in range(1, 16)}
    assert numbers == {"first-department": expected, "second-department": expected}


async def test_two_registrations_in_their_own_transactions_never_share_a_number(arm: Arm) -> None:
    async def one() -> int:
        async with arm.ws.db.begin() as conn:
            return await cases.next_number(conn, "department")

    assert sorted(await asyncio.gather(*(one() for _ in range(20)))) == list(range(1, 21))


async def test_a_number_of_a_registration_that_failed_is_given_to_the_next(arm: Arm) -> None:
    with pytest.raises(RuntimeError):
        async with arm.ws.db.begin() as conn:
            await cases.next_number(conn, "department")
            raise RuntimeError("the power went")
    async with arm.ws.db.begin() as conn:
        assert await cases.next_number(conn, "department") == 1


async def test_the_year_on_a_number_is_kazakhstans(arm: Arm) -> None:
    await arm.clock.advance(timedelta(days=350, hours=15, minutes=30))  # 2026-12-31 19:30Z: half past midnight there
    arm.pki.publish()
    await arm.app.state.node.refresh()
    case = await arm.submit()
    assert (await stored(arm, case)).number.startswith("27")


# --- what the portal accepted is checked again -----------------------------------------------------------------


async def test_a_good_application_is_verified(arm: Arm) -> None:
    assert await refused_at_registration(arm, good(arm)) == []


async def test_a_document_changed_after_signing_is_registered_as_not_verified(arm: Arm) -> None:
    envelope = good(arm)
    document = base64.b64decode(envelope.data["document"]).replace(b'"family": 4', b'"family": 9')
    envelope.data["document"] = base64.b64encode(document).decode()
    assert await refused_at_registration(arm, envelope) == ["signature.of_other_data"]


async def test_an_application_signed_by_somebody_else_is_not_verified(arm: Arm) -> None:
    stranger = arm.pki.person(synthetic_iin(2))
    envelope = arm.submission(arm.application(key=stranger), stranger)
    assert await refused_at_registration(arm, envelope) == ["certificate.of_another_person"]


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"profile": "person_auth"}, "certificate.wrong_usage"),
        ({"span": "ended"}, "certificate.expired"),
        ({"span": "to_begin"}, "certificate.not_yet_valid"),
    ],
)
async def test_a_certificate_unfit_at_the_moment_of_signing_is_not_verified(
    arm: Arm, wanted: dict[str, Any], code: str
) -> None:
    now = arm.clock.now()
    spans = {
        "ended": (now - timedelta(days=9), now - timedelta(hours=1)),
        "to_begin": (now + timedelta(hours=1), now + timedelta(days=9)),
    }
    if "span" in wanted:
        span = arm.pki.span()
        wanted = {"span": type(span)(*spans[wanted["span"]])}
    key = arm.pki.person(arm.applicant, **wanted)
    assert await refused_at_registration(arm, arm.submission(arm.application(key=key), key)) == [code]


async def test_a_certificate_revoked_before_signing_is_not_verified(arm: Arm) -> None:
    key = arm.pki.person(arm.applicant)
    arm.pki.revoke(key.certificate)
    await arm.clock.advance(60)
    await arm.app.state.node.refresh()
    envelope = arm.submission(arm.application(key=key), key)
    assert await refused_at_registration(arm, envelope) == ["certificate.revoked"]


async def test_a_certificate_revoked_after_shep_took_the_application_was_good_when_it_signed(arm: Arm) -> None:
    key = arm.pki.person(arm.applicant)
    envelope = arm.submission(arm.application(key=key), key)
    wire = arm.wire(envelope)  # ШЭП's receipt says when
    await arm.clock.advance(60)
    arm.pki.revoke(key.certificate)
    await arm.app.state.node.refresh()
    await arm.deliver(wire)
    assert (await stored(arm, envelope.subject)).verified


async def test_a_document_that_names_another_certificate_is_not_verified(arm: Arm) -> None:
    key, other = arm.pki.person(arm.applicant), arm.pki.person(arm.applicant)
    envelope = arm.submission(arm.application(key=other), key)
    assert await refused_at_registration(arm, envelope) == ["document.other_certificate"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"regulation": "another-service"}, "document.other_regulation"),
        ({"provider": "another"}, "document.other_provider"),
        ({"region": "semey"}, "document.other_region"),
        ({"channel": "centre"}, "document.other_channel"),
        ({"applicant": {"iin": synthetic_iin(2)}}, "document.other_applicant"),
        ({"version": 99}, "document.unknown_version"),
    ],
)
async def test_a_document_that_says_something_else_than_its_envelope_is_not_verified(
    arm: Arm, changes: dict[str, Any], code: str
) -> None:
    assert await refused_at_registration(arm, good(arm, **changes)) == [code]


async def test_attachments_swapped_in_the_envelope_are_noticed(arm: Arm) -> None:
    envelope = good(arm)
    swapped = [{**envelope.data["attachments"][0], "sha256": "f" * 64}]
    envelope.data["attachments"] = swapped
    assert await refused_at_registration(arm, envelope) == ["document.other_attachments"]


@pytest.mark.parametrize("signature", ["AAAA", "MIIB" * 500, "A", "AAAAA"])
async def test_a_signature_that_is_none_is_not_verified_and_not_lost(arm: Arm, signature: str) -> None:
    envelope = good(arm)
    envelope.data["signature"] = signature if len(signature) >= 4 else signature * 5
    [code] = await refused_at_registration(arm, envelope)
    assert code in ("signature.cms_malformed", "signature.malformed")


async def test_a_document_that_is_no_json_is_not_verified(arm: Arm) -> None:
    key, envelope = arm.pki.person(arm.applicant), good(arm)
    envelope.data["document"] = base64.b64encode(b"hello world!").decode()
    envelope.data["signature"] = base64.b64encode(sign_cms(b"hello world!", key, arm.clock.now())).decode()
    assert await refused_at_registration(arm, envelope) == ["document.malformed"]


async def test_an_iin_with_a_wrong_check_digit_is_not_verified(arm: Arm) -> None:
    iin = arm.applicant[:11] + str((int(arm.applicant[11]) + 1) % 10)
    key = arm.pki.person(iin)
    body = arm.application(key=key, applicant={"iin": iin})
    envelope = arm.submission(body, key, applicant={"iin": iin})
    assert await refused_at_registration(arm, envelope) == ["applicant.iin_invalid"]


async def test_an_application_not_verified_still_gets_its_number(arm: Arm) -> None:
    await arm.deliver(arm.wire(good(arm, version=99)))
    [told] = await arm.outgoing(1)
    assert told.data["number"] == "26000000001"


# --- what does not concern us ----------------------------------------------------------------------------------


@pytest.mark.parametrize("other", [{"regulation": "no-such-service"}, {"channel": "akim"}])
async def test_a_channel_without_our_steps_is_a_dead_letter_not_a_case(arm: Arm, other: Mapping[str, str]) -> None:
    envelope = replace(good(arm), **dict[str, Any](other))
    await arm.deliver(arm.wire(envelope))
    assert await arm.dead() == ["case.not_served"]
    assert await stored(arm, envelope.subject) is None


async def test_data_against_the_schema_is_a_dead_letter(arm: Arm) -> None:
    envelope = good(arm)
    del envelope.data["signature"]
    await arm.deliver(arm.wire(envelope))
    assert await arm.dead() == ["data.invalid"]


async def test_an_envelope_signed_by_another_system_is_a_dead_letter(arm: Arm) -> None:
    await arm.deliver(arm.wire(good(arm), arm.gateway))
    assert await arm.dead() == ["signature.not_of_source"]


@pytest.mark.parametrize("channel", ["portal", "centre"])
async def test_labels_come_from_the_channels_own_flow(arm: Arm, channel: str) -> None:
    key = arm.pki.person(arm.applicant)
    body = arm.application(key=key, channel=channel)
    await arm.deliver(arm.wire(replace(arm.submission(body, key), channel=channel)))
    [told] = await arm.outgoing(1)
    assert told.step == {"portal": "P6", "centre": "P7"}[channel]  # Atyrau 427, cl. 6 9) and 8 8)


async def at_a_centre(arm: Arm, **operator: Any) -> list[str]:
    """An application of the centre, signed with such a certificate; why it is not believed."""
    wanted: dict[str, Any] = {"profile": "employee_sign", "bin_": arm.centre_bin} | operator
    key = arm.pki.person(synthetic_iin(3), **wanted)
    body = arm.application(key=key, channel="centre")
    envelope = replace(arm.submission(body, key), channel="centre", source="con-arm", step="P6")
    await arm.deliver(arm.wire(envelope, arm.centre))
    case = await stored(arm, envelope.subject)
    assert case is not None, arm.letters
    assert (case.source, case.verified) == ("con-arm", not case.reasons)
    return list(case.reasons)


async def test_at_a_centre_the_operator_signs_for_the_consumer(arm: Arm) -> None:
    assert await at_a_centre(arm) == []
    [told] = await arm.outgoing(1)
    assert (told.recipient, told.step, told.channel) == ("con-arm", "P7", "centre")


async def test_at_a_centre_a_private_persons_certificate_is_not_an_operators(arm: Arm) -> None:
    assert await at_a_centre(arm, profile="person_sign") == ["operator.not_employee"]


@pytest.mark.parametrize("bin_", ["999940000010", None])
async def test_an_employee_of_another_organisation_does_not_sign_for_the_centre(arm: Arm, bin_: str | None) -> None:
    assert await at_a_centre(arm, bin_=bin_) == ["operator.other_organisation"]


async def test_the_refusal_says_whose_signature_was_missing(arm: Arm) -> None:
    await at_a_centre(arm, bin_=None)
    executor = await arm.appoint("executor")
    [case] = (await executor.get("/v1/cases")).json()["items"]
    shown = (await executor.get(f"/v1/cases/{case['id']}")).json()
    assert [reason["code"] for reason in shown["reasons"]] == ["operator.other_organisation"]
    assert shown["reasons"][0]["text"].startswith("Запрос подписан не сотрудником")


# --- the gateways' word about our own messages -----------------------------------------------------------------

REFUSED: dict[str, Any] = {
    "id": "",
    "sha256": "0" * 64,
    "type": "kz.egov.case.registered.v1",
    "problem": {
        "code": "order.step_not_allowed",
        "side": "sender",
        "hop": "gateway-shep",
        "clause": "6 9)",
        "status": 409,
        **{f"{part}_{lang}": f"{part} {lang}" for part in ("title", "detail", "remedy") for lang in ("ru", "kk", "en")},
        "received": "2026-01-15T04:00:00.000Z",
        "expires": None,
        "limit_s": 60,
        "used_s": 61.5,
    },
}


def notice(arm: Arm, name: str, data: dict[str, Any], case: str | None = None) -> Envelope:
    return Envelope(
        id=arm.ids.new(),
        source="gateway-shep",
        type=f"kz.egov.{name}.v1",
        subject=case or arm.ids.new(),
        time=arm.clock.now(),
        dataschema=f"urn:egov:schema:{name}.v1",
        recipient="provider-arm",
        regulation="atyrau-housing-queue",
        channel="portal",
        step="P6",
        region="atyrau",
        caseseq=1,
        data=data,
    )


async def test_a_refused_fact_is_an_incident_for_the_head_with_clause_and_remedy(arm: Arm) -> None:
    case = await arm.submit()
    [registered] = await arm.outgoing(1)
    refusal = REFUSED | {"id": registered.id}
    await arm.deliver(arm.wire(notice(arm, "envelope.refused", refusal, case), arm.gateway))
    head = await arm.appoint("head")
    [incident] = (await head.get("/v1/incidents")).json()["items"]
    assert incident["case"] == case
    assert incident["envelope"] == registered.id
    told = {name: incident[name] for name in ("code", "hop", "clause", "side", "title", "remedy")}
    assert told == {
        "code": "order.step_not_allowed",
        "hop": "gateway-shep",
        "clause": "6 9)",
        "side": "sender",
        "title": "title en",
        "remedy": "remedy en",
    }


async def test_the_same_refusal_in_another_envelope_is_one_incident(arm: Arm) -> None:
    case, refusal = await arm.submit(), REFUSED | {"id": arm.ids.new()}
    for _ in range(2):
        await arm.deliver(arm.wire(notice(arm, "envelope.refused", refusal, case), arm.gateway))
    head = await arm.appoint("head")
    assert len((await head.get("/v1/incidents")).json()["items"]) == 1


async def test_a_refusal_about_a_case_we_do_not_know_is_not_lost(arm: Arm) -> None:
    await arm.deliver(arm.wire(notice(arm, "envelope.refused", REFUSED | {"id": arm.ids.new()}), arm.gateway))
    head = await arm.appoint("head", provider="atyrau")
    assert len((await head.get("/v1/incidents")).json()["items"]) == 1
