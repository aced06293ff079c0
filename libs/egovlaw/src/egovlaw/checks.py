"""What the schema cannot say about a regulation: references that lead somewhere, counts, units. Pure.

Every check takes the raw data of one file and must bear data the schema has already refused, because all
errors of a file are reported at once. A finding is a path into the data and a sentence.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from egovlaw.kinds import STEP_KINDS, StepKind, messages_of

Path = tuple[str | int, ...]
Finding = tuple[Path, str]

_TYPE_OF_PREFIX = {"pre": "precondition", "P": "process", "C": "condition"}
_UNITS = ("max_s", "minutes", "hours", "working_days", "calendar_days", "months")


def check_regulation(
    raw: Any, decisions: Collection[str], regions: Collection[str], labels: Collection[str]
) -> list[Finding]:
    """Every semantic fault of one regulation file. `labels`: those whose Kazakh all regulations share."""
    findings = [*_decision_ids(raw, decisions), *_durations(raw), *_internal(raw), *_region(raw, regions)]
    findings += [*_labels_in_kazakh(raw, labels), *_options(raw)]
    seen: set[str] = set()
    for at, channel in mappings(raw, "channels"):
        code = channel.get("channel")
        if isinstance(code, str) and code in seen:
            findings.append(((*at, "channel"), f"channel {code} stands twice"))
        seen.add(str(code))
        for check in (_counts, _items, _leads, _unreachable, _rows, _limits, _side_messages):
            findings += [((*at, *path), text) for path, text in check(channel)]
    return findings


def _region(raw: Any, regions: Collection[str]) -> list[Finding]:
    region = raw.get("region") if isinstance(raw, Mapping) else None
    if isinstance(region, str) and region not in regions:
        return [(("region",), f"region {region} is not in regions.yaml")]
    return []


def _labels_in_kazakh(raw: Any, shared: Collection[str]) -> Iterator[Finding]:
    """What a form shows beside a field, and an application as its name, stands in both languages."""
    for form_at, form in mappings(raw, "forms"):
        name = form.get("name_ru")
        if form.get("kind") == "application" and "name_kk" not in form and isinstance(name, str) and name not in shared:
            yield (*form_at, "name_ru"), f"no Kazakh for the name {name}: neither name_kk nor in labels.yaml"
        for field_at, field in mappings(form, "fields"):
            label = field.get("label_ru")
            if "label_kk" not in field and isinstance(label, str) and label not in shared:
                at = (*form_at, *field_at, "label_ru")
                yield at, f"no Kazakh for the label {label}: neither label_kk nor in labels.yaml"


def _options(raw: Any) -> Iterator[Finding]:
    """Every option in both languages: an answer is known by its place."""
    for form_at, form in mappings(raw, "forms"):
        for field_at, field in mappings(form, "fields"):
            kazakh = field.get("options_kk")
            if "options_ru" in field and kazakh is None:
                yield (*form_at, *field_at, "options_ru"), "no Kazakh for the options: options_kk is missing"
            texts = kazakh.get("texts") if isinstance(kazakh, Mapping) else None
            russian = field.get("options_ru", [])
            if isinstance(texts, list) and isinstance(russian, list) and len(texts) != len(russian):
                at = (*form_at, *field_at, "options_kk", "texts")
                yield at, f"{len(texts)} Kazakh options for {len(russian)} Russian ones"


def mappings(raw: Any, key: str) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """The mappings of a list under `key`, with their paths; anything malformed is the schema's to report."""
    found = raw.get(key) if isinstance(raw, Mapping) else None
    for n, entry in enumerate(found if isinstance(found, list) else ()):
        if isinstance(entry, Mapping):
            yield (key, n), entry


def _decision_ids(raw: Any, known: Collection[str], at: Path = ()) -> Iterator[Finding]:
    if isinstance(raw, Mapping):
        for key, value in raw.items():
            path = (*at, str(key))
            if key == "decision" and isinstance(value, str):
                yield from _unresolved(value, known, path)
            elif key == "decisions" and isinstance(value, list):
                for n, entry in enumerate(value):
                    if isinstance(entry, str):
                        yield from _unresolved(entry, known, (*path, n))
            else:
                yield from _decision_ids(value, known, path)
    elif isinstance(raw, list):
        for n, entry in enumerate(raw):
            yield from _decision_ids(entry, known, (*at, n))


def _unresolved(entry: str, known: Collection[str], path: Path) -> Iterator[Finding]:
    if entry not in known:
        yield path, f"decision {entry} is not in decisions.yaml"


