"""One scenario for every way an act can end: each refusal and each result of each flow, and each channel without one.

Made in memory from the catalogue: committed files would have to be made again with every change of an act, and nobody
would read the difference. `egov replay --write DIR` shows them as files of the same format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from egovlaw.identifiers import synthetic_iin
from sandbox.replay.by_hand import lines as hand_lines
from sandbox.replay.checks import ENDS, by_hand, first_end, follows
from sandbox.replay.expecting import REFUSED_STAFF, REFUSED_WITH, Reading, final_state
from sandbox.replay.scenario import INTAKE, RESULT, Act, Consumer, Given, Paper, ResultText, Scenario, Then, Told

if TYPE_CHECKING:
    from egovlaw.catalogue import Catalogue, Channel, FlowItem, FormField, Regulation

UNREADABLE = {"code": "documents.unreadable", "text": "Копия документа не читается. / Құжаттың көшірмесі оқылмайды."}
COPY = Paper("koshirme.pdf", "Құжаттың көшірмесі (үлгі).")
# By the types that forms of the acts have.
VALUES: Mapping[str, Any] = {
    "person": "Үлгілі Айгүл",
    "address": "Үлгі көшесі, 1-үй, 10-пәтер",
    "phone": "+77010000000",
    "date": "2026-01-15",
    "number": 1,
    "money": 1000,
    "rnn": "000000000000",
    "sic": "0000000000000000",
    "list": ["Үлгі"],
}
# What a person is told where a flow refuses.
REFUSALS: Mapping[str, str] = {**REFUSED_WITH, "refuse_documents": UNREADABLE["code"]}
# Numbers of fathers and mothers in the person register's population: grown-up, alive, at home.
PARENTS = tuple(40 + 5 * family + parent for family in range(40) for parent in (1, 2))
ANYBODY = 5000  # behind the population: who comes to a desk that asks no register


def generate(law: Catalogue) -> list[Scenario]:
    """In the order of the catalogue."""
    found = [
        (regulation, channel, way)
        for regulation in law.regulations
        for channel in regulation.channels.values()
        for way in ways(channel)
    ]
    asked, others = count(), count()  # of those who come to a desk or a counter that asks the person register, or not
    made = []
    for n, (regulation, channel, way) in enumerate(found):
        portal = channel.origin_kind == "portal"
        number = 0 if portal else next(asked if channel.has_flow else others)
        made.append(replace(scenario_of_way(regulation, channel, way, number), order=n))
    return made


def cells_of(channel: Channel) -> list[str]:
    """Where a flow can end, by its own words; a channel without one has its intake."""
    return [item.label for item in channel.flow if item.outcome in ENDS] if channel.has_flow else [INTAKE]


def ways(channel: Channel) -> list[tuple[Act, ...]]:
    """For every end of the flow, in its order, the shortest way that comes to it first. Of a channel without one: what
    is done there by hand."""
    if not channel.has_flow:
        return [tuple(Act(step) for step in by_hand(channel))]
    every = sorted(_onward(channel, (), channel.flow[0].label), key=len)
    found = {first_end(channel, way): way for way in reversed(every)}
    return [found[label] for label in cells_of(channel)]


def _onward(channel: Channel, way: tuple[Act, ...], label: str | None) -> Iterator[tuple[Act, ...]]:
    """Every way from here to where the case really ends; no act leads back to where it has been."""
    if label is None:
        yield way
        return
    if any(act.step == label for act in way):
        raise LookupError(f"channel {channel.code} leads back to {label}")
    item = channel.by_label[label]
    outcomes: tuple[Any, ...] = ("ok", "violation") if item.type == "condition" else (None,)
    for outcome in outcomes:
        yield from _onward(channel, (*way, Act(label, outcome)), follows(item, outcome))


def asks_itself(regulation: Regulation) -> bool:
    """Whether the service is automated: the akimat's register is asked by the system."""
    register = regulation.settings.get("akimat_register")
    return register is not None and bool(register.value["automated"])


