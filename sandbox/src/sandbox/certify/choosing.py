"""Which scenarios a role owes, from the law's catalogue: every end of the chosen regulations' channels that the partner
has a word in on the bus."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sandbox.certify.driver import NotCertifiable
from sandbox.certify.stage import KINDS
from sandbox.composition import PERSONS, SHEP
from sandbox.replay.expecting import Reading
from sandbox.replay.generating import generate

if TYPE_CHECKING:
    from egovlaw.catalogue import Catalogue, Channel
    from sandbox.replay.scenario import Scenario
    from sandbox.trace import Line

OF_ITS_OWN_ACCORD = ("query.register", "answer.register")  # an official may ask an akimat's register, or know without


def obligatory(law: Catalogue, kind: str, regulations: Sequence[str] = ()) -> list[Scenario]:
    """Of the named regulations, or of the first of each act that has this channel. NotCertifiable: none is."""
    unknown = [code for code in regulations if law.regulation(code) is None]
    if unknown:
        known = ", ".join(one.code for one in law.regulations)
        raise NotCertifiable(f"no regulation {', '.join(unknown)}; the catalogue has {known}")
    place = KINDS[kind]
    owed = [one for one in _with_lines(law, kind) if any(line.sender == place for line in one.then.lines)]
    chosen = [one for one in owed if one.regulation in regulations] if regulations else _representative(law, owed)
    if not chosen:
        raise NotCertifiable(f"a {kind} has no word on the bus in {', '.join(regulations) or 'any regulation'}")
    return chosen


def _with_lines(law: Catalogue, kind: str) -> Iterator[Scenario]:
    """Only what the bus sees of them; of a register's, only until it has answered."""
    for scenario in generate(law):
        channel = law.by_code[scenario.regulation].channels[scenario.channel]
        lines = [line for line in _read(channel, scenario, kind) if line.service == SHEP and line.message]
        lines = [line for line in lines if line.message not in OF_ITS_OWN_ACCORD]
        if kind.endswith("_register"):
            answered = [n for n, line in enumerate(lines, 1) if line.message.startswith("answer.")]
            lines = lines[: answered[-1]] if answered else []
        yield replace(scenario, then=replace(scenario.then, lines=tuple(lines)))


def _read(channel: Channel, scenario: Scenario, kind: str) -> Sequence[Line]:
    """A register that is not always asked is asked beside the one that is."""
    name = kind.removesuffix("_register")
    asked = f"query.{name}"
    if not kind.endswith("_register") or KINDS[kind] == PERSONS:
        return scenario.then.lines
    if not any(asked in item.standing for item in channel.flow):
        return ()
    return Reading(channel, scenario.when, ("person", name)).read()


def _representative(law: Catalogue, owed: Sequence[Scenario]) -> list[Scenario]:
    """Of each region's act and each way to apply, the regulation that comes first."""
    first: dict[tuple[str, str], str] = {}
    for one in owed:
        first.setdefault((one.region, one.channel), one.regulation)
    return [one for one in owed if first[one.region, one.channel] == one.regulation]