def _durations(raw: Any, at: Path = ()) -> Iterator[Finding]:
    if isinstance(raw, Mapping):
        for key, value in raw.items():
            if key in ("limit", "validity") and isinstance(value, Mapping):
                yield from _one_unit(value, (*at, str(key)))
            else:
                yield from _durations(value, (*at, str(key)))
        if "max_s" in raw and "min_s" in raw:
            yield from _ordered(raw, at)
    elif isinstance(raw, list):
        for n, entry in enumerate(raw):
            yield from _durations(entry, (*at, n))


def _one_unit(limit: Mapping[str, Any], at: Path) -> Iterator[Finding]:
    units = [unit for unit in _UNITS if unit in limit]
    if len(units) != 1 or ("min_s" in limit and "max_s" not in limit):
        yield at, f"a limit has exactly one unit, found {', '.join(limit) or 'none'}"
    yield from _ordered(limit, at)


def _ordered(limit: Mapping[str, Any], at: Path) -> Iterator[Finding]:
    low, high = limit.get("min_s"), limit.get("max_s")
    if isinstance(low, int) and isinstance(high, int) and low > high:
        yield at, f"the lower bound {low} s is above the upper bound {high} s"


def _internal(raw: Any) -> Iterator[Finding]:
    last: dict[str, int] = {}
    for at, step in mappings(raw, "internal_procedure"):
        branch = str(step.get("branch"))
        if step.get("n") != last.get(branch, 0) + 1:
            yield (*at, "n"), f"step {step.get('n')} of branch {branch} follows step {last.get(branch, 0)}"
        last[branch] = last.get(branch, 0) + 1


def _counts(channel: Mapping[str, Any]) -> Iterator[Finding]:
    counts = channel.get("counts")
    for key in ("flow", "table"):
        found = channel.get(key)
        printed = sum(entry.get("restored") is not True for _, entry in mappings(channel, key))
        if isinstance(counts, Mapping) and isinstance(found, list) and counts.get(key) != printed:
            yield (
                ("counts", key),
                f"{key} has {printed} entries, the act was counted to have {counts.get(key)}",
            )


def _items(channel: Mapping[str, Any]) -> Iterator[Finding]:
    """Labels, kinds, and whether an item's outcome and its next agree (A2: only refusals and results end a
    case).
    """
    seen: set[str] = set()
    for at, item in mappings(channel, "flow"):
        label, kind = str(item.get("label")), STEP_KINDS.get(str(item.get("kind")))
        if label in seen:
            yield (*at, "label"), f"label {label} stands twice"
        seen.add(label)
        if item.get("type") != _TYPE_OF_PREFIX.get(label.rstrip("0123456789")):
            yield (*at, "type"), f"{label} is no label of a {item.get('type')}"
        if kind is None:
            yield (*at, "kind"), f"unknown step kind {item.get('kind')}"
        elif kind.type != item.get("type"):
            yield (*at, "kind"), f"step kind {kind.name} is a {kind.type}, not a {item.get('type')}"
        if "registers" in item and (kind is None or kind.name != "query_registers"):
            yield (*at, "registers"), "only query_registers asks registers"
        yield from _ending(at, item, label)


def _ending(at: Path, item: Mapping[str, Any], label: str) -> Iterator[Finding]:
    outcome, onward = item.get("outcome"), item.get("next")
    if (item.get("type") == "condition") != isinstance(onward, Mapping):
        yield (*at, "next"), f"{label}: a condition, and only a condition, leads to {{ok, violation}}"
    if outcome == "continue" and onward is None:
        yield (
            (*at, "next"),
            f"{label} continues, so it must lead somewhere; only refusals and results end a case",
        )
    if outcome == "result" and onward is not None:
        yield (*at, "next"), f"{label} is the result, so nothing follows it"
    if outcome != "continue" and item.get("type") != "process":
        yield (*at, "outcome"), f"{label}: only a process can refuse or give the result"


def _targets(item: Mapping[str, Any]) -> list[tuple[Path, str]]:
    onward = item.get("next")
    if isinstance(onward, Mapping):
        return [(("next", str(key)), str(target)) for key, target in onward.items()]
    return [(("next",), onward)] if isinstance(onward, str) else []


def _labels(channel: Mapping[str, Any]) -> set[str]:
    return {str(item.get("label")) for _, item in mappings(channel, "flow")}


def _leads(channel: Mapping[str, Any]) -> Iterator[Finding]:
    labels = _labels(channel)
    for at, item in mappings(channel, "flow"):
        for path, target in _targets(item):
            if target not in labels:
                yield (*at, *path), f"{item.get('label')} leads to {target}, which is not in the flow"


def _unreachable(channel: Mapping[str, Any]) -> Iterator[Finding]:
    items = {str(item.get("label")): (at, item) for at, item in mappings(channel, "flow")}
    waiting, reached = list(items)[:1], set[str]()
    while waiting:
        label = waiting.pop()
        if label in items and label not in reached:
            reached.add(label)
            waiting += [target for _, target in _targets(items[label][1])]
    for label, (at, _) in items.items():
        if label not in reached:
            yield (*at, "label"), f"nothing leads to {label}"


