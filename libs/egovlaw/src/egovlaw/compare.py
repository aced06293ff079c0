"""How two regulations differ: in what is done, by whom, in which order and time. Pure.

An item is known by its kind, not by its label or its words: two acts that say the same in other words and under other
clauses do not differ, unless their texts are asked for too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from egovlaw.catalogue import Channel, Duration, Event, FlowItem, Form, InternalStep, Limit, Regulation, TableRow

Area = Literal[
    "participants", "channels", "flow", "signing", "limits", "table", "internal", "forms", "terms", "settings", "texts"
]
AREAS: tuple[Area, ...] = get_args(Area)

_SIGNING = ("sign", "sign_and_send")
_ALIKE = str.maketrans({"«": '"', "»": '"', "“": '"', "”": '"', "–": "-", "—": "-", "ё": "е"})


@dataclass(frozen=True, slots=True)
class Difference:
    """`where` is a place both have or one lacks; None = nothing there."""

    area: Area
    where: str
    one: str | None
    other: str | None


def compare(one: Regulation, other: Regulation, *, texts: bool = False) -> tuple[Difference, ...]:
    """Every difference, in the order of AREAS; empty when the two are equal but for their names."""
    found = [
        *_participants(one, other),
        *_mapped("channels", "", _channels(one), _channels(other)),
        *_mapped("internal", "", _internal(one), _internal(other)),
        *_compare_forms(one, other),
        *_mapped("terms", "", _terms(one), _terms(other)),
        *_mapped("settings", "", _settings(one), _settings(other)),
    ]
    for code, channel in one.channels.items():
        if channel.has_flow and (twin := other.channels.get(code)) is not None and twin.has_flow:
            found += _channel(channel, twin)
    if texts:
        found += _mapped("texts", "", _texts(one), _texts(other))
    return tuple(sorted(found, key=lambda difference: AREAS.index(difference.area)))  # stable: the act's order stays


def _channel(one: Channel, other: Channel) -> Iterator[Difference]:
    yield from _mapped("flow", one.code, _items(one), _items(other))
    here, there = _keys(one), _keys(other)
    common = set(here) & set(there)
    orders = [" → ".join(_name(key) for key in keys if key in common) for keys in (here, there)]
    if orders[0] != orders[1]:
        yield Difference("flow", f"{one.code} order", orders[0], orders[1])
    yield from _mapped("signing", one.code, _signing(one), _signing(other))
    yield from _mapped("limits", one.code, _limits(one), _limits(other))
    yield from _mapped("table", one.code, _rows(one.table), _rows(other.table))


def _mapped(area: Area, prefix: str, one: Mapping[Any, str], other: Mapping[Any, str]) -> Iterator[Difference]:
    for key in dict.fromkeys([*one, *other]):
        if one.get(key) != other.get(key):
            yield Difference(area, f"{prefix} {_name(key)}".strip(), one.get(key), other.get(key))


def _name(key: Any) -> str:
    """`(sign, 1)` is sign, the second of its kind is sign 2."""
    if not isinstance(key, tuple):
        return str(key)
    return f"{key[0]} {key[1]}" if key[1] > 1 else str(key[0])


def _numbered(keys: Iterable[Hashable]) -> list[tuple[Any, int]]:
    """Each with the how-manieth of its kind it is."""
    seen: Counter[Hashable] = Counter()
    found: list[tuple[Any, int]] = []
    for key in keys:
        seen[key] += 1
        found.append((key, seen[key]))
    return found


def _participants(one: Regulation, other: Regulation) -> Iterator[Difference]:
    here, there = ({_same(name): name for name in regulation.participants} for regulation in (one, other))
    for key, name in {**there, **here}.items():
        if key not in here or key not in there:
            yield Difference("participants", name, here.get(key), there.get(key))


def _channels(regulation: Regulation) -> dict[str, str]:
    """How each begins and whether the act describes it or only names it."""
    return {
        channel.code: f"{len(channel.flow)} items" if channel.has_flow else "named only"
        for channel in regulation.channels.values()
    }


def _keys(channel: Channel) -> list[tuple[str, int]]:
    return _numbered(item.kind.name for item in channel.flow)


def _items(channel: Channel) -> dict[tuple[str, int], str]:
    kind_of = {item.label: _name(key) for key, item in zip(_keys(channel), channel.flow, strict=True)}
    return {key: _item(item, kind_of) for key, item in zip(_keys(channel), channel.flow, strict=True)}


def _item(item: FlowItem, kind_of: Mapping[str, str]) -> str:
    """Where it happens and where it leads, in kinds."""
    onward = " | ".join(kind_of[label] for label in item.successors) or f"end: {item.outcome}"
    return f"{', '.join(item.systems) or '-'} → {onward}" + (" (restored)" if item.restored else "")


def _signing(channel: Channel) -> dict[str, str]:
    """Whether the certificate is checked before or after the applicant signs (N1); nothing where it is not checked."""
    names = [item.kind.name for item in channel.flow]
    signed = next((n for n, name in enumerate(names) if name in _SIGNING), None)
    if signed is None or "check_certificate" not in names:
        return {}
    before = names.index("check_certificate") < signed
    return {"certificate": "checked before signing" if before else "checked after signing"}


def _limits(channel: Channel) -> dict[tuple[str, int], str]:
    kind_of = {item.label: _name(key) for key, item in zip(_keys(channel), channel.flow, strict=True)}
    keys = _numbered(kind_of[limit.label] for limit in channel.limits)
    return {key: _limit(limit, kind_of) for key, limit in zip(keys, channel.limits, strict=True)}


def _limit(limit: Limit, kind_of: Mapping[str, str]) -> str:
    bounds = Duration(limit.min_s, limit.max_s)
    return f"{bounds}, {limit.cls}, {_event(limit.starts_on, kind_of)} → {_event(limit.stops_on, kind_of)}"


def _event(event: Event, kind_of: Mapping[str, str]) -> str:
    outcome = f" {event.outcome}" if event.outcome else ""
    begin = " begins" if event.moment == "begin" else ""
    return f"{kind_of.get(event.name, event.name)}{outcome}{begin}"


def _rows(table: Sequence[TableRow]) -> dict[str, str]:
    return {f"row {row.n}": _row(row) for row in table}


def _row(row: TableRow) -> str:
    onward = f"→ {row.on_ok or '-'}" + (f" | {row.on_violation}" if row.on_violation else "")
    branches = [f"{name} {limit}" for name, limit in row.limit_by_branch.items()]
    lost = f", lost: {', '.join(row.lost)}" if row.lost else ""
    return f"{', '.join([_duration(row.limit), *branches])} {onward}{lost}"


def _duration(limit: Duration | None) -> str:
    return "-" if limit is None else str(limit)


def _internal(regulation: Regulation) -> dict[str, str]:
    return {f"{step.branch} {step.n}": _step(step) for step in regulation.internal_procedure}


def _step(step: InternalStep) -> str:
    return f"{_same(step.actor_ru)}, {_duration(step.limit)}" + (f", only {step.only_for}" if step.only_for else "")


def _compare_forms(one: Regulation, other: Regulation) -> Iterator[Difference]:
    """Forms one by one, then the fields of those that both have."""
    here, there = _forms(one), _forms(other)
    yield from _mapped("forms", "", _facts(here), _facts(there))
    for key, form in here.items():
        if key in there:
            yield from _mapped("forms", _name(key), _fields(form), _fields(there[key]))


def _forms(regulation: Regulation) -> dict[tuple[str, int], Form]:
    keys = _numbered(f"{form.kind} {form.variant}" if form.variant else form.kind for form in regulation.forms)
    return dict(zip(keys, regulation.forms, strict=True))


def _facts(forms: Mapping[tuple[str, int], Form]) -> dict[tuple[str, int], str]:
    return {key: _form(form) for key, form in forms.items()}


def _form(form: Form) -> str:
    parts = ["free form" if form.free_form else "a form"]
    parts += [f"valid {form.validity}"] if form.validity else []
    parts += [f"sent on {', '.join(form.sent_on)}"] if form.sent_on else []
    parts += [f"{len(form.attachments_ru)} attachments"] if form.attachments_ru else []
    return "; ".join(parts)


def _fields(form: Form) -> dict[str, str]:
    return {field.name: f"{field.type}, required" if field.required else field.type for field in form.fields}


def _terms(regulation: Regulation) -> dict[str, str]:
    return {f"{term.kind} {term.channel or ''}".strip(): str(term.limit) for term in regulation.terms}


def _settings(regulation: Regulation) -> dict[str, str]:
    return {name: _value(setting.value) for name, setting in regulation.settings.items()}


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _texts(regulation: Regulation) -> dict[str, str]:
    """Every sentence that has a place in both, as it is compared."""
    found: dict[str, str | None] = {}
    for channel in regulation.channels.values():
        for key, item in zip(_keys(channel), channel.flow, strict=True):
            found[f"{channel.code} {_name(key)}"] = item.text_ru
        for row in channel.table:
            at = f"{channel.code} row {row.n}"
            found |= {f"{at} actor": row.actor_ru, f"{at} action": row.action_ru, f"{at} completion": row.completion_ru}
            found |= {f"{at} limit": row.limit_ru, f"{at} next": row.next_ru}
    for step in regulation.internal_procedure:
        found |= {f"{step.branch} {step.n} action": step.action_ru, f"{step.branch} {step.n} result": step.result_ru}
    for n, form in enumerate(regulation.forms, start=1):
        found |= {f"form {n} name": form.name_ru, f"form {n} text": form.text_ru}
    return {place: _same(text) for place, text in found.items() if text is not None}


def _same(text: str) -> str:
    """Quotes, dashes, spaces, capitals and the mark at the end make no other text."""
    return " ".join(text.casefold().translate(_ALIKE).split()).rstrip(".;,")
