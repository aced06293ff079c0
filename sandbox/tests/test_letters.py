"""`egov dead-letters`: what it asks ШЭП, what it tells, and how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from sandbox import letters
from sandbox.cli import app
from sandbox.composition import SHEP, Home

ID = "019bbfcf-6a00-71cb-98b2-d48879552c1d"
LETTER = {
    "id": ID,
    "received_at": "2026-01-15T04:00:00+00:00",
    "queue": "inbox.portal-pep",
    "reason": "[red]data.invalid",
    "deliveries": None,
    "generation": 1,
    "state": "waiting",
    "type": "kz.egov.case.registered.v1",
    "case_id": ID,
}
PROBLEM = {"code": "deadletter.unknown", "detail": "There is no dead letter.", "remedy": "Take the id from the list."}


class Twin:
    """ШЭП as the command meets it: answers what the test says, remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.answer: Callable[[httpx.Request], httpx.Response] = lambda _: httpx.Response(200, json=LETTER)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.answer(request)


@pytest.fixture
def twin(monkeypatch: pytest.MonkeyPatch) -> Twin:
    made = Twin()

    def client(*_: object) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(made), base_url="http://shep")

    monkeypatch.setattr(letters, "client_of", client)
    return made


def egov(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["dead-letters", *arguments], env={"COLUMNS": "300"})
    return result.exit_code, result.output


def test_the_list_names_every_letter_and_the_next_page(twin: Twin) -> None:
    twin.answer = lambda _: httpx.Response(200, json={"items": [LETTER], "next": ID})
    status, text = egov("list", "--state", "waiting", "--queue", "inbox.portal-pep", "--limit", "1")
    assert status == 0
    assert "[red]data.invalid" in text, "a stranger's text is no markup"
    assert ID in text and f"--cursor {ID}" in text
    assert dict(twin.asked[0].url.params) == {"state": "waiting", "queue": "inbox.portal-pep", "limit": "1"}
    status, text = egov("list", "--json")
    assert json.loads(text) == {"items": [LETTER], "next": ID}


def test_a_letter_is_shown_and_its_bytes_are_read_only_when_asked_for(twin: Twin, tmp_path: Path) -> None:
    status, text = egov("show", ID)
    assert (status, json.loads(text)) == (0, LETTER)
    assert [one.url.path for one in twin.asked] == [f"/v1/dead-letters/{ID}"]
    file = tmp_path / "body"
    twin.answer = lambda request: httpx.Response(200, content=b"\x00\xff") if "body" in request.url.path else ok(LETTER)
    status, _ = egov("show", ID, "--body", str(file), "--as", "aigul")
    assert (status, file.read_bytes(), file.stat().st_mode & 0o777) == (0, b"\x00\xff", 0o600)
    assert twin.asked[-1].headers["egov-operator"] == "aigul"


def ok(body: Any) -> httpx.Response:
    return httpx.Response(200, json=body)


@pytest.mark.parametrize("what", ["redrive", "discard"])
def test_a_decision_carries_who_why_and_a_key_of_its_own(twin: Twin, what: str) -> None:
    for _ in range(2):
        assert egov(what, ID, "--note", "исправлено", "--as", "aigul")[0] == 0
    first, second = twin.asked
    assert (first.method, first.url.path) == ("POST", f"/v1/dead-letters/{ID}/{what}")
    assert json.loads(first.content) == {"note": "исправлено"}
    assert first.headers["egov-operator"] == "aigul"
    assert first.headers["idempotency-key"] != second.headers["idempotency-key"]


def test_many_are_re_driven_by_queue_and_reason(twin: Twin) -> None:
    twin.answer = lambda _: ok({"redriven": [ID]})
    status, text = egov("redrive", "--note", "x", "--reason", "delivery_limit", "--limit", "7")
    assert (status, json.loads(text)) == (0, {"redriven": [ID]})
    assert twin.asked[0].url.path == "/v1/dead-letters/redrive"
    assert json.loads(twin.asked[0].content) == {"note": "x", "reason": "delivery_limit", "limit": 7}
    assert egov("redrive", ID, "--note", "x", "--queue", "inbox.portal-pep")[0] == 2
    assert len(twin.asked) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(404, json=PROBLEM), "deadletter.unknown: There is no dead letter. Take the id from the list."),
        (
            httpx.Response(422, json={**PROBLEM, "errors": [{"field": "note", "message": "too long"}]}),
            "note: too long.",
        ),
        (httpx.Response(502, text="<html>"), "502 from http://shep/v1/dead-letters"),
        (httpx.Response(500, json=[]), "500 from http://shep/v1/dead-letters"),
    ],
)
def test_a_refusal_is_told_and_ends_with_1(twin: Twin, answer: httpx.Response, said: str) -> None:
    twin.answer = lambda _: answer
    status, text = egov("list")
    assert status == 1 and said in text


def test_a_shep_that_does_not_answer_and_a_token_that_is_not_there_end_with_3(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("nobody there")

    twin.answer = refuse
    assert egov("list") == (3, "ConnectError: nobody there\n")
    monkeypatch.undo()
    assert egov("list", "--home", str(tmp_path))[0] == 3


def test_the_home_of_an_embedded_deployment_gives_address_and_token(tmp_path: Path) -> None:
    token = Home(tmp_path).admin_token(SHEP)
    token.parent.mkdir()
    token.write_text("secret\n")
    with letters.client_of(tmp_path, None, None) as client:
        assert (str(client.base_url), client.headers["authorization"]) == ("http://127.0.0.1:8020", "Bearer secret")
    other = tmp_path / "other"
    other.write_text("another")
    with letters.client_of(tmp_path, "http://shep:1", other) as client:
        assert (str(client.base_url), client.headers["authorization"]) == ("http://shep:1", "Bearer another")
