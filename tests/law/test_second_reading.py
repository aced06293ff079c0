"""The catalogue against a second reading of the acts, made from their text alone: `second-reading/*.yaml`.

Each difference names regulation, channel and clause, and says what either of the two has. Neither is right because it
came first: the act is read a third time, and the wrong one is mended.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from egovkit.contracts import read_once
from egovlaw.catalogue import Branch, Catalogue, Channel, Duration, FlowItem, Published, Regulation, TableRow
from egovlaw.documents import read_document
from egovlaw.loader import load_catalogue

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
READINGS = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((Path(__file__).parent / "second-reading").glob("*.yaml"))
}
READ = {entry["code"]: entry for reading in READINGS.values() for entry in reading["regulations"]}
ACTS = {entry["code"]: reading["act"] for reading in READINGS.values() for entry in reading["regulations"]}
CHANNELS = ("portal", "centre", "state_corporation", "provider")
WITH_FLOW = [(code, channel) for code, entry in READ.items() for channel in CHANNELS if channel in entry]
WITH_TABLE = [(code, channel) for code, channel in WITH_FLOW if "table" in READ[code][channel]]
UNITS = {"minutes": "minute", "hours": "hour", "working_days": "working day", "calendar_days": "calendar day",
         "months": "month"}  # fmt: skip


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return read_once(load_catalogue, CONTRACTS)


def differences(where: str, read: dict[Any, Any], found: dict[Any, Any]) -> list[str]:
    """What the two readings have under the same clause and do not agree on, each in a line."""
    both = {clause: (read.get(clause, "nothing"), found.get(clause, "nothing")) for clause in {**read, **found}}
    return [
        f"{where}, {clause}: the second reading has {mine}, the catalogue {other}"
        for clause, (mine, other) in both.items()
        if mine != other
    ]


def in_words(limit: Duration | None) -> str | None:
    """A deadline as the tables of the second reading write it: seconds of a procedure as minutes."""
    if limit is None:
        return None
    if limit.max_s is not None:
        return f"{limit.max_s} seconds"
    [(count, unit)] = [(getattr(limit, field), unit) for field, unit in UNITS.items() if getattr(limit, field)]
    return f"{count} {unit}" + ("s" if count != 1 else "")


def in_seconds(row: TableRow) -> Any:
    """A deadline of a table as the second reading writes it; one of days stays in words."""
    limit = row.limit
    if limit is None or limit.working_days is not None:
        others = [f", {branch} {in_words(other)}" for branch, other in row.limit_by_branch.items()]
        return None if limit is None else "".join((str(in_words(limit)), *others))
    return [limit.min_s, limit.max_s] if limit.min_s else limit.max_s


def leads(item: FlowItem) -> str:
    if isinstance(item.next, Branch):
        return f"{item.next.ok} / {item.next.violation}"
    return item.next or item.outcome


def item_row(item: FlowItem) -> tuple[Any, ...]:
    limit = item.limit.max_s if item.limit is not None else None
    return ("pre" if item.type == "precondition" else item.label, leads(item), limit)


def as_printed(text: str | None) -> str | None:
    """The square brackets show what a torn cell has lost and the reader has put back."""
    return None if text is None else re.sub(r"[\[\]]", "", text)


def published(entry: Published | None) -> list[Any] | None:
    return None if entry is None else [entry.number, entry.date]


@pytest.fixture(scope="module")
def cited() -> dict[str, set[str]]:
    """Every clause that any entry of a regulation's file cites; "6 12), 7 10)" is two, "Постановление, 1" is one."""
    root = CONTRACTS / "regulations"
    files = [read_document(path, root).value for path in sorted(root.glob("*/*.yaml"))]
    return {raw["code"]: {part for value in clauses(raw) for part in taken_apart(value)} for raw in files}


