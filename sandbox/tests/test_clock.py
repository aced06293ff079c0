from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from egovkit.contracts import contracts_dir
from egovkit.ids import Ids
from egovkit.sandbox.clock import PATH
from egovkit.sandbox.door import PATH as SANDBOX
from egovlaw.loader import load_calendar
from sandbox.bootstrap import make_secrets
from sandbox.cli import app
from sandbox.clock import Immovable, Mover, Target, after_working_days
from sandbox.clock_cli import parse_duration
from sandbox.composition import NUC, SERVICES, Home, Service, values_for
from sandbox.target import Aim, Member, NoTarget, find_members, write_members

START = datetime(2026, 3, 6, 4, tzinfo=UTC)  # a Friday, 9:00 in Almaty


class Weekends:
    def is_working_day(self, day: date) -> bool:
        return day.weekday() < 5


class Twin:
    """Processes with a clock each, and things that come due and keep them busy for a look."""

    def __init__(self, due: dict[str, list[float]]) -> None:
        self.due = due
        self.offsets = dict.fromkeys(due, 0.0)
        self.held: set[str] = set()
        self.fired: list[tuple[str, float]] = []
        self.calls: list[tuple[str, str]] = []

    def members(self) -> list[Member]:
        return [Member(name, name, f"http://{name}") for name in self.due]

    def answer(self, request: httpx.Request) -> httpx.Response:
        name, what = request.url.host, request.url.path.removeprefix(PATH)
        self.calls.append((name, what))
        if what == "/hold":
            self.held.add(name)
        elif what == "/release":
            self.held.discard(name)
        elif what == "/offset":
            assert self.held == set(self.due), "moved while somebody could still be sent something"
            self.offsets[name] = json.loads(request.content)["offset_s"]
        elif what == "":
            return httpx.Response(200, json=self.view(name))
        return httpx.Response(200, json={})

    def view(self, name: str) -> dict[str, Any]:
        offset = self.offsets[name]
        ready = [at for at in self.due[name] if at <= offset]
        self.fired += [(name, at) for at in ready]
        self.due[name] = [at for at in self.due[name] if at > offset]
        following = [
            {"what": "deadline", "at": (START + timedelta(seconds=at)).isoformat(), "stops": True}
            for at in sorted(self.due[name])
        ]
        return {
            "service": name,
            "instance": "1",
            "now": (START + timedelta(seconds=offset)).isoformat(),
            "offset_s": offset,
            "taken": len(self.fired),
            "busy": ["deadlines"] if ready else [],
            "next": following,
        }

    def mover(self) -> Mover:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))
        return Mover(Aim(http, self.members(), "sesame"))


async def test_the_way_to_the_target_stops_where_something_comes_due_and_everybody_is_there() -> None:
    twin = Twin({NUC: [], "a": [60, 7200], "b": [600, 10**9]})
    moved = await twin.mover().advance(Target(by=timedelta(days=1)))
    assert twin.fired == [("a", 60), ("b", 600), ("a", 7200)]
    assert set(twin.offsets.values()) == {86400.0} == {moved.offset.total_seconds()}
    assert len(moved.stops) == 3 and not twin.held


async def test_the_lists_of_nuc_are_made_before_anybody_fetches_them_or_moves() -> None:
    twin = Twin({"a": [], NUC: []})
    await twin.mover().advance(Target(by=timedelta(days=30)))
    steps = [call for call in twin.calls if call[1] in ("/prepare", "/offset")]
    assert steps == [(NUC, "/prepare"), ("a", "/prepare"), (NUC, "/offset"), ("a", "/offset")]


async def test_to_the_next_deadline_and_no_further() -> None:
    twin = Twin({"a": [500], "b": [300, 400]})
    await twin.mover().advance(Target())
    assert twin.fired == [("b", 300)]
    with pytest.raises(Immovable, match="no deadline"):
        await Twin({"a": []}).mover().advance(Target())


async def test_a_process_that_failed_to_move_leaves_nobody_held() -> None:
    twin = Twin({"a": [], "b": []})
    answer = twin.answer

    def fails(request: httpx.Request) -> httpx.Response:
        return httpx.Response(500) if request.url.path.endswith("/offset") else answer(request)

    twin.answer = fails  # type: ignore[method-assign]
    with pytest.raises(Immovable, match="a: "):
        await twin.mover().advance(Target(by=timedelta(days=1)))
    assert not twin.held


@pytest.mark.parametrize(("days", "lands"), [(1, (3, 9)), (5, (3, 13)), (22, (4, 7))])
def test_working_days_keep_the_time_of_the_day(days: int, lands: tuple[int, int]) -> None:
    found = after_working_days(START, days, Weekends())
    assert (found.month, found.day, found.hour) == (*lands, 4)


@pytest.mark.parametrize(
    ("start", "days", "lands"),
    [
        ("2026-03-06T09:00+05:00", 1, "2026-03-10T09:00+05:00"),  # 8 March is a Sunday: Monday is free for it
        ("2026-03-20T09:00+05:00", 1, "2026-03-26T09:00+05:00"),  # Наурыз on a weekend: two days are free after it
        ("2024-05-03T09:00+05:00", 1, "2024-05-04T09:00+05:00"),  # a Saturday worked for 8 May (decree 109)
        ("2024-02-29T09:00+06:00", 1, "2024-03-01T09:00+05:00"),  # that night Almaty's clocks went back an hour
    ],
)
def test_working_days_are_those_of_the_law_and_the_decrees(start: str, days: int, lands: str) -> None:
    found = after_working_days(datetime.fromisoformat(start), days, load_calendar(contracts_dir()))
    assert found == datetime.fromisoformat(lands)


def test_durations_are_read_as_written() -> None:
    assert parse_duration("1d12h") == timedelta(hours=36)
    assert parse_duration("90s") == timedelta(seconds=90)
    for wrong in ("", "10", "-1d", "1y", "1.5h"):
        with pytest.raises(ValueError, match="no duration"):
            parse_duration(wrong)


@pytest.mark.parametrize("service", SERVICES, ids=lambda one: one.code)
def test_a_service_offers_its_clock_in_a_sandbox_alone(service: Service, tmp_path: Path, ids: Ids) -> None:
    home = Home(tmp_path)
    make_secrets(home, ids)
    urls = {one.code: f"http://127.0.0.1:{one.port}" for one in SERVICES}

    def paths(*, sandbox: bool) -> set[str]:
        settings = service.settings(values_for(service, home, urls, service.port, sandbox=sandbox))
        return {path for path in service.app(settings).openapi()["paths"] if "/sandbox" in path}

    assert paths(sandbox=False) == set()
    assert {SANDBOX, PATH} < paths(sandbox=True)


def test_a_deployment_without_a_sandbox_says_so(tmp_path: Path) -> None:
    home = Home(tmp_path)
    with pytest.raises(NoTarget, match="no deployment"):
        find_members(home, None)
    write_members(home, [])
    (tmp_path / "secrets").mkdir()
    home.clock_token.write_text("sesame")
    run: Callable[..., Any] = CliRunner().invoke
    answer = run(app, ["clock", "show", "--home", str(tmp_path)])
    assert answer.exit_code == 3 and "--sandbox" in answer.output
    assert run(app, ["clock", "advance", "--home", str(tmp_path)]).exit_code == 2
