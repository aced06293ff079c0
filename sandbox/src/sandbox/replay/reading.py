"""Reads scenarios from YAML. Every mistake of every file is told at once, with file and line, before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.replay.checks import check, claims, first_end
from sandbox.replay.scenario import Act, Consumer, Fault, Given, Paper, Person, ResultText, Scenario, Then, Told
from sandbox.trace import Line

if TYPE_CHECKING:
    from egovlaw import documents
    from egovlaw.catalogue import Catalogue
    from egovlaw.documents import Document

SCENARIOS = Path(__file__).resolve().parents[3] / "scenarios"
SCHEMA = "schemas/scenario.schema.json"


class ScenariosInvalid(Exception):
    """Every fault of the scenarios, in the order of files and lines."""

    def __init__(self, faults: Iterable[documents.Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(f"{one.file}:{one.line}: {one.message}" for one in self.faults))


def load_all(path: Path = SCENARIOS, catalogue: Catalogue | None = None) -> list[Scenario]:
    """Every scenario of a folder, or the one of a file, in the order they are played."""
    from egovkit.contracts import contracts_dir
    from egovlaw import documents

    law = catalogue or the_law()
    validator = documents.validator_of(contracts_dir() / SCHEMA)
    files = sorted(path.glob("**/*.yaml")) if path.is_dir() else [path]
    root = path if path.is_dir() else path.parent
    faults: list[documents.Fault] = []
    claimed: dict[str, tuple[str, int]] = {}
    found = []
    for file in files:
        document = documents.read_document(file, root) if file.exists() else missing(file)
        wrong = _faults(document, validator, law)
        faults += wrong or _claimed_twice(document, claimed)
        if not wrong:
            found.append(scenario_of(document, law))
    if not files:
        faults.append(documents.Fault(str(path), 1, "no scenario is here"))
    if faults:
        raise ScenariosInvalid(faults)
    return sorted(found, key=lambda one: (one.order, one.name))


def the_law() -> Catalogue:
    from egovkit.contracts import contracts_dir, read_once
    from egovlaw.loader import load_catalogue

    return read_once(load_catalogue, contracts_dir())


def missing(file: Path) -> Document:
    from egovlaw import documents

    return documents.Document(str(file), None, {}, (documents.Fault(str(file), 1, "no such file"),))


def _faults(document: Document, validator: Any, law: Catalogue) -> list[documents.Fault]:
    """What the schema says; what only the catalogue and the registers know, once the shape is right."""
    from egovlaw import documents

    if document.value is None:
        return list(document.errors) or [documents.Fault(document.file, 1, "the file is empty")]
    wrong = [*document.errors, *documents.schema_faults(document, validator)]
    return wrong or [documents.Fault(document.file, document.line(path), text) for path, text in check(document, law)]


def _claimed_twice(document: Document, claimed: dict[str, tuple[str, int]]) -> list[documents.Fault]:
    from egovlaw import documents

    found = []
    for who, path in claims(document.value):
        line = document.line(path)
        file, first = claimed.setdefault(who, (document.file, line))
        if (file, first) != (document.file, line):
            text = f"{who} is claimed by {file}:{first} already: one scenario would change what the other finds"
            found.append(documents.Fault(document.file, line, text))
    return found


def scenario_of(document: Document, law: Catalogue) -> Scenario:
    """A document without faults as a scenario."""
    raw: Mapping[str, Any] = document.value
    [(code, acts)] = raw["when"].items()
    way = tuple(_act(one) for one in acts)
    regulation = law.by_code[raw["given"]["regulation"]]
    channel = regulation.channels[code]
    return Scenario(
        name=Path(document.file).stem,
        title=raw["title"]["ru"],
        title_kk=raw["title"]["kk"],
        given=_given(raw["given"]),
        channel=code,
        region=regulation.region,
        side=channel.origin_kind,
        ends=first_end(channel, way),
        when=way,
        then=_then(raw["then"]),
        order=raw.get("order", 0),
        demo=raw.get("demo", False),
    )


def _given(raw: Mapping[str, Any]) -> Given:
    persons = dict(raw.get("persons", {}))
    known: dict[str, Any] = {name: raw[name] for name in ("regulation", "office", "certificates") if name in raw}
    if "consumer" in persons:
        known["consumer"] = Consumer(**persons.pop("consumer"))
    known |= {name: Person(**one) for name, one in persons.items()}
    return Given(
        **known,
        attorney=raw.get("registers", {}).get("attorney"),
        clock=_span(raw.get("clock")),
        faults=tuple(Fault(**one) for one in raw.get("faults", ())),
    )


def _act(raw: Mapping[str, Any]) -> Act:
    found = dict(raw)
    found["papers"] = tuple(found.get("papers", ()))
    found["reasons"] = tuple(found.get("reasons", ()))
    found["attachments"] = tuple(Paper(**one) for one in found.get("attachments", ()))
    if "result" in found:
        found["result"] = ResultText(**found["result"])
    if "wait" in found:
        found["wait"] = _span(found["wait"])
    return Act(**found)


def _then(raw: Mapping[str, Any]) -> Then:
    return Then(
        act=raw["act"],
        lines=lines_of(raw["lines"]),
        state=raw.get("state"),
        refusals=tuple(Told(**one) for one in raw.get("refusals", ())),
    )


def lines_of(raw: Sequence[Mapping[str, Any]]) -> tuple[Line, ...]:
    names = {"from": "sender", "to": "recipient"}
    return tuple(Line(**{"step": "-", **{names.get(key, key): value for key, value in one.items()}}) for one in raw)


def _span(raw: Mapping[str, int] | None) -> timedelta | None:
    return None if raw is None else timedelta(**raw)