def clauses(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, entry in value.items():
            yield from clauses(entry, name)
    elif isinstance(value, list):
        for entry in value:
            yield from clauses(entry, key)
    elif isinstance(value, str) and key in {"clause", "clauses"}:
        yield value


def taken_apart(clause: str) -> list[str]:
    return re.split(r", (?=\d+(?:-1)?(?: |,|$))", clause) if clause[0].isdigit() else [clause]


def numbered(counts: dict[Any, int]) -> set[str]:
    items = {f"{clause} {n})" for clause, last in counts.items() for n in range(1, last + 1)}
    return {str(clause) for clause in counts} | items


def test_all_regulations_of_the_five_acts_were_read_twice(catalogue: Catalogue) -> None:
    assert set(READ) <= set(catalogue.by_code)
    assert len(READ) == 21


@pytest.mark.parametrize("code", READ)
def test_an_act_has_its_number_its_registration_and_its_repeal(catalogue: Catalogue, code: str) -> None:
    act, read = catalogue.by_code[code].act, ACTS[code]
    assert [act.number, act.date] == [read["number"], read["date"]]
    assert published(act.registered) == read["registered"]
    assert published(act.repealed) == read["repealed"]
    assert published(act.amends) == read["amends"]


@pytest.mark.parametrize("code", READ)
def test_a_regulation_has_the_channels_the_act_names(catalogue: Catalogue, code: str) -> None:
    channels, entry = catalogue.by_code[code].channels, READ[code]
    read = {name: [str(clause) for clause in entry[name]["clauses"]] for name in CHANNELS if name in entry}
    named = {name: [clause] for name, clause in entry["only_named"].items()}
    assert differences(code, read, {c.code: list(c.clauses) for c in channels.values() if c.has_flow}) == []
    assert differences(code, named, {c.code: list(c.clauses) for c in channels.values() if not c.has_flow}) == []


@pytest.mark.parametrize(("code", "name"), WITH_FLOW)
def test_every_item_of_a_flow_is_read_alike(catalogue: Catalogue, code: str, name: str) -> None:
    read, channel = READ[code][name], catalogue.by_code[code].channels[name]
    printed = {row[0]: (row[1], row[2], row[3] and 60 * row[3] if len(row) > 3 else None) for row in read["flow"]}
    restored = {row[0]: (row[1], row[2], None) for row in read.get("restored", ())}
    found = {item.clause: item_row(item) for item in channel.flow if not item.restored}
    assert differences(f"{code}, {name}", printed, found) == []
    assert list(printed) == list(found), "the items stand in the order of the act"
    assert restored == {item.clause: item_row(item) for item in channel.flow if item.restored}


@pytest.mark.parametrize(("code", "name"), WITH_TABLE)
def test_every_column_of_a_table_is_read_alike(catalogue: Catalogue, code: str, name: str) -> None:
    read, channel = READ[code][name], catalogue.by_code[code].channels[name]
    at = f"Приложение {read['table']['annex']}, таблица {read['table']['number']}"
    columns = {f"{at}, {n}": (printed, seconds, onward) for n, printed, seconds, onward, _ in read["steps"]}
    assert len(columns) == read["table"]["columns"]
    rows = {row.clause: (as_printed(row.limit_ru), in_seconds(row), row.next_ru) for row in channel.table}
    assert differences(f"{code}, {name}", columns, rows) == []


@pytest.mark.parametrize(("code", "name"), WITH_TABLE)
def test_every_column_leads_on_as_read(catalogue: Catalogue, code: str, name: str) -> None:
    def onward(row: TableRow) -> str:
        return " / ".join(str(n) for n in (row.on_ok, row.on_violation) if n is not None)

    read = {row[0]: "" if row[4] in ("end", "cut") else str(row[4]) for row in READ[code][name]["steps"]}
    found = {row.n: onward(row) for row in catalogue.by_code[code].channels[name].table}
    assert differences(f"{code}, {name}", read, found) == []


@pytest.mark.parametrize(("code", "name"), WITH_TABLE)
def test_every_deadline_of_a_table_is_a_limit(catalogue: Catalogue, code: str, name: str) -> None:
    """A term of days is none of the steps' limits."""
    read, channel = READ[code][name], catalogue.by_code[code].channels[name]
    deadlines = {n: limit for n, _, limit, _, _ in read["steps"] if limit is not None and not isinstance(limit, str)}
    limits = {
        limit.table_row: [limit.min_s, limit.max_s] if limit.min_s else limit.max_s
        for limit in channel.limits
        if limit.table_row is not None
    }
    assert differences(f"{code}, {name}", deadlines, limits) == []


@pytest.mark.parametrize(("code", "name"), [one for one in WITH_TABLE if one[0].startswith("semey-")])
def test_what_the_scan_has_lost_is_taken_from_atyrau_and_says_so(catalogue: Catalogue, code: str, name: str) -> None:
    """A33; in both acts column n is process n."""
    channel = catalogue.by_code[code].channels[name]
    whole = {f"P{n}": seconds for n, _, seconds, _, _ in READ["atyrau-housing-queue"][name]["steps"]}
    own = {f"P{n}": seconds for n, _, seconds, _, _ in READ[code][name]["steps"] if seconds is not None}
    found = {limit.label: [limit.min_s, limit.max_s] if limit.min_s else limit.max_s for limit in channel.limits}
    assert differences(f"{code}, {name}", {**whole, **own}, found) == []
    assert {limit.label for limit in channel.limits if "A33" in limit.decisions} == set(whole) - set(own)


@pytest.mark.parametrize(("code", "name"), WITH_FLOW)
def test_every_deadline_of_an_item_is_a_limit(catalogue: Catalogue, code: str, name: str) -> None:
    channel = catalogue.by_code[code].channels[name]
    minutes = {row[0]: {60 * row[3]} for row in READ[code][name]["flow"] if len(row) > 3 and row[3]}
    found: dict[str, set[int]] = {}
    for limit in channel.limits if "table" not in READ[code][name] else ():
        found.setdefault(limit.clause, set()).add(limit.max_s)
    assert differences(f"{code}, {name}", minutes, found) == []


@pytest.mark.parametrize("code", READ)
def test_every_step_of_the_internal_procedure_is_read_alike(catalogue: Catalogue, code: str) -> None:
    where = {"akim": "5, при обращении к акиму,", "centre": "5, при обращении к Центру,"}
    read = {
        (branch, clause if branch == "default" else clause.replace("5", where[branch], 1)): limit
        for branch, clause, limit in READ[code]["internal"]
    }
    steps = catalogue.by_code[code].internal_procedure
    found = {(step.branch, step.clause): in_words(step.limit) for step in steps}
    assert differences(code, read, found) == []
    assert list(read) == list(found)


@pytest.mark.parametrize("code", READ)
def test_every_stated_term_is_read_alike(catalogue: Catalogue, code: str) -> None:
    def clause(text: str) -> str:
        return text.split(" абзац")[0]

    read = Counter(tuple(term) for term in READ[code]["terms"])
    found = Counter((t.kind, clause(t.clause), in_words(t.limit)) for t in catalogue.by_code[code].terms)
    assert read - found == found - read == Counter()


@pytest.mark.parametrize("code", READ)
def test_every_form_is_read_alike(catalogue: Catalogue, code: str) -> None:
    def given(value: str | None) -> str:
        return value or "-"

    read = {(kind, variant): (f"Приложение {annex}", valid) for kind, annex, variant, valid in READ[code]["forms"]}
    forms = catalogue.by_code[code].forms
    found = {(f.kind, given(f.variant)): (f.clause.split(", ")[0], given(in_words(f.validity))) for f in forms}
    assert differences(code, read, found) == []
    assert len(found) == len(forms)
    assert any(form.kind == "survey" for form in forms) is READ[code]["survey"]


@pytest.mark.parametrize("code", READ)
def test_the_list_of_participants_is_as_long_as_printed(catalogue: Catalogue, code: str) -> None:
    assert len(catalogue.by_code[code].participants) == READ[code]["participants"]


@pytest.mark.parametrize("code", READ)
def test_a_regulation_relies_on_the_decisions_the_second_reading_needed(catalogue: Catalogue, code: str) -> None:
    assert set(READ[code]["decisions"]) <= set(catalogue.by_code[code].decisions)


@pytest.mark.parametrize("code", READ)
def test_exactly_the_numbered_clauses_of_the_act_are_cited(cited: dict[str, set[str]], code: str) -> None:
    """A paragraph of a clause ("9 4) абзац 2", "3 часть 2") cites the clause."""
    whole = {match[0] for part in cited[code] if (match := re.match(r"\d+(-1)?( \d+\))?", part))}
    assert differences(code, dict.fromkeys(numbered(READ[code]["clauses"]), "it"), dict.fromkeys(whole, "it")) == []
    assert {f"Постановление, {clause}" for clause in ACTS[code]["clauses"]} <= cited[code]


def test_every_item_of_an_act_is_cited_by_one_of_its_regulations(cited: dict[str, set[str]]) -> None:
    for name, reading in READINGS.items():
        all_of_it = set().union(*(cited[entry["code"]] for entry in reading["regulations"]))
        assert {f"Постановление, {clause}" for clause in numbered(reading["act"]["clauses"])} - all_of_it == set(), name


def flows(catalogue: Catalogue, code: str) -> list[Channel]:
    return [channel for channel in catalogue.by_code[code].channels.values() if channel.has_flow]


def counts(catalogue: Catalogue, codes: list[str]) -> Counter[str]:
    """The sums of `codes`, from the catalogue; the next function has the same from the second reading."""
    of: Counter[str] = Counter()
    for code in codes:
        regulation: Regulation = catalogue.by_code[code]
        of["named"] += len(regulation.channels) - len(flows(catalogue, code))
        of["internal"] += len(regulation.internal_procedure)
        of["forms"] += len(regulation.forms)
        for channel in flows(catalogue, code):
            printed = [item for item in channel.flow if not item.restored]
            of["flows"] += 1
            of["items"] += len(printed)
            of.update(item.type for item in printed)
            of.update(item.outcome for item in printed if item.next is None)
            of["columns"] += len(channel.table)
            of["deadlines"] += sum(row.limit is not None for row in channel.table)
    return of


def read_counts(codes: list[str]) -> Counter[str]:
    of: Counter[str] = Counter()
    types = {"p": "precondition", "P": "process", "C": "condition"}
    for code in codes:
        entry = READ[code]
        of["named"] += len(entry["only_named"])
        of["internal"] += len(entry["internal"])
        of["forms"] += len(entry["forms"])
        for channel in (entry[name] for name in CHANNELS if name in entry):
            of["flows"] += 1
            of["items"] += len(channel["flow"])
            of.update(types[row[1][0]] for row in channel["flow"])
            of.update(row[2] for row in channel["flow"] if row[2] in ("refusal", "result"))
            of["columns"] += len(channel.get("steps", ()))
            of["deadlines"] += sum(row[2] is not None for row in channel.get("steps", ()))
    return of


EARLY = {
    "flows": 23, "named": 3, "items": 253, "precondition": 11, "process": 188, "condition": 54, "refusal": 53,
    "result": 23, "columns": 131, "deadlines": 121, "internal": 0, "forms": 44,
}  # fmt: skip
LATE = {
    "flows": 12, "named": 11, "items": 132, "precondition": 12, "process": 94, "condition": 26, "refusal": 16,
    "result": 12, "columns": 0, "deadlines": 0, "internal": 70, "forms": 0,
}  # fmt: skip


@pytest.mark.parametrize(("late", "sums"), [(False, EARLY), (True, LATE)])
def test_the_sums_are_those_of_the_acts(catalogue: Catalogue, late: bool, sums: dict[str, int]) -> None:
    """Together 385 items of 35 flows, and 14 channels that are only named."""
    codes = [code for code in READ if code.startswith("wko-") is late]
    assert {name: read_counts(codes)[name] for name in sums} == sums
    assert {name: counts(catalogue, codes)[name] for name in sums} == sums


def test_a_difference_names_regulation_channel_and_clause() -> None:
    assert differences("atyrau, portal", {"6 1)": "P1"}, {"6 1)": "P2", "6 2)": "C1"}) == [
        "atyrau, portal, 6 1): the second reading has P1, the catalogue P2",
        "atyrau, portal, 6 2): the second reading has nothing, the catalogue C1",
    ]
