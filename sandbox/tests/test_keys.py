"""`egov keys` where nothing runs, and the lines of a deployment that does: ШЭП and a service behind one transport."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from egovkit.clock import HandClock
from egovkit.testing.pki import TestPki
from sandbox.bootstrap import keep_key, load_key, write_private
from sandbox.cli import app
from sandbox.composition import PORTAL, SHEP, Home
from sandbox.keys import IN_FILE, LISTED, Keys, RotationUnfinished
from sandbox.target import Member, NoTarget


@pytest.fixture
def home(tmp_path: Path, pki: TestPki) -> Home:
    home = Home(tmp_path)
    write_private(home.admin_token(SHEP), b"token")
    write_private(home.keystore_password(PORTAL), b"password")
    keep_key(home, PORTAL, pki.system(PORTAL, span=pki.span(timedelta(days=20))), "pem")
    return home


class Running:
    """ШЭП and one process of the portal."""

    def __init__(self, home: Home, clock: HandClock) -> None:
        self.home, self.clock = home, clock
        self.shown: list[dict[str, Any]] = []
        self.listed: list[dict[str, Any]] = []
        self.ended: list[str] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/health/ready":
            return httpx.Response(200, json={"keys": self.shown})
        if request.method == "DELETE":
            self.ended.append(request.url.path.rpartition("/")[2])
            return httpx.Response(200, json={})
        mine = request.url.path.endswith(PORTAL)
        return httpx.Response(200, json={"certificates": self.listed if mine else [], "bin": "991240990036"})

    def keys(self, http: httpx.AsyncClient) -> Keys:
        processes = [Member(SHEP, SHEP, "http://shep"), Member(f"{PORTAL}/1", PORTAL, "http://portal")]
        return Keys(self.home, http, self.clock, processes)

    def certificate(self, print_: str, state: str = "signing", days: int = 300) -> dict[str, Any]:
        ends = (self.clock.now() + timedelta(days=days)).isoformat()
        return {"thumbprint": print_, "state": state, "not_after": ends, "alarm": None}


@pytest.fixture
def running(home: Home, clock: HandClock) -> Running:
    return Running(home, clock)


@pytest.mark.asyncio
async def test_a_line_for_each_certificate_says_who_has_it_and_whether_it_is_registered(running: Running) -> None:
    running.shown = [running.certificate("new"), running.certificate("old", "former")]
    running.shown.append(running.certificate("of TLS", "serving"))
    running.listed = [running.certificate(one) for one in ("new", "left-over")]
    async with httpx.AsyncClient(transport=httpx.MockTransport(running.answer)) as http:
        lines = [line for line in await running.keys(http).lines() if line.system == PORTAL]
    found = {line.thumbprint: (line.process, line.state, line.registered) for line in lines}
    (in_file,) = [line for line in lines if line.state == IN_FILE]
    assert found == {
        "new": (f"{PORTAL}/1", "signing", True),
        "old": (f"{PORTAL}/1", "former", False),
        in_file.thumbprint: (None, IN_FILE, False),
        "left-over": (None, LISTED, True),
    }
    assert (in_file.alarm, in_file.file) == (30, str(running.home.keystore(PORTAL)))


@pytest.mark.asyncio
async def test_ending_leaves_what_is_in_use_and_nothing_else(running: Running) -> None:
    running.shown = [running.certificate("new"), running.certificate("old", "former")]
    running.listed = [running.certificate(one) for one in ("old", "new", "left-over")]
    async with httpx.AsyncClient(transport=httpx.MockTransport(running.answer)) as http:
        assert await running.keys(http).end(PORTAL) == ("old", "left-over")
    assert running.ended == ["old", "left-over"]


@pytest.mark.asyncio
async def test_ending_waits_until_the_key_of_the_file_signs_when_a_rotation_was_broken_off(running: Running) -> None:
    """Killed right after the file was replaced: what signs is still the old one, and the new one must be left."""
    new = load_key(running.home, PORTAL).thumbprint
    running.shown = [running.certificate("old"), running.certificate(new, "waiting")]
    running.listed = [running.certificate(one) for one in ("old", new)]
    clock = running.clock = Hasty(running.clock.now())
    clock.when_slept = lambda: running.shown.__setitem__(slice(None), [running.certificate(new)])
    async with httpx.AsyncClient(transport=httpx.MockTransport(running.answer)) as http:
        assert await running.keys(http).end(PORTAL, 60) == ("old",)
    assert running.ended == ["old"]


def test_a_new_key_is_on_disk_before_it_takes_the_place_of_the_old_one(
    home: Home, pki: TestPki, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut could leave a file of the right name and no key at all."""
    old, synced, sync = load_key(home, PORTAL).thumbprint, [], os.fsync

    def syncing(handle: int) -> None:
        sync(handle)
        synced.append(load_key(home, PORTAL).thumbprint)

    monkeypatch.setattr(os, "fsync", syncing)
    new = pki.system(PORTAL)
    keep_key(home, PORTAL, new, "pem")
    assert synced[-1] == old and load_key(home, PORTAL).thumbprint == new.thumbprint


@pytest.mark.parametrize("place", ["portal-pep", "somebody=http://a", "portal-pep=file:///etc/passwd"])
def test_a_place_that_is_none_is_told(home: Home, place: str) -> None:
    refused = CliRunner().invoke(app, ["keys", "list", "--home", str(home.path), "--service", place])
    assert refused.exit_code == 3 and place in refused.output


class Hasty(HandClock):
    """Time passes as soon as somebody sleeps."""

    when_slept: Callable[[], None] = staticmethod(lambda: None)

    async def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self.when_slept()


@pytest.mark.asyncio
async def test_a_new_key_that_is_not_used_in_time_ends_nothing_and_says_what_is(running: Running) -> None:
    running.clock = Hasty(running.clock.now())
    running.shown = [running.certificate("old"), running.certificate("new", "waiting")]
    async with httpx.AsyncClient(transport=httpx.MockTransport(running.answer)) as http:
        with pytest.raises(RotationUnfinished, match="still signs by old and not by new"):
            await running.keys(http)._until_used(PORTAL, "new")
    assert running.ended == []


@pytest.mark.asyncio
async def test_what_does_not_run_is_not_rotated(home: Home, clock: HandClock) -> None:
    async with httpx.AsyncClient() as http:
        with pytest.raises(NoTarget, match="does not run"):
            await Keys(home, http, clock, ()).rotate(PORTAL)


def test_without_a_deployment_the_files_are_shown_and_nothing_else_works(home: Home) -> None:
    listed = CliRunner().invoke(app, ["keys", "list", "--json", "--home", str(home.path)])
    assert listed.exit_code == 0, listed.output
    (line,) = json.loads(listed.output)
    assert (line["system"], line["state"], line["registered"]) == (PORTAL, IN_FILE, None)
    table = CliRunner().invoke(app, ["keys", "list", "--home", str(home.path)])
    assert PORTAL in table.output and str(home.keystore(PORTAL)) in table.output
    for command in ("rotate", "end"):
        refused = CliRunner().invoke(app, ["keys", command, PORTAL, "--home", str(home.path)])
        assert refused.exit_code == 3, refused.output


def test_a_key_that_others_can_read_is_not_shown_but_named(home: Home) -> None:
    home.keystore(PORTAL).chmod(0o644)
    refused = CliRunner().invoke(app, ["keys", "list", "--home", str(home.path)])
    assert refused.exit_code == 3
    assert "custody.open_to_others" in refused.output and "chmod 600" in refused.output
