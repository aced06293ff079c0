"""Route: who may send what to whom, for which regulation, channel and region."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import pytest

from egovlaw.catalogue import CHANNELS, Catalogue
from egovlaw.routing import Party, RouteRefused, judge_personal_route, judge_route


@dataclass(frozen=True)
class Spec:
    name: str
    from_kinds: tuple[str, ...]
    to_kinds: tuple[str, ...]


@dataclass(frozen=True)
class Envelope:
    type: str = "kz.egov.case.submitted.v1"
    source: str = "portal-pep"
    recipient: str = "provider-arm"
    regulation: str = "atyrau-housing-queue"
    channel: str = "portal"
    region: str = "atyrau"


SUBMITTED = Spec("case.submitted", ("origin",), ("provider",))
REGISTERED = Spec("case.registered", ("provider",), ("origin",))
REPORTED = Spec("steps.reported", ("origin", "provider"), ("national_gateway",))
REFUSED = Spec("envelope.refused", ("gateway",), ("any",))
PORTAL = Party("portal-pep", "portal", (), ("*",))
PROVIDER = Party("provider-arm", "provider", ("atyrau", "semey"), ("*",))
CENTRE = Party("con-arm", "centre", (), ("*",))
SHEP = Party("gateway-shep", "national_gateway", (), ())


def code(verdict: RouteRefused | None) -> str | None:
    return None if verdict is None else verdict.code


def test_the_portal_submits_and_the_provider_answers(catalogue: Catalogue) -> None:
    assert judge_route(catalogue, SUBMITTED, Envelope(), PORTAL, PROVIDER) is None
    answer = Envelope(type="kz.egov.case.registered.v1", source="provider-arm", recipient="portal-pep")
    assert judge_route(catalogue, REGISTERED, answer, PROVIDER, PORTAL) is None


def test_local_endings_are_reported_to_the_national_gateway(catalogue: Catalogue) -> None:
    report = Envelope(type="kz.egov.steps.reported.v1", recipient="gateway-shep")
    assert judge_route(catalogue, REPORTED, report, PORTAL, SHEP) is None
    assert code(judge_route(catalogue, REPORTED, report, PORTAL, PROVIDER)) == "route.recipient_not_allowed"


def test_gateways_may_write_to_anybody(catalogue: Catalogue) -> None:
    assert judge_route(catalogue, REFUSED, Envelope(source="gateway-shep"), SHEP, PROVIDER) is None
    assert code(judge_route(catalogue, REFUSED, Envelope(), PORTAL, PROVIDER)) == "route.source_not_allowed"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"regulation": "atyrau-moon-plots"}, "route.unknown_regulation"),
        ({"regulation": ""}, "route.unknown_regulation"),
        ({"channel": "akim"}, "route.unknown_channel"),
        ({"channel": "pigeon"}, "route.unknown_channel"),
        ({"region": "mangystau"}, "route.unknown_region"),
        ({"region": "semey"}, "route.region_mismatch"),
    ],
)
def test_a_wrong_place_is_named(catalogue: Catalogue, change: dict[str, str], expected: str) -> None:
    verdict = judge_route(catalogue, SUBMITTED, replace(Envelope(), **change), PORTAL, PROVIDER)
    assert verdict is not None
    assert verdict.code == expected
    assert set(verdict.params) == {"type", "regulation", "channel", "region", "source", "recipient", "version"}


def test_a_type_outside_the_register_is_refused_first(catalogue: Catalogue) -> None:
    verdict = judge_route(catalogue, None, Envelope(regulation="nowhere"), PORTAL, PROVIDER)
    assert code(verdict) == "route.type_unknown"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (PROVIDER, "route.source_not_allowed"),
        (CENTRE, "route.source_not_allowed"),  # a centre is no origin of the portal channel
        (SHEP, "route.source_not_allowed"),
        (replace(PORTAL, services=("semey-housing-queue",)), "route.source_not_allowed"),
        (replace(PORTAL, services=()), "route.source_not_allowed"),
        (replace(PORTAL, services=("atyrau-housing-queue",)), None),
        (replace(PORTAL, regions=("wko",)), "route.region_mismatch"),
    ],
)
def test_the_sender_must_be_the_one_whose_step_it_is(catalogue: Catalogue, source: Party, expected: str | None) -> None:
    assert code(judge_route(catalogue, SUBMITTED, Envelope(), source, PROVIDER)) == expected


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        (None, "route.recipient_unknown"),
        (PORTAL, "route.recipient_not_allowed"),
        (replace(PROVIDER, services=("wko-oralman-status",)), "route.recipient_not_allowed"),
        (replace(PROVIDER, regions=("semey",)), "route.region_mismatch"),
        (replace(PROVIDER, regions=()), None),
    ],
)
def test_the_recipient_must_be_the_other_side_of_the_step(
    catalogue: Catalogue, recipient: Party | None, expected: str | None
) -> None:
    assert code(judge_route(catalogue, SUBMITTED, Envelope(), PORTAL, recipient)) == expected


def test_the_origin_is_the_channels_own_side(catalogue: Catalogue) -> None:
    at_centre = Envelope(source="con-arm", channel="centre")
    assert judge_route(catalogue, SUBMITTED, at_centre, CENTRE, PROVIDER) is None
    assert code(judge_route(catalogue, SUBMITTED, at_centre, PORTAL, PROVIDER)) == "route.source_not_allowed"


def test_repealed_acts_run_unless_the_policy_says_otherwise(catalogue: Catalogue) -> None:
    today, then = date(2026, 1, 15), date(2013, 1, 15)
    assert judge_route(catalogue, SUBMITTED, Envelope(), PORTAL, PROVIDER, on=today) is None
    refused = judge_route(catalogue, SUBMITTED, Envelope(), PORTAL, PROVIDER, policy="in_force_only", on=today)
    assert code(refused) == "route.regulation_repealed"
    allowed = judge_route(catalogue, SUBMITTED, Envelope(), PORTAL, PROVIDER, policy="in_force_only", on=then)
    assert allowed is None


def test_a_channel_that_is_only_named_takes_no_envelopes(catalogue: Catalogue) -> None:
    """Zhambyl, act 25: the centre is named in clause 1, its flow is not in the file (A36)."""
    housing = catalogue.by_code["atyrau-housing-queue"]
    named = replace(housing.channels["portal"], flow=(), code="akim", clauses=("1",))
    only = Catalogue(
        (replace(housing, channels={**housing.channels, "akim": named}),), catalogue.decisions, catalogue.regions
    )
    verdict = judge_route(only, SUBMITTED, Envelope(channel="akim"), PORTAL, PROVIDER)
    assert verdict is not None
    assert (verdict.code, verdict.clause) == ("route.unknown_channel", "1")


@pytest.mark.law(topic="general", clause="1")
@pytest.mark.law(
    topic="general",
    clause="1 абзац 2",
    regulation=("wko-asp-*", "wko-home-*", "wko-oralman-*", "wko-p*", "wko-s*", "wko-wheelchairs"),
)
@pytest.mark.law(topic="general", clause="1 1)", regulation=("wko-asp-*", "wko-home-*", "wko-special-*"))
@pytest.mark.law(topic="general", clause="1 2)", regulation="wko-home-education-reimbursement")
@pytest.mark.law(topic="general", clause="1 3)", regulation="wko-asp-recipient-certificate")
@pytest.mark.law(topic="general", clause="2 1)", regulation="wko-*")
@pytest.mark.law(topic="general", clause="3", regulation="wko-oralman-status")
@pytest.mark.law(topic="general", clause=("1 часть 2", "1 4)"), regulation="zhambyl-*")
def test_an_act_is_carried_out_in_its_region_and_through_the_channels_it_names_alone(catalogue: Catalogue) -> None:
    told = Spec("steps.reported", ("origin",), ("national_gateway",))
    sides = {"portal": PORTAL, "centre": CENTRE, "provider": replace(PROVIDER, regions=())}
    for one in catalogue.regulations:
        elsewhere = min(catalogue.regions - {one.region})
        for code in CHANNELS:
            said = Envelope("kz.egov.steps.reported.v1", "", "gateway-shep", one.code, code, one.region)
            verdicts = {side: judge_route(catalogue, told, said, party, SHEP) for side, party in sides.items()}
            channel = one.channels.get(code)
            if channel is None or not channel.has_flow:
                assert {verdict and verdict.code for verdict in verdicts.values()} == {"route.unknown_channel"}
                continue
            own = channel.origin_kind
            assert {side for side, verdict in verdicts.items() if verdict is None} == {own}, (one.code, code)
            away = judge_route(catalogue, told, replace(said, region=elsewhere), sides[own], SHEP)
            assert away is not None and away.code == "route.region_mismatch"


PORTAL_PARTY = Party("portal-pep", "portal", (), ("*",))
REGISTER_PARTY = Party("gbd-fl-mock", "person_register", (), ("*",))
AKIMAT_PARTY = Party("registers-mock", "akimat_register", ("atyrau", "semey"), ("*",))


@pytest.mark.parametrize(
    ("source", "recipient", "place", "code"),
    [
        (PORTAL_PARTY, REGISTER_PARTY, {}, None),
        (PORTAL_PARTY, AKIMAT_PARTY, {"region": "semey"}, None),
        (PORTAL_PARTY, AKIMAT_PARTY, {"region": "wko"}, "route.region_mismatch"),
        (PORTAL_PARTY, AKIMAT_PARTY, {}, "route.region_mismatch"),
        (PORTAL_PARTY, REGISTER_PARTY, {"region": "semey"}, "route.region_mismatch"),
        (PORTAL_PARTY, REGISTER_PARTY, {"regulation": "atyrau-housing-queue"}, "route.unknown_regulation"),
        (PORTAL_PARTY, REGISTER_PARTY, {"channel": "portal"}, "route.unknown_regulation"),
        (REGISTER_PARTY, REGISTER_PARTY, {}, "route.source_not_allowed"),
        (PORTAL_PARTY, PORTAL_PARTY, {}, "route.recipient_not_allowed"),
        (PORTAL_PARTY, None, {}, "route.recipient_unknown"),
    ],
)
def test_what_stands_in_no_act_goes_by_the_register_of_messages(
    source: Party, recipient: Party | None, place: dict[str, str], code: str | None
) -> None:
    nowhere = {"regulation": "-", "channel": "-", "region": "-", **place}
    to = recipient.code if recipient else "nobody"
    asked = Envelope(type="kz.egov.query.reads.v1", source=source.code, recipient=to, **nowhere)
    spec = Spec("query.reads", ("portal",), ("person_register", "akimat_register"))
    refused = judge_personal_route(spec, asked, source, recipient)
    assert (refused and refused.code) == code
    assert refused is None or refused.params["source"] == source.code
