"""The person's hand: questions, console, control API; files and keys of the agent."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from egovkit.clock import HandClock
from egovkit.signatures.certificates import load_certificate
from egovkit.signatures.keys import SigningKey
from egovkit.testing.pki import TestPki
from ncalayer_mock.app import Agent, CannotStart, create_agent
from ncalayer_mock.control.console import TEXTS, Console
from ncalayer_mock.domain.choosing import Card, Wanted
from ncalayer_mock.service.desk import Question, Standing, document_of
from ncalayer_mock.settings import Settings
from ncalayer_mock.store import MAX_KEYS, KeyUnusable, server_files

from .conftest import IIN, OTHER_IIN, PAGE, PASSWORD, Page, give, settings_for

BASE64 = base64.b64encode(b"document").decode()


@pytest.fixture
def asking(agent: Agent) -> Page:
    agent.desk.standing = Standing.ASK
    return Page(agent)


async def question(agent: Agent) -> Question:
    """The one that comes, however many turns of the loop it takes."""
    came: asyncio.Future[Question] = asyncio.get_running_loop().create_future()
    if agent.desk.question is not None:
        return agent.desk.question
    agent.desk.listeners.append(lambda one: None if came.done() else came.set_result(one))
    return await came


@pytest.fixture
async def http(agent: Agent) -> Any:
    transport = httpx.ASGITransport(agent.control)
    headers = {"authorization": f"Bearer {agent.token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://agent", headers=headers) as client:
        yield client


# ---- questions


async def test_a_signature_waits_until_the_person_has_said_yes(agent: Agent, asking: Page) -> None:
    work = asyncio.create_task(asking.basics(BASE64, signing={"decode": True}))
    asked = await question(agent)
    assert (asked.origin, asked.method) == (PAGE, "sign") and not work.done()
    [document] = asked.documents
    assert (document.size, document.beginning) == (8, "document")
    assert document.sha256 == hashlib.sha256(b"document").hexdigest()
    agent.desk.confirm(asked.id)
    assert (await work)["body"]["result"][0].startswith("-----BEGIN CMS-----")
    assert agent.desk.question is None


async def test_a_closed_window_is_a_no(agent: Agent, asking: Page) -> None:
    work = asyncio.create_task(asking.basics())
    agent.desk.cancel((await question(agent)).id)
    assert await work == {"status": True, "body": {}}


async def test_nobody_waits_for_ever(agent: Agent, asking: Page, clock: HandClock) -> None:
    work = asyncio.create_task(asking.basics())
    asked = await question(agent)
    await clock.advance(599)
    assert not work.done()
    await clock.advance(1)
    assert await work == {"status": True, "body": {}}
    with pytest.raises(Exception, match=asked.id):
        agent.desk.confirm(asked.id)


async def test_there_is_one_window(agent: Agent, asking: Page) -> None:
    works = [asyncio.create_task(asking.basics(["YQ=="] * count)) for count in (1, 2)]
    first = await question(agent)
    assert len(first.documents) == 1
    agent.desk.cancel(first.id)
    await works[0]
    second = await question(agent)
    assert len(second.documents) == 2 and not works[1].done()
    agent.desk.confirm(second.id)
    assert len((await works[1])["body"]["result"]) == 2


async def test_a_page_that_leaves_takes_its_question_along(agent: Agent, asking: Page) -> None:
    work = asyncio.create_task(asking.basics())
    await question(agent)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert agent.desk.question is None
    agent.desk.standing = Standing.CONFIRM
    assert "result" in (await asking.basics())["body"]


async def test_among_several_keys_the_person_names_one(agent: Agent, asking: Page, pki: TestPki) -> None:
    other = give(agent, pki.person(OTHER_IIN), "other.p12")
    work = asyncio.create_task(asking.common("getKeyInfo", "PKCS12"))
    asked = await question(agent)
    with pytest.raises(Exception, match="2 keys fit"):
        agent.desk.confirm(asked.id)
    agent.desk.confirm(asked.id, other)
    assert OTHER_IIN in (await work)["responseObject"]["subjectDn"]


async def test_a_key_given_meanwhile_fits_too(agent: Agent, asking: Page, pki: TestPki) -> None:
    work = asyncio.create_task(asking.basics(iin=OTHER_IIN))
    asked = await question(agent)
    assert agent.desk.choice(asked.id) == []
    give(agent, pki.person(OTHER_IIN), "late.p12")
    agent.desk.confirm(asked.id)
    assert "result" in (await work)["body"]


def test_what_a_terminal_would_obey_is_taken_out_of_a_beginning() -> None:
    assert document_of("\x1b[2Jab\u202ec\nд".encode() + b"\xff" * 9).beginning == "·[2Jab·c·д"
    assert len(document_of(b"a" * 10_000).beginning) == 120


# ---- the terminal


@pytest.fixture
def console(agent: Agent) -> tuple[Console, list[str]]:
    said: list[str] = []
    return Console(agent.desk, said.append), said


async def test_the_terminal_shows_the_question_in_the_pages_language_and_takes_a_number(
    agent: Agent, asking: Page, console: tuple[Console, list[str]], pki: TestPki
) -> None:
    give(agent, pki.person(OTHER_IIN, "ЕКІНШІ\x1b"), "second.p12")
    await asking.common("changeLocale", "kz")
    work = asyncio.create_task(asking.common("createCAdESFromBase64", "PKCS12", "SIGNATURE", BASE64, False))
    await question(agent)
    hand, said = console
    assert f"{PAGE} сұрайды: createCAdESFromBase64. Құжат саны: 1." in said[0]
    assert "[1] sign.p12: СЫНАҚОВ СЫНАҚ, ИИН" in said[0] and "[2] second.p12: ЕКІНШІ·" in said[0]
    for wrong in ("", "3", "0", "x", "-1", "²", "0000012", "1" * 5000):
        hand.take(wrong + "\n")
        assert said[-1].startswith("Ондай жауап жоқ.")
    hand.take("2\n")
    assert said[-1] == "ЕКІНШІ· СЫНАҚ кілтімен қол қойылды."
    assert (await work)["code"] == "200"
    hand.take("1\n")  # nobody asked
    assert said[-1].startswith("ЕКІНШІ")


@pytest.mark.parametrize(("line", "signed"), [("", True), ("y", True), ("1", True), ("n", False), ("Нет", False)])
async def test_the_terminal_takes_yes_and_no(
    agent: Agent, asking: Page, console: tuple[Console, list[str]], line: str, signed: bool
) -> None:
    work = asyncio.create_task(asking.basics())
    await question(agent)
    console[0].take(line)
    assert ("result" in (await work)["body"]) is signed
    assert console[1][-1] == ("Подписано ключом СЫНАҚОВ СЫНАҚ." if signed else "Отказано.")


async def test_the_terminal_reads_lines_until_there_are_no_more(
    agent: Agent, asking: Page, console: tuple[Console, list[str]]
) -> None:
    import os

    reading, writing = os.pipe()
    with os.fdopen(reading) as lines, os.fdopen(writing, "w") as keyboard:
        console[0].listen(lines)
        work = asyncio.create_task(asking.basics())
        await question(agent)
        keyboard.write("n\n")
        keyboard.flush()
        assert await work == {"status": True, "body": {}}
        keyboard.close()
        await asyncio.to_thread(_joined)


def _joined() -> None:
    import threading

    for one in threading.enumerate():
        if one.name == "console":
            one.join(10)


def test_both_languages_say_the_same() -> None:
    assert set(TEXTS["ru"]) == set(TEXTS["kk"])


# ---- the control API


async def test_the_control_api_answers_a_question(
    agent: Agent, asking: Page, http: httpx.AsyncClient, person: SigningKey
) -> None:
    assert (await http.get("/v1/questions")).json() == []
    work = asyncio.create_task(asking.basics(BASE64, signing={"decode": True}))
    await question(agent)
    [asked] = (await http.get("/v1/questions")).json()
    assert asked["origin"] == PAGE and asked["documents"][0]["beginning"] == "document"
    [key] = asked["keys"]
    assert (key["thumbprint"], key["iin"], key["storage"]) == (person.thumbprint, IIN, "PKCS12")
    confirmed = await http.post(f"/v1/questions/{asked['id']}/confirm", json={"key": key["thumbprint"]})
    assert confirmed.status_code == 200 and "result" in (await work)["body"]
    again = await http.post(f"/v1/questions/{asked['id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (404, "agent.question_unknown")


async def test_the_control_api_cancels_and_knows_which_key_fits(
    agent: Agent, asking: Page, http: httpx.AsyncClient
) -> None:
    work = asyncio.create_task(asking.basics())
    asked = await question(agent)
    wrong = await http.post(f"/v1/questions/{asked.id}/confirm", json={"key": "x" * 43})
    assert (wrong.status_code, wrong.json()["code"]) == (404, "agent.key_unknown")
    assert (await http.post(f"/v1/questions/{asked.id}/cancel")).status_code == 204
    assert await work == {"status": True, "body": {}}
    gone = await http.post(f"/v1/questions/{asked.id}/confirm", json={})
    assert (gone.status_code, gone.json()["code"]) == (404, "agent.question_unknown")


async def test_keys_come_and_go(agent: Agent, http: httpx.AsyncClient, pki: TestPki) -> None:
    p12 = base64.b64encode(pki.person(OTHER_IIN).to_pkcs12(PASSWORD, "x")).decode()
    new = {"pkcs12": p12, "password": PASSWORD, "name": "n.p12", "storage": "AKKaztokenStore"}
    made = await http.post("/v1/keys", json=new)
    assert made.status_code == 201 and made.json()["iin"] == OTHER_IIN
    assert [one["name"] for one in (await http.get("/v1/keys")).json()] == ["sign.p12", "n.p12"]
    thumbprint = made.json()["thumbprint"]
    assert (await http.delete(f"/v1/keys/{thumbprint}")).status_code == 204
    assert (await http.delete(f"/v1/keys/{thumbprint}")).json()["code"] == "agent.key_unknown"
    assert (await http.get("/v1/agent")).json() == {"address": "", "standing": "confirm", "keys": 1}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"password": "Wrong111"}, "password_or_damage"),
        ({"pkcs12": base64.b64encode(b"\x30\x00").decode()}, "no_usable_key"),
        ({"pkcs12": base64.b64encode(b"no file").decode()}, "beyond_end"),
        ({"pkcs12": "%%"}, "not_base64"),
    ],
)
async def test_a_key_that_cannot_be_opened_is_told(
    http: httpx.AsyncClient, pki: TestPki, changes: dict[str, str], reason: str
) -> None:
    p12 = base64.b64encode(pki.person(OTHER_IIN).to_pkcs12(PASSWORD, "x")).decode()
    refused = await http.post("/v1/keys", json={"pkcs12": p12, "password": PASSWORD, **changes})
    assert (refused.status_code, refused.json()["code"]) == (422, "agent.key_unusable")
    assert refused.json()["reason"] == reason and reason not in refused.json()["detail"]
    assert PASSWORD not in refused.text


async def test_a_key_file_that_asks_for_endless_work_is_not_opened(http: httpx.AsyncClient, pki: TestPki) -> None:
    from egovkit.signatures.asn1 import pkcs12

    file = pkcs12.Pfx.load(pki.person(OTHER_IIN).to_pkcs12(PASSWORD, "x"))
    file["mac_data"]["iterations"] = 2**31 - 1
    bomb = base64.b64encode(file.dump(force=True)).decode()
    refused = await http.post("/v1/keys", json={"pkcs12": bomb, "password": PASSWORD})
    assert (refused.status_code, refused.json()["reason"]) == (422, "too_many_rounds")


async def test_the_standing_is_changed(asking: Page, http: httpx.AsyncClient) -> None:
    for standing, body in (("cancel", {}), ("confirm", None)):
        assert (await http.put("/v1/agent/standing", json={"standing": standing})).json()["standing"] == standing
        assert body in (None, (await asking.basics())["body"])
    assert (await http.put("/v1/agent/standing", json={"standing": "maybe"})).status_code == 422


async def test_without_the_token_the_control_api_does_nothing(agent: Agent) -> None:
    transport = httpx.ASGITransport(agent.control)
    async with httpx.AsyncClient(transport=transport, base_url="http://agent") as nobody:
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {agent.token}"}):
            for method, path in (("GET", "/v1/keys"), ("POST", "/v1/keys"), ("PUT", "/v1/agent/standing")):
                answer = await nobody.request(method, path, headers=headers, json={})
                assert (answer.status_code, answer.json()["code"]) == (401, "agent.not_authorised")


# ---- files


async def test_the_token_is_made_once_and_only_its_owner_reads_it(tmp_path: Path, agent: Agent) -> None:
    path = agent.settings.control_token_path
    assert path.stat().st_mode & 0o777 == 0o600 and path.read_text() == agent.token
    async with httpx.AsyncClient() as http:
        assert create_agent(settings_for(tmp_path), http).token == agent.token
        path.write_text("short")
        with pytest.raises(CannotStart, match="shorter than 16"):
            create_agent(settings_for(tmp_path), http)


async def test_a_key_that_comes_while_others_are_looked_at_is_no_fault(agent: Agent, pki: TestPki) -> None:
    class Meanwhile(Wanted):
        def fits(self, card: Card) -> bool:  # as if a thread of the control API had its turn now
            give(agent, pki.person(OTHER_IIN), "late.p12")
            return True

    assert [one.card.name for one in agent.ring.fitting(Meanwhile())] == ["sign.p12"]


async def test_no_more_keys_than_a_person_can_choose_from(agent: Agent, pki: TestPki) -> None:
    p12 = pki.person(OTHER_IIN).to_pkcs12(PASSWORD, "x")
    [held] = agent.ring.fitting(Wanted())
    agent.ring._held.update({str(number): held for number in range(MAX_KEYS)})
    with pytest.raises(KeyUnusable, match="more than 50"):
        agent.ring.add(p12, PASSWORD, name="x")


def test_a_key_of_another_kind_is_no_key_of_ours(pki: TestPki, agent: Agent) -> None:
    from cryptography.hazmat.primitives.serialization import pkcs12

    without = pkcs12.serialize_key_and_certificates(b"x", None, pki.root, None, pkcs12_open())
    with pytest.raises(KeyUnusable, match="no usable key"):
        agent.ring.add(without, None, name="x")


def test_a_certificate_that_cannot_be_read_makes_no_key_of_ours(pki: TestPki, agent: Agent, clock: HandClock) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.oid import ExtensionOID

    key, day = pki.person(OTHER_IIN).private_key, timedelta(days=1)
    damaged = x509.UnrecognizedExtension(ExtensionOID.KEY_USAGE, b"damaged")
    builder = x509.CertificateBuilder(pki.root.subject, pki.root.subject, key.public_key(), 7)
    builder = builder.not_valid_before(clock.now()).not_valid_after(clock.now() + day).add_extension(damaged, True)
    file = SigningKey(key, builder.sign(key, SHA256())).to_pkcs12(PASSWORD, "x")
    with pytest.raises(KeyUnusable, match="no usable key"):
        agent.ring.add(file, PASSWORD, name="x")


def pkcs12_open() -> Any:
    from cryptography.hazmat.primitives.serialization import NoEncryption

    return NoEncryption()


def test_the_servers_certificate_is_made_once_and_again_before_its_end(tmp_path: Path, clock: HandClock) -> None:
    now = clock.now()
    first = server_files(tmp_path, "127.0.0.1", now)
    kept = first.certificate.read_bytes()
    assert server_files(tmp_path, "127.0.0.1", now + timedelta(days=365)).certificate.read_bytes() == kept
    assert first.key.stat().st_mode & 0o777 == 0o600
    certificate, authority = (load_certificate(one.read_bytes()) for one in (first.certificate, first.authority))
    certificate.verify_directly_issued_by(authority)
    server_files(tmp_path, "127.0.0.1", certificate.not_valid_after_utc - timedelta(days=29))
    assert first.certificate.read_bytes() != kept
    first.key.unlink()
    assert server_files(tmp_path, "127.0.0.1", now).key.exists()


def test_what_a_renewal_left_half_done_is_made_anew(tmp_path: Path, clock: HandClock) -> None:
    files, other = (server_files(tmp_path / name, "127.0.0.1", clock.now()) for name in ("one", "other"))
    files.certificate.write_bytes(other.certificate.read_bytes())
    files.authority.write_bytes(other.authority.read_bytes())
    server_files(tmp_path / "one", "127.0.0.1", clock.now()).context()  # which takes no certificate of another key
    certificate, authority = (load_certificate(one.read_bytes()) for one in (files.certificate, files.authority))
    certificate.verify_directly_issued_by(authority)
    assert files.certificate.read_bytes() != other.certificate.read_bytes()


def test_settings_take_only_what_is_an_origin_and_files_that_are_there(tmp_path: Path) -> None:
    assert Settings(home=tmp_path, origins=("https://portal.example:8443",)).origins == ("https://portal.example:8443",)
    for wrong in ("*", "http://a/b", "null", "javascript://x", ""):
        with pytest.raises(ValueError, match="origins"):
            Settings(home=tmp_path, origins=(wrong,))
    with pytest.raises(ValueError, match="there is no file"):
        Settings(home=tmp_path, password_file=tmp_path / "none")
