"""A copy of a document lies nowhere in plain: not in a draft, not at ШЭП, not with the provider, while it is under way
and afterwards. Every file of the deployment is read, whatever is in it."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox.composition import CENTRE, PORTAL, PROVIDER, RSHEP, SHEP
from sandbox.replay.player import play_in
from sandbox.replay.reading import load_all
from sandbox.replay.scenario import Paper, Scenario
from sandbox.world import World

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]
CHANNELS = ("portal", "centre", "provider")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def unlogged(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Without the request log, which is a tester's and holds whole bodies."""
    async with World(tmp_path_factory.mktemp("sealed"), ports="auto", tuned={"sandbox_log_mb": 0}) as world:
        yield world


def forms(paper: Paper) -> set[bytes]:
    """The bytes as they are, and as a JSON value or a hexadecimal column would hold them."""
    piece = paper.content()[:120]
    return {piece, base64.b64encode(piece), base64.urlsafe_b64encode(piece), piece.hex().encode()}


def lying_plain(folder: Path, papers: Iterable[Paper]) -> set[str]:
    """Files that hold one of them; SQLite's write-ahead logs are files of their own."""
    wanted = set[bytes]().union(*map(forms, papers))
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)) for path in files if any(one in path.read_bytes() for one in wanted)}


def telling(folder: Path, code: str, scenario: Scenario) -> set[str]:
    """What of the applicant can be read in a service's database without its keys."""
    citizen = scenario.given.citizen
    files = [path.read_bytes() for path in folder.glob(f"{code}.sqlite3*")]
    assert files
    words = {'"iin":', '"form":', citizen.surname, citizen.name}
    return {word for word in words if any(word.encode() in content for content in files)}


def with_papers(channel: str) -> Scenario:
    return next(one for one in load_all() if one.channel == channel and one.attachments)


async def test_a_plain_copy_would_be_found(tmp_path: Path) -> None:
    paper = Paper("copy.pdf", "Көшірме")
    (tmp_path / "sealed").write_bytes(b"something else")
    plain = {f"{n}.sqlite3": content for n, content in enumerate(forms(paper))}
    for name, content in plain.items():
        (tmp_path / name).write_bytes(b"before" + content + b"after")
    assert lying_plain(tmp_path, [paper]) == plain.keys()


async def test_a_draft_of_the_portal_holds_its_copies_sealed(unlogged: World) -> None:
    scenario = with_papers("portal")
    citizen = await unlogged.citizen()
    await citizen.settle_in()
    case = await citizen.choose(scenario.regulation)
    await citizen.fill(case, {}, scenario.attachments)
    assert (unlogged.home.path / f"{PORTAL}.sqlite3").stat().st_size > 0
    assert lying_plain(unlogged.home.path, scenario.attachments) == set()


@pytest.mark.parametrize("channel", CHANNELS)
async def test_nothing_lies_plain_from_the_draft_to_the_result(unlogged: World, channel: str) -> None:
    scenario = with_papers(channel)
    [verdict] = await play_in(unlogged, [scenario])
    assert verdict.passed, verdict
    assert lying_plain(unlogged.home.path, scenario.attachments) == set()
    assert telling(unlogged.home.path, SHEP, scenario) == telling(unlogged.home.path, RSHEP, scenario) == set()
    assert telling(unlogged.home.path, PROVIDER, scenario), "a provider works with what the applicant wrote"
    kept = [path for path in (unlogged.home.path / "attachments").rglob("*") if path.is_file()]
    assert kept, "ШЭП keeps them, sealed"
    assert all((unlogged.home.path / f"{code}.sqlite3").exists() for code in (PORTAL, CENTRE, PROVIDER))
