"""What is said of a target at once, which scenarios a role owes, and how recorded cases are judged and told."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree.ElementTree import fromstring

import httpx
import pytest
import yaml

from egovkit.clock import HandClock
from egovkit.contracts import contracts_dir, contracts_version, read_once
from egovkit.journal import JournalRow
from egovlaw.catalogue import Catalogue
from egovlaw.loader import load_catalogue
from sandbox.certify.choosing import obligatory
from sandbox.certify.command import Wish, run_certify
from sandbox.certify.driver import Driver, NotCertifiable
from sandbox.certify.judging import Case, obligations
from sandbox.certify.partners.base import driver as app_of
from sandbox.certify.partners.base import path, step_of
from sandbox.certify.partners.register import Register
from sandbox.certify.reporting import FORMS, Certificate
from sandbox.composition import PORTAL, PROVIDER, SHEP
from sandbox.replay.scenario import Scenario

OURS = contracts_version(contracts_dir())
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PORTALS = {"name": "АЖ", "role": "portal", "contracts": OURS}


@pytest.fixture(scope="module")
def law() -> Catalogue:
    return read_once(load_catalogue, contracts_dir())


def asked(answer: Callable[[httpx.Request], httpx.Response]) -> Driver:
    http = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return Driver(http, "http://partner", HandClock(START))


def saying(**said: Any) -> Driver:
    return asked(lambda request: httpx.Response(200, json={**PORTALS, **said}))


def down(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


@pytest.mark.parametrize(
    ("driver", "role", "said"),
    [
        (asked(down), "portal", "does not answer"),
        (asked(lambda _: httpx.Response(404)), "portal", "no certifiable system"),
        (asked(lambda _: httpx.Response(200, text="<html>")), "portal", "no certifiable system"),
        (asked(lambda _: httpx.Response(200, json=["portal"])), "portal", "no certifiable system"),
        (saying(contracts="0.9.0"), "portal", "the contracts of version 0.9.0"),
        (saying(), "provider", "is a portal, not a provider"),
        (saying(role="register"), "register", "which register it is"),
        (saying(role="register", register="land", persons={"known": "1", "unknown": ""}), "register", "which register"),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_target_is_said_at_once(driver: Driver, role: str, said: str) -> None:
    with pytest.raises(NotCertifiable, match=said):
        await driver.about(role, OURS)


async def test_a_system_of_the_role_is_known_by_its_own_word() -> None:
    about = await saying().about("portal", OURS)
    assert (about.name, about.role) == ("АЖ", "portal")


def test_a_target_that_is_no_address_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_certify(Wish("portal", "partner"), "text", None) == 2
    assert "partner" in capsys.readouterr().err


# --- what is owed


def test_a_role_owes_every_end_it_has_a_word_in_and_each_act_is_covered(law: Catalogue) -> None:
    owed = obligatory(law, "provider")
    assert {one.region for one in owed} == {one.region for one in law.regulations}
    for one in owed:
        assert any(line.sender == PROVIDER for line in one.then.lines)
        assert all(line.service == SHEP and line.message for line in one.then.lines)


def test_a_register_is_certified_until_it_has_answered(law: Catalogue) -> None:
    for kind in ("person_register", "attorney_register"):
        owed = obligatory(law, kind)
        assert owed
        assert all(one.then.lines[-1].message.startswith("answer.") for one in owed)


def test_a_regulation_nobody_has_or_without_the_role_is_named(law: Catalogue) -> None:
    with pytest.raises(NotCertifiable, match="no regulation nowhere-nothing"):
        obligatory(law, "portal", ["nowhere-nothing"])
    with pytest.raises(NotCertifiable, match="no word on the bus in wko-oralman-status"):
        obligatory(law, "portal", ["wko-oralman-status"])


# --- what is judged


def portal_case(law: Catalogue) -> Scenario:
    owed = obligatory(law, "provider", ["semey-guardianship-certificate"])
    return next(one for one in owed if one.side == "portal" and all(act.outcome != "violation" for act in one.when))


def recorded(scenario: Scenario, **changed: dict[str, Any]) -> list[JournalRow]:
    """The rows ШЭП writes of such a case; `changed`: other facts, by message with an underscore."""
    rows = []
    for n, line in enumerate(scenario.then.lines, 1):
        facts = {
            "service": SHEP, "step": line.step, "clause": line.clause, "type": f"kz.egov.{line.message}.v1",
            "source": line.sender, "recipient": line.recipient, "outcome": "waiting", "state_before": line.before,
            "state_after": line.after, "limit_s": line.limit_s, "used_s": 0.5 if line.limit_s else None, "late": False,
            "id": f"e{n}", **changed.get(line.message.replace(".", "_"), {}),
        }  # fmt: skip
        kind = "refusal" if facts.get("code") else "envelope"
        rows.append(row(n, kind, facts))
    return rows


def row(position: int, kind: Any, facts: dict[str, Any]) -> JournalRow:
    moment, body = START + timedelta(seconds=position), json.dumps(facts, ensure_ascii=False)
    return JournalRow(f"{SHEP}/1", position, "", "", "", body, kind, moment, "case")


def verdicts(scenario: Scenario, rows: list[JournalRow], reached: int | None = None) -> Certificate:
    lines = scenario.then.lines
    case = Case(scenario, lines, rows, PROVIDER, len(lines) if reached is None else reached)
    return Certificate("АЖ", "provider", tuple(obligations(case)))


def test_a_case_as_the_act_says_meets_every_obligation(law: Catalogue) -> None:
    scenario = portal_case(law)
    found = verdicts(scenario, recorded(scenario))
    assert found.passed
    assert [one.step for one in found.obligations] == ["P6", "P6", "P8"]


def test_what_is_late_cites_the_row_of_the_acts_table(law: Catalogue) -> None:
    scenario = portal_case(law)
    found = verdicts(scenario, recorded(scenario, case_registered={"used_s": 64.0, "late": True}))
    assert [clause for clause, _ in found.violated] == ["Приложение 1, таблица 2, 6"]


def test_what_is_missing_cites_its_clause_and_what_follows_is_not_held_against_the_partner(law: Catalogue) -> None:
    scenario = portal_case(law)
    found = verdicts(scenario, recorded(scenario)[:1], reached=1)
    assert [one.verdict for one in found.obligations] == ["broken", "not reached", "not reached"]
    assert [clause for clause, _ in found.violated] == ["7 9)"]


def test_what_a_gateway_refused_names_code_and_clause(law: Catalogue) -> None:
    scenario = portal_case(law)
    refused = {"outcome": "refused", "code": "order.trail_broken", "clause": "7 10)"}
    found = verdicts(scenario, recorded(scenario, case_completed=refused))
    assert "order.trail_broken" in {one.code for one in found.broken}
    assert "7 10)" in {clause for clause, _ in found.violated}


def test_the_refused_word_of_another_side_is_not_the_partners(law: Catalogue) -> None:
    scenario = portal_case(law)
    stray = {"service": SHEP, "step": "P5", "type": "kz.egov.case.submitted.v1", "source": PORTAL, "outcome": "refused",
             "code": "order.case_ended", "clause": "7 8)"}  # fmt: skip
    found = verdicts(scenario, [*recorded(scenario), row(90, "refusal", stray)])
    assert found.passed


# --- what is told


def test_every_form_of_the_report_tells_clause_expectation_and_what_was_seen(law: Catalogue) -> None:
    scenario = portal_case(law)
    found = verdicts(scenario, recorded(scenario, case_registered={"used_s": 64.0, "late": True}))
    text, data, tree = (FORMS[form](found) for form in ("text", "json", "junit"))
    assert "✗ 7 9)" in text and "Приложение 1, таблица 2, 6: " in text and "NOT certified; 2 of 3" in text
    assert json.loads(data)["certified"] is False and json.loads(data)["obligations"][0]["verdict"] == "broken"
    suite = fromstring(tree)
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    assert "64.0 s of 60 s" in str(suite.find(".//failure").get("message"))  # type: ignore[union-attr] # it is there


# --- the contract, and the reference systems


def test_the_drivers_contract_is_sound_and_every_call_is_the_one_the_reference_offers() -> None:
    from openapi_spec_validator import validate

    document = yaml.safe_load((contracts_dir() / "certification" / "driver.openapi.yaml").read_text(encoding="utf-8"))
    validate(document)
    calls = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert document["info"]["version"] == OURS
    offered = {(route.path, method.lower()) for route in app_of(Register()).routes for method in route.methods}  # type: ignore[attr-defined] # FastAPI's own routes
    assert calls == offered


def test_the_examples_of_the_drivers_contract_are_of_their_schemas() -> None:
    import jsonschema_rs

    document = yaml.safe_load((contracts_dir() / "certification" / "driver.openapi.yaml").read_text(encoding="utf-8"))
    checked = 0
    for methods in document["paths"].values():
        for call in methods.values():
            for part in (call.get("requestBody", {}), *call["responses"].values()):
                for content in part.get("content", {}).values():
                    schema = {**content["schema"], "components": document["components"]}
                    for example in content.get("examples", {}).values():
                        jsonschema_rs.validate(schema, example["value"])
                        checked += 1
    assert checked >= 8


def test_the_reference_finds_the_acts_local_steps_itself(law: Catalogue) -> None:
    channel = law.by_code["semey-guardianship-certificate"].channels["portal"]
    way = [label for label, _ in path(channel, None, step_of(channel, "sign_and_send"))]
    assert way[-2:] == ["P3", "C2"]
    assert path(channel, "P6", step_of(channel, "refuse_documents")) == [("C3", "violation")]
