"""`egov faults` and `egov identities`: what names nothing is said at once; what is set goes to every process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from egovkit.contracts import contracts_dir, contracts_version, read_yaml
from egovkit.sandbox.faults_api import PATH
from egovkit.sandbox.identities import load_identities
from sandbox.cli import app
from sandbox.composition import PERSONS, PORTAL, RSHEP, SHEP, Home
from sandbox.faults import NamesNothing, checked
from sandbox.identities import one_of, write_container
from sandbox.target import Member, write_members

IIN = "991231600012"
MEMBERS = [
    Member("rshep/1", RSHEP, "http://rshep1"), Member("rshep/2", RSHEP, "http://rshep2"),
    Member(SHEP, SHEP, "http://shep"), Member(PERSONS, PERSONS, "http://persons"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("system", "wish", "said"),
    [
        (PORTAL, {"name": "dealy"}, "'dealy' is no fault; nearest: delay"),
        ("portal-pepp", {"name": "drop"}, "'portal-pepp' is no system; nearest: portal-pep"),
        (PORTAL, {"name": "drop", "step": "P77"}, "'P77' is no step of a regulation; nearest: P7"),
        (PORTAL, {"name": "drop", "message": "query.persons"}, "'query.persons' is no message; nearest: query.person"),
        (PORTAL, {"name": "drop", "person": "991231600013"}, "'991231600013' is no ИИН: bad_check_digit"),
        (PORTAL, {"name": "drop", "person": "12"}, "'12' is no ИИН: not_12_digits"),
    ],
)
def test_what_names_nothing_is_refused_with_the_nearest_names(system: str, wish: dict[str, Any], said: str) -> None:
    with pytest.raises(NamesNothing, match=f"^{said}"):
        checked(system, wish)


@pytest.mark.parametrize("written", ["query.person", "kz.egov.query.person.v1"])
def test_a_message_may_be_named_short_or_whole(written: str) -> None:
    asked = checked(PORTAL, {"name": "drop", "message": written, "step": "P3", "person": IIN, "rate": None})
    assert asked.body == {"name": "drop", "message": "kz.egov.query.person.v1", "step": "P3", "person": IIN}


class Deployment:
    """Four processes as a command meets them."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, Any]] = []
        self.refusal: dict[str, Any] | None = None

    def __call__(self, request: httpx.Request) -> httpx.Response:
        member = next(one for one in MEMBERS if one.url == f"http://{request.url.host}")
        if request.url.path == "/v1/sandbox":
            about = {"service": member.code, "instance": "1", "contracts": contracts_version(contracts_dir())}
            return httpx.Response(200, json=about)
        assert request.url.path == PATH and request.headers["authorization"] == "Bearer sesame"
        body = json.loads(request.content) if request.content else dict(request.url.params)
        self.heard.append((request.method, member.name, body))
        if self.refusal is not None:
            return httpx.Response(422, json=self.refusal)
        if request.method == "DELETE":
            return httpx.Response(204)
        rule = {
            "id": "x-1", "name": "drop", "system": member.code, "place": "publish", "step": None, "message": None,
            "person": None, "case": None, "rate": 0.5, "times": None, "seed": 7, "parameters": {"at": "publish"},
            "matched": 4, "hits": 2,
        }  # fmt: skip
        if request.method == "POST":
            return httpx.Response(201, json={**rule, "name": body["name"]})
        return httpx.Response(200, json={"system": member.code, "rules": [rule] if member.code == RSHEP else []})


@pytest.fixture
def deployment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Deployment:
    home = Home(tmp_path)
    write_members(home, MEMBERS)
    home.clock_token.parent.mkdir()
    home.clock_token.write_text("sesame\n")
    monkeypatch.setenv("EGOV_HOME", str(tmp_path))
    made, plain = Deployment(), httpx.AsyncClient
    monkeypatch.setattr(httpx, "AsyncClient", lambda **_: plain(transport=httpx.MockTransport(made)))
    return made


def egov(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words))
    return done.exit_code, done.output


def test_a_fault_is_set_at_every_process_of_its_system(deployment: Deployment) -> None:
    words = ("faults", "set", "delay", "--system", RSHEP, "--seconds", "5", "--rate", "0.5", "--seed", "7")
    status, said = egov(*words)
    assert status == 0, said
    body = {"name": "delay", "rate": 0.5, "seed": 7, "parameters": {"seconds": 5.0}}
    assert deployment.heard == [("POST", "rshep/1", body), ("POST", "rshep/2", body)]


