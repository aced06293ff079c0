"""What a JSON Schema cannot know of a scenario: whether what it names exists, and whether it contradicts itself.

The way through the flow is followed here by code of the sandbox's own: the engine judges the running case by
egovlaw.flow, and a second reading that shared its mistakes would find none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from egovlaw.catalogue import Branch
from sandbox.replay.scenario import ACTIONS, HAND_OVER, INTAKE, RESULT

if TYPE_CHECKING:
    from egovlaw.catalogue import Catalogue, Channel, FlowItem
    from egovlaw.documents import Document
    from sandbox.replay.scenario import Act

Found = tuple[list[str | int], str]  # where in the document, and what is wrong
ENDS = ("refusal", "result")


def check(document: Document, law: Catalogue) -> Iterator[Found]:
    """Every mistake of a document whose shape is right."""
    raw: Mapping[str, Any] = document.value
    regulation = law.regulation(raw["given"]["regulation"])
    if regulation is None:
        yield ["given", "regulation"], f"no regulation {raw['given']['regulation']} is in the catalogue"
        return
    [(code, acts)] = raw["when"].items()
    channel = regulation.channels.get(code)
    if channel is None:
        opens = ", ".join(regulation.channels)
        yield ["when", code], f"{regulation.code} opens no channel {code}; it opens {opens}"
        return
    yield from _people(raw["given"], channel)
    yield from _way(acts, ["when", code], channel)
    yield from _told(raw["then"], channel)
    yield from _end(raw["then"], acts, channel)


def claims(raw: Mapping[str, Any]) -> Iterator[tuple[str, list[str | int]]]:
    """The very persons a scenario needs for itself: those it names by ИИН."""
    for role, person in raw["given"].get("persons", {}).items():
        if "iin" in person:
            yield f"ИИН {person['iin']}", ["given", "persons", role, "iin"]


def _people(given: Mapping[str, Any], channel: Channel) -> Iterator[Found]:
    persons = given.get("persons", {})
    wanted, other = ("citizen", "consumer") if channel.origin_kind == "portal" else ("consumer", "citizen")
    if wanted not in persons:
        yield ["given"], f"who applies is missing: channel {channel.code} needs persons/{wanted}"
    if other in persons:
        yield ["given", "persons", other], f"{other} has nothing to do in channel {channel.code}: there it is {wanted}"
    if "operator" in persons and channel.origin_kind != "centre":
        yield ["given", "persons", "operator"], f"channel {channel.code} has no operator"
    yield from _examples(given)
    yield from _numbers(persons)


def _examples(given: Mapping[str, Any]) -> Iterator[Found]:
    from enis_mock.seed.deeds import EXAMPLES as DEEDS
    from gbd_fl_mock.seed.population import EXAMPLES as PERSONS

    example = given.get("persons", {}).get("consumer", {}).get("example")
    if example is not None and example not in PERSONS:
        yield ["given", "persons", "consumer", "example"], f"the person register has no example {example}"
    attorney = given.get("registers", {}).get("attorney")
    if attorney is not None and attorney not in DEEDS:
        yield ["given", "registers", "attorney"], f"the notaries' register has no example {attorney}"


def _numbers(persons: Mapping[str, Any]) -> Iterator[Found]:
    from egovlaw.identifiers import iin_problem

    for role, person in persons.items():
        if "iin" in person and (problem := iin_problem(person["iin"])) is not None:
            yield ["given", "persons", role, "iin"], f"{person['iin']} is no ИИН: {problem}"


def _way(acts: list[Mapping[str, Any]], at: list[str | int], channel: Channel) -> Iterator[Found]:
    """Whether the acts are a way through the flow, from its first item to one where it ends."""
    if not channel.has_flow:
        yield from _by_hand(acts, at, channel)
        return
    expected: str | None = channel.flow[0].label
    for n, act in enumerate(acts):
        if "step" not in act:
            continue
        item = channel.item(act["step"])
        if item is None:
            yield [*at, n, "step"], f"channel {channel.code} has no step {act['step']}"
            return
        if item.label != expected:
            yield [*at, n, "step"], f"{item.label} cannot follow here: the act leads to {expected or 'the end'}"
            return
        yield from _brought(act, item, [*at, n])
        expected = follows(item, act.get("outcome"))
    if expected is not None:
        yield [*at, len(acts) - 1], f"the way stops before its end: the act leads to {expected}"


def _by_hand(acts: list[Mapping[str, Any]], at: list[str | int], channel: Channel) -> Iterator[Found]:
    wanted = by_hand(channel)
    if tuple(act["step"] for act in acts if "step" in act) != wanted:
        yield (
            at,
            f"the act names channel {channel.code} and gives it no flow: there is only {', '.join(wanted)}",
        )
        return
    for n, act in enumerate(acts):
        if (act.get("step") == RESULT) != ("result" in act):
            yield [*at, n], f"the result belongs to {RESULT}, and nowhere else"


def by_hand(channel: Channel) -> tuple[str, ...]:
    """The acts of a channel without a flow. At a counter that an act only names papers are taken in, and what becomes
    of them is not the bus's affair."""
    return (INTAKE,) if channel.origin_kind == "centre" else (INTAKE, RESULT, HAND_OVER)


