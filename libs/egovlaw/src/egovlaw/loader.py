"""Reads the catalogue from its YAML files; the only module of egovlaw that touches files, YAML and JSON
Schema.

All errors of all files are collected and reported at once, each with its file and line: whoever writes a
regulation mends them in one pass.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import jsonschema_rs

from egovlaw.build import build_regulation
from egovlaw.calendar import WorkCalendar, build_calendar
from egovlaw.calendar_checks import check_calendar
from egovlaw.catalogue import Catalogue, Decision, Regulation
from egovlaw.checks import Finding, check_regulation
from egovlaw.documents import Document, Fault, read_document, schema_faults, validator_of

# D20 and its kin: the ids the working paper of record has; a gap in the file is an error of the file
EXPECTED_DECISIONS = frozenset(
    f"{part}{n}" for part, last in (("A", 42), ("D", 20), ("E", 12)) for n in range(1, last + 1)
)


class CatalogueInvalid(Exception):
    """Every fault of the catalogue, in the order of files and lines."""

    def __init__(self, errors: Sequence[Fault]) -> None:
        self.errors = tuple(sorted(errors))
        super().__init__("\n".join(f"{e.file}:{e.line}: {e.message}" for e in self.errors))


def load_catalogue(directory: Path) -> Catalogue:
    """The catalogue of `contracts/regulations` (or of the `contracts` folder above it).

    Raises CatalogueInvalid with every error found.
    """
    root = directory if (directory / "decisions.yaml").exists() else directory / "regulations"
    if not (root / "decisions.yaml").exists():
        raise CatalogueInvalid([Fault(str(directory / "decisions.yaml"), 1, "the catalogue has no such file")])
    schemas = root.parent / "schemas"
    decided = read_document(root / "decisions.yaml", root)
    decisions = decided.value.get("decisions") if isinstance(decided.value, dict) else None
    known = decisions if isinstance(decisions, dict) else {}
    errors = [*decided.errors, *_schema_errors(decided, schemas / "decisions.schema.json")]
    errors += [Fault(decided.file, 1, f"decision {gap} is missing") for gap in EXPECTED_DECISIONS - set(known)]
    regions = read_document(root.parent / "regions.yaml", root.parent)
    shared = read_document(root / "labels.yaml", root)
    errors += [*regions.errors, *shared.errors, *_schema_errors(shared, schemas / "labels.schema.json")]
    labels = shared.value.get("labels") if isinstance(shared.value, dict) else None
    labels = labels if isinstance(labels, dict) else {}
    served = frozenset(regions.value.get("regions", ())) if isinstance(regions.value, dict) else frozenset()
    documents = [read_document(path, root) for path in sorted(root.glob("*/*.yaml"))]
    validator = validator_of(schemas / "regulation.schema.json")
    for document in documents:
        errors += _document_errors(document, validator, (known, served, labels))
    errors += _code_errors(documents)
    if errors:
        raise CatalogueInvalid(errors)
    newest, superseded = _by_version([build_regulation(document.value, labels) for document in documents])
    return Catalogue(
        regulations=newest,
        superseded=superseded,
        decisions={key: Decision(key, entry["text"], tuple(entry["applies_to"])) for key, entry in known.items()},
        regions=served,
    )


def load_calendar(contracts: Path) -> WorkCalendar:
    """The working-day calendar of `contracts/calendar.yaml`; CatalogueInvalid with every error found."""
    document = read_document(contracts / "calendar.yaml", contracts)
    errors = [*document.errors, *_schema_errors(document, contracts / "schemas" / "calendar.schema.json")]
    if not errors:
        found = check_calendar(document.value)
        errors = [Fault(document.file, document.line(path), text) for path, text in found]
    if errors:
        raise CatalogueInvalid(errors)
    return build_calendar(document.value)


def _schema_errors(document: Document, schema: Path) -> list[Fault]:
    return [] if document.errors else schema_faults(document, validator_of(schema))


def _document_errors(
    document: Document,
    validator: jsonschema_rs.Draft202012Validator,
    known: tuple[Collection[str], Collection[str], Collection[str]],
) -> list[Fault]:
    """`known`: the decisions, the regions, the labels that regulations may name."""
    if document.value is None:
        return list(document.errors) or [Fault(document.file, 1, "the file is empty")]
    findings: list[Finding] = check_regulation(document.value, *known)
    found = [Fault(document.file, document.line(path), text) for path, text in findings]
    return [*document.errors, *schema_faults(document, validator), *found]


def _by_version(built: Sequence[Regulation]) -> tuple[tuple[Regulation, ...], tuple[Regulation, ...]]:
    """The newest version of each code, in the order of the files, and the older ones."""
    last: dict[str, int] = {}
    for one in built:
        last[one.code] = max(one.version, last.get(one.code, 0))
    newest = tuple(one for one in built if one.version == last[one.code])
    return newest, tuple(one for one in built if one.version < last[one.code])


def _code_errors(documents: Sequence[Document]) -> list[Fault]:
    """A version of a code is used once and continues the one before; a file is named for it, in its region's folder."""
    found: list[Fault] = []
    first: dict[tuple[str, int], Document] = {}

    def wrong(document: Document, key: str, text: str) -> None:
        found.append(Fault(document.file, document.line([key]), text))

    for document in documents:
        raw = document.value if isinstance(document.value, dict) else {}
        code, region, version = raw.get("code"), raw.get("region"), raw.get("version")
        if isinstance(code, str) and isinstance(version, int):
            taken = first.setdefault((code, version), document)
            if taken is not document:
                wrong(document, "code", f"code {code} is already used by {taken.file}")
            named = re.search(r"\.v([0-9]+)\.yaml$", document.file)
            if named is not None and int(named[1]) != version:
                wrong(document, "version", f"version {version} in a file named for version {named[1]}")
        if isinstance(region, str) and region != document.file.split("/")[0]:
            wrong(document, "region", f"region {region} in the folder {document.file.split('/')[0]}")
    for (code, version), document in first.items():
        if version > 1 and (code, version - 1) not in first and any((code, n) in first for n in range(1, version)):
            wrong(document, "version", f"version {version - 1} of {code} is missing: cases that began by it still run")
    for (code, version), document in first.items():
        older = first.get((code, version - 1))
        if older is not None and older.value.get("region") != document.value.get("region"):
            wrong(document, "region", f"version {version - 1} of {code} is of {older.value.get('region')}")
    return found