def test_other_parameters_are_numbers_where_they_look_like_them(deployment: Deployment) -> None:
    egov("faults", "set", "drop", "--system", SHEP, "-p", "at=delivery", "-p", "copies=2")
    assert deployment.heard[0][2]["parameters"] == {"at": "delivery", "copies": 2.0}
    status, said = egov("faults", "set", "drop", "--system", SHEP, "-p", "delivery")
    assert (status, "write name=value" in said) == (2, True)


def test_a_list_says_what_each_process_has_and_what_it_hit(deployment: Deployment) -> None:
    status, said = egov("faults", "list")
    assert (status, said.splitlines()) == (
        0,
        [f"rshep/{n}: drop (publish) rate=0.5 seed=7 at=publish; met 4, hit 2" for n in (1, 2)],
    )
    assert egov("faults", "list", "--system", SHEP) == (0, "no faults are set\n")
    rules = json.loads(egov("faults", "list", "--json")[1])
    assert [rule["process"] for rule in rules] == ["rshep/1", "rshep/2"]


def test_clearing_goes_everywhere_or_where_it_is_aimed(deployment: Deployment) -> None:
    egov("faults", "clear")
    assert [(method, name) for method, name, _ in deployment.heard] == [("DELETE", one.name) for one in MEMBERS]
    deployment.heard.clear()
    egov("faults", "clear", "drop", "--system", PERSONS)
    assert deployment.heard == [("DELETE", PERSONS, {"name": "drop"})]


def test_a_command_that_names_nothing_asks_nobody_and_exits_2(deployment: Deployment) -> None:
    status, said = egov("faults", "set", "drpo", "--system", SHEP)
    assert (status, "nearest: drop" in said, deployment.heard) == (2, True, [])


def test_a_system_that_was_left_out_of_the_deployment_exits_3(deployment: Deployment) -> None:
    status, said = egov("faults", "set", "drop", "--system", PORTAL)
    assert (status, "it has gateway-shep, gbd-fl-mock, regional-gateway-rshep" in said) == (3, True)


def test_a_wrong_parameter_is_told_by_its_field(deployment: Deployment) -> None:
    deployment.refusal = {
        "code": "request.invalid", "detail": "Some fields are wrong.", "remedy": "Correct them.",
        "errors": [{"field": "parameters.seconds", "message": "delay needs it"}],
    }  # fmt: skip
    status, said = egov("faults", "set", "delay", "--system", SHEP)
    assert (status, "parameters.seconds: delay needs it" in said) == (2, True)


def test_the_names_are_shown_without_a_deployment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EGOV_HOME", str(tmp_path))
    status, said = egov("faults", "list", "--names")
    assert status == 0 and len(said.splitlines()) == len(read_yaml(contracts_dir() / "faults.yaml")["faults"])
    assert {"name", "bites", "parameters", "ru", "kk", "en"} <= json.loads(
        egov("faults", "list", "--names", "--json")[1]
    )[0].keys()
    assert egov("faults", "list")[0] == 3, "but what is set is a deployment's"


# --- identities


def test_identities_are_listed_and_shown_without_a_deployment() -> None:
    status, said = egov("identities", "list", "--kind", "certificate")
    assert status == 0 and all(line.startswith("certificate-") for line in said.splitlines())
    status, said = egov("identities", "show", "register-late")
    assert status == 0 and "late-answer, 20 s" in said and "991231600409" in said
    assert len(json.loads(egov("identities", "list", "--json")[1])) == len(load_identities(contracts_dir()))


def test_an_unknown_identity_is_refused_with_the_nearest_names(tmp_path: Path) -> None:
    status, said = egov("identities", "show", "person-decesed")
    assert (status, "nearest: person-deceased" in said) == (2, True)
    assert egov("identities", "issue", "certificate-expird", "-o", str(tmp_path))[0] == 2


def test_only_certificates_are_issued(deployment: Deployment, tmp_path: Path) -> None:
    status, said = egov("identities", "issue", "person-minor", "-o", str(tmp_path))
    assert (status, "has no certificate of its own" in said) == (2, True)


def test_a_container_and_its_password_are_for_their_owner_alone(tmp_path: Path) -> None:
    identity = one_of(load_identities(contracts_dir()), "certificate-expired")
    paths = write_container({"pkcs12": "AAEC"}, identity, tmp_path / "new")
    assert [path.name for path in paths] == ["certificate-expired.p12", "certificate-expired.password"]
    assert paths[0].read_bytes() == b"\x00\x01\x02"
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}
