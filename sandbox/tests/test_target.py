"""A command aimed at the wrong place says so before it does anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from egovkit.contracts import contracts_dir, contracts_version
from sandbox.composition import SHEP, Home
from sandbox.target import Member, NoTarget, TargetRefused, target, write_members

OURS = contracts_version(contracts_dir())


def right(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={"service": SHEP, "instance": "1", "contracts": OURS})


def down(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path)
    write_members(found, [Member(SHEP, SHEP, "http://shep")])
    found.clock_token.parent.mkdir()
    found.clock_token.write_text("sesame\n")
    return found


def answering(monkeypatch: pytest.MonkeyPatch, answer: Callable[[httpx.Request], httpx.Response]) -> None:
    plain = httpx.AsyncClient
    monkeypatch.setattr(httpx, "AsyncClient", lambda **_: plain(transport=httpx.MockTransport(answer)))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (down, r"gateway-shep does not answer at http://shep \(ConnectError\): is it up\?"),
        (lambda _: httpx.Response(404), "started without --sandbox"),
        (lambda _: httpx.Response(200, text="<html>"), "no service of the bus"),
        (lambda _: httpx.Response(200, json=[1]), "no service of the bus"),
        (lambda _: httpx.Response(200, json={"service": "portal-pep", "contracts": OURS}), "is portal-pep, not"),
        (lambda _: httpx.Response(200, json={"service": SHEP, "contracts": "9.0.0"}), f"version 9.0.0.* {OURS}"),
    ],
    ids=["down", "no sandbox", "another server", "another shape", "another service", "another version"],
)
async def test_a_wrong_target_is_named_at_once(
    monkeypatch: pytest.MonkeyPatch, home: Home, answer: Callable[[httpx.Request], httpx.Response], said: str
) -> None:
    answering(monkeypatch, answer)
    with pytest.raises(NoTarget, match=said):
        async with target(home):
            pytest.fail("nothing may be asked of it")


async def test_a_home_without_its_token_is_no_target(home: Home) -> None:
    home.clock_token.unlink()
    with pytest.raises(NoTarget, match="no token"):
        async with target(home):
            pytest.fail("nothing may be asked of it")


async def test_the_right_one_is_asked_with_its_token_and_its_refusal_is_told_in_its_words(
    monkeypatch: pytest.MonkeyPatch, home: Home
) -> None:
    heard: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/sandbox":
            return right(request)
        heard.append(request.headers["authorization"])
        problem = {"code": "clock.backwards", "detail": "Time does not go back.", "remedy": "Go on."}
        return httpx.Response(409, json=problem)

    answering(monkeypatch, answer)
    async with target(home) as aim:
        [member] = aim.of(SHEP)
        with pytest.raises(TargetRefused, match=r"clock\.backwards: Time does not go back\. Go on\."):
            await aim.ask("POST", member, "/v1/sandbox/clock/offset", json={"offset_s": 0})
        with pytest.raises(NoTarget, match="'portal' is no system of this deployment; it has gateway-shep"):
            aim.of("portal")
    assert heard == ["Bearer sesame"]
