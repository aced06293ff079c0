"""Joining the bus: mistakes told at once, a key that stays where it is, an operator's half, refusals in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from egovkit.clock import HandClock
from egovkit.signatures.authority import PROFILES, system_name
from egovkit.signatures.keys import load_private_key
from egovkit.testing.pki import TestPki
from sandbox.bootstrap import RefusedByService
from sandbox.cli import app
from sandbox.composition import RSHEP, SHEP
from sandbox.enrolment import Operators, Wish, mistakes
from sandbox.partner_cli import refusal
from sandbox.partner_folder import ABOUT, CERTIFICATE, KEY, OLD, Folder, FolderUnusable

BIN = "990440000008"
WISH = Wish("akimat-demo", "provider", BIN, ("atyrau",), ("atyrau-housing-queue",))
URLS = {"nuc-mock": "http://nuc", SHEP: "http://shep", RSHEP: "http://rshep", "portal-pep": "http://portal"}


class Nuc:
    """Certifies what a request asks for."""

    def __init__(self, clock: HandClock) -> None:
        self.pki = TestPki(clock)

    def issue(self, request: str, code: str) -> dict[str, str]:
        key = x509.load_pem_x509_csr(request.encode()).public_key()
        authority, span = self.pki.issuing_authority, self.pki.span()
        made = authority.issue(system_name(code, BIN), key, PROFILES["system"], span)  # type: ignore[arg-type]
        chain = [self.pki.issuing, self.pki.root]
        certificate, *above = (one.public_bytes(Encoding.PEM).decode() for one in (made, *chain))
        return {"certificate": certificate, "chain": "".join(above)}


@pytest.fixture
def nuc(clock: HandClock) -> Nuc:
    return Nuc(clock)


@pytest.fixture
def joined(tmp_path: Path, nuc: Nuc) -> Folder:
    folder = Folder(tmp_path / "partner")
    folder.keep(nuc.issue(folder.request(WISH.code), WISH.code), WISH, URLS)
    return folder


def test_the_key_is_for_its_owner_alone_and_is_made_once(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "partner")
    first = folder.request("akimat-demo")
    assert (folder.path / KEY).stat().st_mode & 0o777 == 0o600
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.request("akimat-demo") == first
    asked = x509.load_pem_x509_csr(first.encode())
    assert asked.public_key() == load_private_key((folder.path / KEY).read_bytes()).public_key()


def test_a_folder_knows_who_it_is_and_where_its_door_is(joined: Folder) -> None:
    ours = joined.ours()
    assert (ours.wish, ours.door_url) == (WISH, "http://rshep")
    assert set(ours.urls) == {"nuc-mock", SHEP, RSHEP}
    assert "CN=akimat-demo" in joined.key().certificate.subject.rfc4514_string()
    assert KEY not in (joined.path / ABOUT).read_text()


def test_the_next_key_takes_the_place_of_the_present_one(joined: Folder, nuc: Nuc) -> None:
    before = joined.key().thumbprint
    following = joined.next()
    following.keep(nuc.issue(following.request(WISH.code), WISH.code), WISH, URLS)
    after = following.key().thumbprint
    joined.turn()
    assert joined.key().thumbprint == after != before
    assert not joined.next().path.exists()
    assert (joined.path / OLD / before / KEY).stat().st_mode & 0o777 == 0o600


def other_contracts(folder: Folder) -> None:
    about = json.loads((folder.path / ABOUT).read_text())
    (folder.path / ABOUT).write_text(json.dumps({**about, "contracts": "9.0.0"}))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder.path / ABOUT).unlink(), "holds no partner"),
        (lambda folder: (folder.path / ABOUT).write_text("{}"), "is not what"),
        (other_contracts, "version 9.0.0"),
        (lambda folder: (folder.path / CERTIFICATE).unlink(), "is not there"),
        (
            lambda folder: (
                Folder(folder.path / "x").request("x") and (folder.path / "x" / KEY).rename(folder.path / KEY)
            ),
            "not the certificate's",
        ),
    ],
    ids=["no partner", "another shape", "other contracts", "no certificate", "another key"],
)
def test_a_folder_that_cannot_be_used_says_why(joined: Folder, spoil: Any, said: str) -> None:
    spoil(joined)
    with pytest.raises(FolderUnusable, match=said):
        joined.ours()
        joined.key()


def test_everything_that_would_be_refused_is_told_at_once() -> None:
    wrong = Wish("Akimat", "ministry", "990440000009", ("nowhere",), ("atyrau-housing",))
    told = "\n".join(mistakes(wrong, {"atyrau"}, {"atyrau-housing-queue"}))
    for word in ("'Akimat'", "'ministry'", "check digit", "'nowhere'", "'atyrau-housing'"):
        assert word in told
    assert mistakes(WISH, {"atyrau"}, {"atyrau-housing-queue"}) == []


def test_a_provider_works_in_regions_and_a_portal_does_not() -> None:
    [lacking] = mistakes(Wish("a", "provider", BIN), {"atyrau"}, ())
    [too_many] = mistakes(Wish("a", "portal", BIN, ("atyrau",)), {"atyrau"}, ())
    assert ("give --region" in lacking, "leave --region out" in too_many) == (True, True)
    assert (WISH.door, Wish("a", "portal", BIN).door) == (RSHEP, SHEP)


class Register:
    """ШЭП's register and nuc-mock, by what they were asked."""

    def __init__(self, nuc: Nuc) -> None:
        self.nuc, self.held, self.asked = nuc, dict[str, dict[str, Any]](), list[str]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.method} {request.url.host}{request.url.path}")
        body = json.loads(request.content) if request.content else {}
        if request.url.host == "nuc":
            return httpx.Response(201, json=self.nuc.issue(body["csr"], body["common_name"]))
        code = request.url.path.split("/")[3] if request.method == "GET" else body.get("code")
        if request.method == "GET":
            return httpx.Response(200 if code in self.held else 404, json=self.held.get(code, {"code": "x"}))
        if code in self.held:
            return httpx.Response(409, json={"code": "participant.exists", "detail": "held", "remedy": "another"})
        if code is not None:
            self.held[code] = {**body, "state": "active"}
        return httpx.Response(201, json={})


