"""Reads the catalogue from its YAML files; the only module of egovlaw that touches files, YAML and JSON
Schema.

All errors of all files are collected and reported at once, each with its file and line: whoever writes a
regulation mends them in one pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema_rs

from egovlaw.build import build_regulation
from egovlaw.calendar import WorkCalendar, build_calendar
from egovlaw.catalogue import Catalogue, Decision
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
    errors += regions.errors
    served = frozenset(regions.value.get("regions", ())) if isinstance(regions.value, dict) else frozenset()
    documents = [read_document(path, root) for path in sorted(root.glob("*/*.yaml"))]
    validator = validator_of(schemas / "regulation.schema.json")
    for document in documents:
        errors += _document_errors(document, validator, known, served)
    errors += _code_errors(documents)
    if errors:
        raise CatalogueInvalid(errors)
    return Catalogue(
        regulations=tuple(build_regulation(document.value) for document in documents),
        decisions={key: Decision(key, entry["text"], tuple(entry["applies_to"])) for key, entry in known.items()},
        regions=served,
    )


def load_calendar(contracts: Path) -> WorkCalendar:
    """The working-day calendar of `contracts/calendar.yaml`; CatalogueInvalid with every error found."""
    document = read_document(contracts / "calendar.yaml", contracts)
    errors = [*document.errors, *_schema_errors(document, contracts / "schemas" / "calendar.schema.json")]
    if errors:
        raise CatalogueInvalid(errors)
    return build_calendar(document.value)


def _schema_errors(document: Document, schema: Path) -> list[Fault]:
    return [] if document.errors else schema_faults(document, validator_of(schema))


def _document_errors(
    document: Document,
    validator: jsonschema_rs.Draft202012Validator,
    decisions: Mapping[str, Any],
    regions: frozenset[str],
) -> list[Fault]:
    if document.value is None:
        return list(document.errors) or [Fault(document.file, 1, "the file is empty")]
    findings: list[Finding] = check_regulation(document.value, decisions, regions)
    found = [Fault(document.file, document.line(path), text) for path, text in findings]
    return [*document.errors, *schema_faults(document, validator), *found]


def _code_errors(documents: Sequence[Document]) -> list[Fault]:
    """A code is used once, and a file lies in its region's folder."""
    found: list[Fault] = []
    first: dict[str, str] = {}
    for document in documents:
        raw = document.value if isinstance(document.value, dict) else {}
        code, region = raw.get("code"), raw.get("region")
        if isinstance(code, str) and first.setdefault(code, document.file) != document.file:
            text = f"code {code} is already used by {first[code]}"
            found.append(Fault(document.file, document.line(["code"]), text))
        if isinstance(region, str) and region != document.file.split("/")[0]:
            text = f"region {region} in the folder {document.file.split('/')[0]}"
            found.append(Fault(document.file, document.line(["region"]), text))
    return found
