"""`egov contracts examples`: whole cases as they travelled, recorded from a replay, for the papers partners read.

A recording is kept as long as what is recorded again has the same shape: ids, times and signatures are new each time.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egovkit.contracts import contracts_dir, read_yaml
from sandbox.composition import PARTICIPANTS, PORTAL, SHEP

if TYPE_CHECKING:
    from sandbox.replay.acting import Play, Side
    from sandbox.replay.scenario import Scenario
    from sandbox.world import Deployment

FOLDER = "messages/conversations"  # below the contracts
Envelopes = Sequence[Mapping[str, Any]]
Kept = Sequence[tuple[str, dict[str, Any]]]
READS = ("query.reads", "answer.reads")
CAST = "cast.yaml"  # in the folder: which scenarios are played for it
REASON = {"reason_ru": "Запрошено заключение комиссии.", "reason_kk": "Комиссияның қорытындысы сұралды."}


class NotRecorded(Exception):
    """People could not go on, so there is nothing to show."""


def conversations(contracts: Path) -> dict[str, list[dict[str, Any]]]:
    """What is committed, by file name, each in the order of its passage through ШЭП."""
    return {path.stem: json.loads(path.read_text("utf-8")) for path in sorted((contracts / FOLDER).glob("*.json"))}


def examples(told: Mapping[str, Envelopes]) -> dict[str, Mapping[str, Any]]:
    """One envelope of every type, by the message's name: the first there is."""
    found: dict[str, Mapping[str, Any]] = {}
    for envelope in (one for name in sorted(told) for one in told[name]):
        found.setdefault(message_name(envelope["type"]), envelope)
    return found


def message_name(type_: str) -> str:
    return type_.removeprefix("kz.egov.").rpartition(".")[0]


async def record(contracts: Path, *, everything: bool = False) -> list[str]:
    """Play, and write what has another shape than what is there (or `everything`); the names written."""
    known, fresh = conversations(contracts), await recorded()
    written = [name for name, told in fresh.items() if everything or shape(known.get(name, ())) != shape(told)]
    (contracts / FOLDER).mkdir(parents=True, exist_ok=True)
    for name in written:
        text = json.dumps(fresh[name], ensure_ascii=False, indent=1) + "\n"
        (contracts / FOLDER / f"{name}.json").write_text(text, encoding="utf-8")
    for name in known.keys() - fresh.keys():
        (contracts / FOLDER / f"{name}.json").unlink()
    return written


def shape(told: Envelopes) -> list[tuple[str, ...]]:
    """Who says what to whom, with which fields of which kind. Two registers may answer in any order."""
    return sorted(
        (envelope["type"], envelope["source"], envelope["recipient"], envelope["step"], *sorted(set(_places(envelope))))
        for envelope in told
    )