def _rows(channel: Mapping[str, Any]) -> Iterator[Finding]:
    numbers = {row.get("n") for _, row in mappings(channel, "table")}
    for place, (at, row) in enumerate(mappings(channel, "table"), start=1):
        if row.get("n") != place:
            yield (*at, "n"), f"row {row.get('n')} stands in place {place}"
        onward = row.get("next")
        for key, target in onward.items() if isinstance(onward, Mapping) else ():
            if target is not None and target not in numbers:
                yield (
                    (*at, "next", str(key)),
                    f"row {row.get('n')} leads to row {target}, which is not in the table",
                )
        lost = row.get("lost") if isinstance(row.get("lost"), list) else []
        for key in ("actor_ru", "action_ru", "completion_ru"):
            if row.get(key, "") is None and key not in (lost or []):
                yield (*at, key), f"an empty cell must be listed in lost: {key}"


def _limits(channel: Mapping[str, Any]) -> Iterator[Finding]:
    labels, rows = _labels(channel), {row.get("n"): row for _, row in mappings(channel, "table")}
    messages = _messages(channel)
    for at, limit in mappings(channel, "limits"):
        name = f"limit {limit.get('label')}"
        if limit.get("label") not in labels:
            yield (*at, "label"), f"{name} is of no step of the flow"
        for key in ("starts_on", "stops_on"):
            event = limit.get(key)
            if isinstance(event, Mapping):
                yield from _event((*at, key), f"{name} {key}", event, (labels, messages))
        if "row" in limit:
            yield from _as_printed(at, name, limit, rows.get(limit.get("row")))
        else:
            yield from _as_written(at, name, limit, channel)


def _event(at: Path, name: str, event: Mapping[str, Any], known: tuple[set[str], set[str]]) -> Iterator[Finding]:
    labels, messages = known
    step, message = event.get("step"), event.get("message")
    if (step is None) == (message is None):
        yield at, f"{name} names either a step or a message"
    if isinstance(step, str) and step not in labels:
        yield (*at, "step"), f"{name}: step {step} is not in the flow"
    if isinstance(message, str) and message not in messages:
        yield (*at, "message"), f"{name}: message {message} is sent by no step of the channel"
    if "outcome" in event and not (isinstance(step, str) and step.startswith("C")):
        yield (*at, "outcome"), f"{name}: only a condition has an outcome"


def _as_printed(at: Path, name: str, limit: Mapping[str, Any], row: Mapping[str, Any] | None) -> Iterator[Finding]:
    printed = None if row is None else row.get("limit")
    if row is None:
        yield (*at, "row"), f"{name}: the table has no row {limit.get('row')}"
    elif not isinstance(printed, Mapping):
        yield (*at, "row"), f"{name}: row {limit.get('row')} has no deadline"
    elif (limit.get("min_s"), limit.get("max_s")) != (printed.get("min_s"), printed.get("max_s")):
        yield (*at, "max_s"), f"{name} differs from row {limit.get('row')} of the table"
    elif limit.get("clause") != row.get("clause"):
        yield (*at, "clause"), f"{name} must carry the clause of its row, {row.get('clause')}"


def _as_written(at: Path, name: str, limit: Mapping[str, Any], channel: Mapping[str, Any]) -> Iterator[Finding]:
    """Act 004 writes the minutes into the items of the flow themselves."""
    items = {item.get("label"): item for _, item in mappings(channel, "flow")}
    own = items.get(limit.get("label"), {}).get("limit")
    if isinstance(own, Mapping) and any(limit.get(key) != own.get(key) for key in ("min_s", "max_s")):
        yield (*at, "max_s"), f"{name} differs from the item it belongs to"


def _kind_of(item: Mapping[str, Any]) -> StepKind | None:
    return STEP_KINDS.get(str(item.get("kind")))


def _messages(channel: Mapping[str, Any]) -> set[str]:
    found: set[str] = set()
    for _, item in mappings(channel, "flow"):
        kind, asked = _kind_of(item), item.get("registers")
        if kind is not None:
            entering, standing = messages_of(kind, asked if isinstance(asked, list) else ())
            found.update(entering, standing)
    found.update(str(side.get("type")) for _, side in mappings(channel, "side_messages"))
    return found


def _side_messages(channel: Mapping[str, Any]) -> Iterator[Finding]:
    labels = _labels(channel)
    for at, side in mappings(channel, "side_messages"):
        during = side.get("during")
        for n, label in enumerate(during if isinstance(during, list) else ()):
            if label not in labels:
                yield (
                    (*at, "during", n),
                    f"{side.get('type')} is allowed during {label}, which is not in the flow",
                )