def scenario_of_way(regulation: Regulation, channel: Channel, way: tuple[Act, ...], n: int) -> Scenario:
    """What the act says of one way through a channel; people bring what its forms ask for."""
    end = first_end(channel, way)
    if not channel.has_flow:
        return _by_hand(regulation, channel, way, n)
    acts = tuple(_brought(regulation, channel, act, end) for act in way)
    ended = channel.by_label[end]
    lines = Reading(channel, acts, asks_itself=asks_itself(regulation)).read()
    return Scenario(
        name=f"{regulation.code}-{channel.code.replace('_', '-')}-{end.lower()}",
        title=f"{regulation.title_ru}: {channel.title_ru}, {end} ({ended.clause})",
        title_kk=f"{regulation.title_kk}: {channel.code}, {end} ({ended.clause})",
        given=_given(regulation, channel, way, n),
        channel=channel.code,
        region=regulation.region,
        side=channel.origin_kind,
        ends=end,
        when=acts,
        then=Then(
            f"{regulation.act.body_ru}, № {regulation.act.number}", lines, final_state(lines), _told(channel, ended)
        ),
        generated=True,
    )


def _by_hand(regulation: Regulation, channel: Channel, way: Sequence[Act], n: int) -> Scenario:
    asked = regulation.settings.get("required_documents")
    names = list(asked.value) if asked is not None and asked.value else [COPY.text]
    papers = tuple({"name": name, "kind": "original"} for name in names)
    clause = ", ".join(channel.clauses)
    brought: dict[str, dict[str, Any]] = {INTAKE: {"papers": papers}, RESULT: {"result": _result(regulation)}}
    return Scenario(
        name=f"{regulation.code}-{channel.code.replace('_', '-')}-{INTAKE}",
        title=f"{regulation.title_ru}: {channel.title_ru or channel.code} ({clause})",
        title_kk=f"{regulation.title_kk}: {channel.code} ({clause})",
        given=Given(regulation.code, consumer=Consumer(iin=synthetic_iin(ANYBODY + n))),
        channel=channel.code,
        region=regulation.region,
        side=channel.origin_kind,
        ends=INTAKE,
        when=tuple(replace(act, **brought.get(act.step, {})) for act in way),
        then=Then(f"{regulation.act.body_ru}, № {regulation.act.number}", hand_lines(regulation, channel)),
        generated=True,
    )


def _given(regulation: Regulation, channel: Channel, way: Sequence[Act], n: int) -> Given:
    """A person for each scenario alone: what one case leaves in a register, no other finds."""
    violated = {channel.by_label[act.step].kind.name for act in way if act.outcome == "violation"}
    known = Consumer(iin=synthetic_iin(PARENTS[n % len(PARENTS)]))
    return Given(
        regulation=regulation.code,
        consumer=Consumer(example="not_in_register") if "check_registers" in violated else known,
        certificates={_signs(channel): "expired"} if "check_certificate" in violated else {},
    )


def _signs(channel: Channel) -> str:
    return "citizen" if channel.origin_kind == "portal" else "official"


def _brought(regulation: Regulation, channel: Channel, act: Act, end: str) -> Act:
    """What people bring to an item, by its kind."""
    kind = channel.by_label[act.step].kind.name
    if kind == filled_at(channel):
        form = next((one for one in regulation.forms if one.kind == "application"), None)
        return replace(act, form=values_of(form.fields) if form else {}, attachments=(COPY,))
    if kind == "check_documents" and act.outcome == "violation":
        return replace(act, reasons=(UNREADABLE,))
    if act.step == end and channel.by_label[end].outcome == "result":
        return replace(act, result=_result(regulation))
    return act


def filled_at(channel: Channel) -> str:
    """Where a desk signs, it fills in too: the registers are asked first."""
    kinds = {item.kind.name for item in channel.flow}
    return "attach_and_sign" if "attach_and_sign" in kinds else "choose_and_fill"


def _result(regulation: Regulation) -> ResultText:
    form = next((one for one in regulation.forms if one.kind == "positive"), None)
    values = values_of(form.fields) if form else {}
    return ResultText(
        ru="Результат государственной услуги (образец).",
        kk="Мемлекеттік қызметтің нәтижесі (үлгі).",
        values={name: value for name, value in values.items() if not isinstance(value, list)},
        variant=form.variant if form else None,
    )


def values_of(fields: Sequence[FormField]) -> dict[str, Any]:
    """A value of the right type for every field that has to be filled in."""
    wanted = [one for one in fields if one.required and one.type != "attachment"]
    return {one.name: one.options_ru[0] if one.options_ru else VALUES.get(one.type, "Үлгі") for one in wanted}


def _told(channel: Channel, ended: FlowItem) -> tuple[Told, ...]:
    code = REFUSALS.get(ended.kind.name)
    if ended.kind.name == "refuse_login" and channel.origin_kind == "provider":
        code = REFUSED_STAFF
    return () if code is None else (Told(ended.label, code, ended.clause),)