async def test_an_operator_admits_a_request_once_and_again_after_an_interruption(tmp_path: Path, nuc: Nuc) -> None:
    register = Register(nuc)
    async with httpx.AsyncClient(transport=httpx.MockTransport(register)) as http:
        operators = Operators(http, "http://nuc", "http://shep", "n", "s")
        request = Folder(tmp_path).request(WISH.code)
        issued = await operators.admit(WISH, request)
        await operators.admit(WISH, request)
    assert issued["certificate"].startswith("-----BEGIN CERTIFICATE")
    entered = [one for one in register.asked if one == "POST shep/v1/participants"]
    assert (len(entered), register.held[WISH.code]["delivery"]) == (1, "http")
    assert register.asked[-1] == "POST shep/v1/participants/akimat-demo/certificates"


async def test_a_code_that_another_organisation_holds_is_not_taken_over(tmp_path: Path, nuc: Nuc) -> None:
    register = Register(nuc)
    register.held[WISH.code] = {**WISH.body(), "bin": "991240990036"}
    async with httpx.AsyncClient(transport=httpx.MockTransport(register)) as http:
        with pytest.raises(RefusedByService) as refused:
            await Operators(http, "http://nuc", "http://shep", "n", "s").admit(
                WISH, Folder(tmp_path).request(WISH.code)
            )
    assert refused.value.problem["code"] == "participant.exists"
    assert not [one for one in register.asked if "nuc" in one]


def test_a_refusal_is_told_with_its_clause_its_remedy_and_each_field() -> None:
    errors = [{"field": "number", "message": "is required"}]
    told = refusal({"code": "data.invalid", "clause": "6 9)", "detail": "Wrong.", "remedy": "Mend.", "errors": errors})
    assert told.split("\n") == ["refused: data.invalid (6 9))", "Wrong.", "Mend.", "  number: is required"]


# --- the commands


def test_join_names_every_mistake_before_it_asks_anybody(tmp_path: Path) -> None:
    wanted = ["--kind", "provider", "--bin", "123", "--region", "atirau", "--service", "no-such", "-o", str(tmp_path)]
    answered = CliRunner().invoke(app, ["partner", "join", "akimat-demo", *wanted])
    assert (answered.exit_code, len(answered.stderr.splitlines())) == (2, 3)
    assert not (tmp_path / KEY).exists()


def test_join_says_that_there_is_no_deployment(tmp_path: Path) -> None:
    wanted = ["--kind", "portal", "--bin", BIN, "-o", str(tmp_path / "p"), "--home", str(tmp_path)]
    answered = CliRunner().invoke(app, ["partner", "join", "partner-portal", *wanted])
    assert (answered.exit_code, "no deployment was started" in answered.stderr) == (3, True)
    assert not (tmp_path / "p").exists()


def test_request_needs_nobody(tmp_path: Path) -> None:
    answered = CliRunner().invoke(app, ["partner", "request", "partner-portal", "-o", str(tmp_path / "p")])
    assert (answered.exit_code, sorted(path.name for path in (tmp_path / "p").iterdir())) == (
        0,
        ["key.pem", "request.csr"],
    )


def test_a_citizen_applies_only_for_what_the_portal_offers(tmp_path: Path) -> None:
    answered = CliRunner().invoke(app, ["citizen", "apply", "no-such-service", "--home", str(tmp_path)])
    assert (answered.exit_code, "no service" in answered.stderr) == (2, True)


def test_a_citizen_who_has_not_applied_sees_nothing(tmp_path: Path) -> None:
    answered = CliRunner().invoke(app, ["citizen", "look", "--file", str(tmp_path / "none.json")])
    assert (answered.exit_code, "apply first" in answered.stderr) == (3, True)
