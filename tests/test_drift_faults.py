"""The catalogues of faults and of magic identities, the code that knows their names, and what the twins really hold."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any, TypeGuard

import jsonschema_rs
import pytest
import yaml

from egovkit.contracts import contracts_dir
from egovkit.sandbox.fault_names import AUTHORITY, CERTIFICATE, DELIVERY, PUBLISH, REGISTER, REPLY, REQUEST, FaultNames
from egovkit.sandbox.identities import Identity, load_identities
from egovlaw.identifiers import iin_problem
from egovregister.domain import BY_NAME, FaultKind
from enis_mock.seed.deeds import EXAMPLES as DEEDS
from gbd_fl_mock.seed.population import EXAMPLES as PERSONS
from nuc_mock.domain import Profile, Reason
from registers_mock.seed.entries import examples as entries
from sandbox.composition import BY_CODE
from sandbox.identities import PAGE, page

ROOT = Path(__file__).resolve().parent.parent
SPECS = FaultNames.load(contracts_dir()).specs
IDENTITIES = load_identities(contracts_dir())
KIT = ROOT / "libs/egovkit/src/egovkit/sandbox"


def texts_in(file: str) -> set[str]:
    """Every text that stands in the code."""
    tree = ast.parse((KIT / file).read_text())
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def biting(*places: str) -> set[str]:
    return {name for name, spec in SPECS.items() if set(places) & set(spec.bites)}


def test_every_fault_of_messages_and_calls_has_its_code_under_that_name() -> None:
    assert biting(PUBLISH, CERTIFICATE) <= texts_in("faulty_bus.py")
    assert biting(REQUEST, REPLY) <= texts_in("faulty_http.py")
    assert biting(DELIVERY) == {"drop"}, "a delivery is lost or it is not"


def test_the_authority_knows_its_faults_by_the_catalogues_names() -> None:
    folder = ROOT / "services/nuc-mock/src/nuc_mock/service"
    trees = [ast.parse((folder / name).read_text()) for name in ("answers.py", "lists.py")]
    asked = {node.args[0].value for tree in trees for node in ast.walk(tree) if is_call_of(node, "take")}
    assert asked == biting(AUTHORITY)


def is_call_of(node: ast.AST, method: str) -> TypeGuard[Any]:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method


def test_the_registers_know_their_faults_by_the_catalogues_names() -> None:
    assert set(BY_NAME) == biting(REGISTER)
    # A signature over other bytes is the bus's bad-signature, at any system.
    assert set(BY_NAME.values()) == set(FaultKind) - {FaultKind.WRONG_SIGNATURE}
    late = {name for name in BY_NAME if "seconds" in SPECS[name].parameters}
    assert late == {"late-answer"}


def test_the_identities_follow_their_schema_and_have_names_of_their_own() -> None:
    document = yaml.safe_load((contracts_dir() / "identities.yaml").read_text())
    schema = json.loads((contracts_dir() / "schemas" / "identities.schema.json").read_text())
    jsonschema_rs.Draft202012Validator(schema).validate(document)
    assert len(IDENTITIES) == len(document["identities"])


@pytest.mark.parametrize("one", IDENTITIES.values(), ids=lambda one: one.name)
def test_an_identity_is_what_the_twin_holds(one: Identity) -> None:
    assert one.system in BY_CODE
    assert one.iin is None or iin_problem(one.iin) is None
    assert one.fault is None or (one.fault in BY_NAME and ("late" in one.fault) == (one.seconds is not None))
    if one.kind == "person":
        assert PERSONS[one.example or ""] == one.iin
    elif one.kind == "attorney":
        deed = DEEDS[one.example or ""]
        assert {name: deed[name] for name in one.facts} == dict(one.facts)
    elif one.kind == "queue":
        assert held(one) == {"person_iin": one.iin, **{k: v for k, v in one.facts.items() if k == "register"}}
    else:
        assert well_ordered(one)


def held(one: Identity) -> dict[str, str]:
    regions = yaml.safe_load((contracts_dir() / "regions.yaml").read_text())["regions"]
    return entries(tuple(regions))[one.facts["region"]][one.example or ""]


def well_ordered(one: Identity) -> bool:
    order: Any = one.order
    problems = yaml.safe_load((contracts_dir() / "errors.yaml").read_text())
    known = one.refusal is None or one.refusal in problems
    reason = order.get("revoke") is None or Reason(order["revoke"]) is not None
    return known and reason and Profile(order.get("profile", "person_sign")) is not Profile.SYSTEM


def test_no_two_certificates_are_of_one_person() -> None:
    iins = [one.iin for one in IDENTITIES.values() if one.kind == "certificate"]
    assert len(set(iins)) == len(iins)


def test_the_committed_page_is_the_one_the_file_makes() -> None:
    assert (ROOT / PAGE).read_text(encoding="utf-8") == page(IDENTITIES), "run egov identities page"