def follows(item: FlowItem, outcome: str | None) -> str | None:
    """The label after an item that ended so; None = the case ends there."""
    if isinstance(item.next, Branch):
        return item.next.violation if outcome == "violation" else item.next.ok
    return item.next


def first_end(channel: Channel, way: Sequence[Act]) -> str:
    """The item that decides how a case ends: in the Corporation a refusal is handed over afterwards (D17)."""
    if not channel.has_flow:
        return INTAKE
    return next(act.step for act in way if act.step and channel.by_label[act.step].outcome in ENDS)


def _brought(act: Mapping[str, Any], item: FlowItem, at: list[str | int]) -> Iterator[Found]:
    """What people bring has to fit the item."""
    if item.type == "condition" and "outcome" not in act:
        yield at, f"{item.label} is a condition: its outcome, ok or violation, is missing"
    if item.type != "condition" and "outcome" in act:
        yield [*at, "outcome"], f"{item.label} is no condition: it has no outcome"
    if act.get("outcome") == "ok" and "reasons" in act:
        yield [*at, "reasons"], "documents in order have no reasons for a refusal"
    if item.kind.name == "check_documents" and act.get("outcome") == "violation" and "reasons" not in act:
        yield at, f"{item.label}: a refusal gives its reasons"
    if item.outcome == "refusal" and "result" in act:
        yield [*at, "result"], f"{item.label} refuses: it has no result"


def _told(then: Mapping[str, Any], channel: Channel) -> Iterator[Found]:
    """Steps, clauses, columns and messages that the lines name."""
    from sandbox.composition import BY_CODE

    columns = {limit.clause for limit in channel.limits}
    messages = _messages() if channel.has_flow else set(ACTIONS)
    for name in ("lines", "refusals"):
        for n, line in enumerate(then.get(name, ())):
            at: list[str | int] = ["then", name, n]
            item = channel.item(line.get("step", ""))
            if item is None and "step" in line and channel.has_flow:
                yield [*at, "step"], f"channel {channel.code} has no step {line['step']}"
            elif item is not None and line["clause"] != item.clause:
                yield [*at, "clause"], f"{item.label} stands in clause {item.clause}, not {line['clause']}"
            if "table" in line and line["table"] not in columns:
                yield [*at, "table"], f"no limit of channel {channel.code} stands in {line['table']}"
            if "message" in line and line["message"] not in messages:
                yield [*at, "message"], f"no message is called {line['message']}"
            for role in ("service", "from", "to"):
                if role in line and line[role] not in BY_CODE:
                    yield [*at, role], f"no service is called {line[role]}"


def _messages() -> set[str]:
    from egovkit.contracts import contracts_dir
    from egovkit.messages import MessageRegister

    register = MessageRegister.load(contracts_dir())
    return {spec.name for spec in register}


def _end(then: Mapping[str, Any], acts: list[Mapping[str, Any]], channel: Channel) -> Iterator[Found]:
    """The lines end where the way ends."""
    ends = [act["step"] for act in acts if "step" in act][-1:]
    steps = [line["step"] for line in then["lines"] if channel.item(line.get("step", "")) is not None]
    if ends and steps and steps[-1] != ends[0]:
        at: list[str | int] = ["then", "lines", len(then["lines"]) - 1]
        yield at, f"contradictory outcome: people go on to {ends[0]}, and the lines end at {steps[-1]}"