def _places(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _places(part, f"{path}.{name}")
    elif isinstance(value, list):
        for part in value:
            yield from _places(part, f"{path}[]")
    else:
        yield f"{path}: {type(value).__name__}"


async def recorded() -> dict[str, list[dict[str, Any]]]:
    """Played in a world that is gone afterwards."""
    from sandbox.replay.worker import THROWAWAY
    from sandbox.running import logging_to
    from sandbox.world import World

    with tempfile.TemporaryDirectory(prefix="egov-examples-") as folder, logging_to(Path(folder)):
        async with World(Path(folder), ports="auto", tuned=THROWAWAY) as world:
            return await recorded_in(world)


async def recorded_in(world: Deployment) -> dict[str, list[dict[str, Any]]]:
    """Every conversation, played there at once."""
    from sandbox.replay.playing import play
    from sandbox.replay.sabotaged import Sabotaged
    from sandbox.replay.staffing import Staff
    from sandbox.replay.watching import Watch
    from sandbox.sabotage import SKIP_STEP

    scenarios, staff, cast = _scenarios(), Staff(world), _cast()
    async with Watch(world.journals(), world.clock) as watch:

        async def case(scenario: str, begun_by: Callable[[Play], Side] | None = None) -> str:
            outcome = await play(world, staff, watch, scenarios[scenario], begun_by=begun_by)
            if outcome.error is not None:
                raise NotRecorded(f"{scenario}: {outcome.error.text}")
            return outcome.case

        played: dict[str, str] = cast["cases"]
        *cases, refused = await asyncio.gather(
            *(case(scenario, _with_terms if name == cast["ruled"] else None) for name, scenario in played.items()),
            case(cast["sabotaged"], partial(Sabotaged, how=SKIP_STEP)),
        )
    iin = await _curious(world, scenarios[cast["read_at"]].regulation)
    await world.idle()
    kept = await _kept(world)
    told = dict(zip(played, (_passed(kept, case) for case in cases), strict=True))
    return told | {cast["notices"]: _notices(kept, refused), cast["reads"]: _about(kept, iin)}


async def _curious(world: Deployment, regulation: str) -> str:
    """Somebody is asked about at a counter, and asks the registers who read his data; his ИИН."""
    operator, citizen = await world.operator(), await world.citizen()
    case = await operator.open(regulation)
    await operator.enter_consumer(case, citizen.iin)
    await operator.ask(case)
    await operator.wait(f"{operator.drafts}/{case}/queries", "an answer", lambda seen: _settled(seen["items"]))
    await citizen.settle_in()
    await citizen.who_read_my_data()
    return citizen.iin


def _settled(queries: Sequence[Mapping[str, Any]]) -> bool:
    return bool(queries) and all(one["state"] != "waiting" for one in queries)


def _about(kept: Kept, iin: str) -> list[dict[str, Any]]:
    """The questions of one person and their answers, in the order of their senders' names: they run side by side."""
    found = [one for _, one in kept if message_name(one["type"]) in READS and one["data"]["iin"] == iin]
    passed = {one["id"]: one for one in found}
    return sorted(passed.values(), key=lambda one: (one["source"] != PORTAL, one["source"], one["recipient"]))


def _cast() -> dict[str, Any]:
    found: dict[str, Any] = read_yaml(contracts_dir() / FOLDER / CAST)
    return found


def _scenarios() -> dict[str, Scenario]:
    from sandbox.replay.generating import generate
    from sandbox.replay.reading import load_all, the_law

    return {one.name: one for one in [*generate(the_law()), *load_all()]}


def _with_terms(play: Play) -> Side:
    """At the counter, and while the provider considers the head extends the term, stops it and lets it run on."""
    from sandbox.replay.acting import AtCounter

    class Ruled(AtCounter):
        async def until_told(self, status: str) -> None:
            await super().until_told(status)
            official, path = await self.official(), f"/v1/cases/{self.play.case}"
            await official.call("POST", f"{path}/extend", json={"working_days": 1, **REASON})
            await official.call("POST", f"{path}/pause", json=REASON)
            await official.call("POST", f"{path}/resume", json={})

    return Ruled(play)


def _passed(kept: Kept, case: str) -> list[dict[str, Any]]:
    """What ШЭП let pass of a case. What goes back into the regions comes by it twice."""
    return list({one["id"]: one for state, one in kept if one["subject"] == case and state != "refused"}.values())


def _notices(kept: Kept, case: str) -> list[dict[str, Any]]:
    """The refusal of this case, and the last list of members to one of ours: always the same one."""
    named = {message_name(one["type"]): one for _, one in kept if one["subject"] == case}
    lists = [one for _, one in kept if message_name(one["type"]) == "members.updated"]
    ours = max(one["recipient"] for one in lists if one["recipient"] in PARTICIPANTS)
    return [named["envelope.refused"], [one for one in lists if one["recipient"] == ours][-1]]


async def _kept(world: Deployment) -> Kept:
    """What ШЭП has of every envelope it met: what it did with it, and the envelope."""
    from sqlalchemy import text

    from egovgateway.sealing import OPENED_BY, opened
    from egovkit.db import Database

    database, bodies = Database(world.database_url(SHEP), pool_size=1), world.journals()[SHEP].bodies()
    try:
        async with database.read() as conn:
            query = f"SELECT state, {', '.join(OPENED_BY)} FROM envelopes ORDER BY received_at, id"  # noqa: S608 # constants
            rows = (await conn.execute(text(query))).mappings()
            return [(row["state"], json.loads(opened(row, bodies))) for row in rows]
    finally:
        await database.close()
