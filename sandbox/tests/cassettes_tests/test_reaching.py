"""Where a recording comes from and a stand-in goes to, asked over HTTP."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from egovkit.contracts import contracts_dir, contracts_version
from sandbox.cassettes.following import PAGE, Following
from sandbox.cassettes.seat import refuse_unless_missing
from sandbox.composition import BY_CODE, PERSONS, PORTAL, SHEP, Home
from sandbox.target import Aim, Member, NoTarget, target

from .conversations import BEGAN

HOST = "http://bus"


def exchange(number: int, **changes: Any) -> dict[str, Any]:
    body = base64.b64encode(b"{%d}" % number).decode()
    known = {"id": f"{number:05}", "at": (BEGAN + timedelta(seconds=number)).isoformat(), "queue": "inbox"}
    return {**known, "event": "delivered", "outcome": "ack", "request": {"body": body}, **changes}


def aim(answer: Any, members: list[Member]) -> Aim:
    return Aim(httpx.AsyncClient(transport=httpx.MockTransport(answer)), members, "token")


async def test_the_log_is_followed_page_by_page_and_what_was_not_published_is_left_out() -> None:
    log = [exchange(n) for n in range(PAGE + 3)]
    log[1] |= {"event": "published", "outcome": "confirmed"}
    log[2] |= {"event": "published", "outcome": "timeout"}

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.params["medium"] == "bus" and request.url.params["order"] == "oldest"
        after = request.url.params.get("cursor", "")
        return httpx.Response(200, json={"items": [one for one in log if one["id"] > after][:PAGE], "next": None})

    member = Member(PERSONS, PERSONS, HOST)
    following = Following(aim(answer, [member]), [member], BEGAN)
    found = await following.more()
    assert [one.body for one in found[:3]] == [b"{0}", b"{1}", b"{3}"] and len(found) == PAGE + 2
    assert found[0].at == BEGAN and await following.more() == []
    log.append(exchange(PAGE + 3))
    assert [one.at for one in await following.more()] == [BEGAN + timedelta(seconds=PAGE + 3)]


async def test_a_system_on_a_hosts_port_is_not_stood_in_for() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.port == BY_CODE[PERSONS].port:
            return httpx.Response(200)
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(NoTarget, match=r"gbd-fl-mock is up at http://bus:8070: stop it first"):
        await refuse_unless_missing(aim(answer, []), PERSONS, HOST)
    await refuse_unless_missing(aim(answer, []), PORTAL, HOST)
    with pytest.raises(NoTarget, match="start it with `egov up --without portal-pep`"):
        await refuse_unless_missing(aim(answer, [Member(PORTAL, PORTAL, HOST)]), PORTAL, None)


async def test_a_host_without_the_missing_system_is_a_target(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        service = next(one.code for one in BY_CODE.values() if one.port == request.url.port)
        if service == PERSONS:
            raise httpx.ConnectError("refused", request=request)
        return httpx.Response(200, json={"service": service, "contracts": contracts_version(contracts_dir())})

    plain = httpx.AsyncClient
    monkeypatch.setattr(httpx, "AsyncClient", lambda **_: plain(transport=httpx.MockTransport(answer)))
    home = Home(tmp_path)
    home.clock_token.parent.mkdir()
    home.clock_token.write_text("sesame")
    async with target(home, HOST, without=PERSONS) as found:
        assert SHEP in {one.code for one in found.members} and PERSONS not in {one.code for one in found.members}
    with pytest.raises(NoTarget, match="gbd-fl-mock does not answer"):
        async with target(home, HOST):
            pytest.fail("nothing may be asked of it")
