"""Reads the catalogue from its YAML files; the only module of egovlaw that touches files, YAML and JSON
Schema.

All errors of all files are collected and reported at once, each with its file and line: whoever writes a
regulation mends them in one pass.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs
import yaml

from egovlaw.build import build_regulation
from egovlaw.calendar import WorkCalendar, build_calendar
from egovlaw.catalogue import Catalogue, Decision
from egovlaw.checks import Finding, check_regulation

# D20 and its kin: the ids the working paper of record has; a gap in the file is an error of the file
EXPECTED_DECISIONS = frozenset(
    f"{part}{n}" for part, last in (("A", 42), ("D", 20), ("E", 12)) for n in range(1, last + 1)
)

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times faster where it is built in


class CatalogueError(NamedTuple):
    file: str
    line: int
    message: str


class CatalogueInvalid(Exception):
    """Every fault of the catalogue, in the order of files and lines."""

    def __init__(self, errors: Sequence[CatalogueError]) -> None:
        self.errors = tuple(sorted(errors))
        super().__init__("\n".join(f"{e.file}:{e.line}: {e.message}" for e in self.errors))


class Document(NamedTuple):
    """One YAML file as plain JSON values; `lines` maps a path into them to the line it stands on."""

    file: str
    value: Any
    lines: Mapping[tuple[str | int, ...], int]
    errors: tuple[CatalogueError, ...]

    def line(self, path: Sequence[str | int]) -> int:
        """The line of a path, or of its nearest ancestor in the file."""
        for end in range(len(path), -1, -1):
            if (found := self.lines.get(tuple(path[:end]))) is not None:
                return found
        return 1


def load_catalogue(directory: Path) -> Catalogue:
    """The catalogue of `contracts/regulations` (or of the `contracts` folder above it).

    Raises CatalogueInvalid with every error found.
    """
    root = directory if (directory / "decisions.yaml").exists() else directory / "regulations"
    if not (root / "decisions.yaml").exists():
        raise CatalogueInvalid([CatalogueError(str(directory / "decisions.yaml"), 1, "the catalogue has no such file")])
    schemas = root.parent / "schemas"
    decided = read_document(root / "decisions.yaml", root)
    decisions = decided.value.get("decisions") if isinstance(decided.value, dict) else None
    known = decisions if isinstance(decisions, dict) else {}
    errors = [*decided.errors, *_schema_errors(decided, schemas / "decisions.schema.json")]
    errors += [CatalogueError(decided.file, 1, f"decision {gap} is missing") for gap in EXPECTED_DECISIONS - set(known)]
    regions = read_document(root.parent / "regions.yaml", root.parent)
    errors += regions.errors
    served = frozenset(regions.value.get("regions", ())) if isinstance(regions.value, dict) else frozenset()
    documents = [read_document(path, root) for path in sorted(root.glob("*/*.yaml"))]
    validator = _validator(schemas / "regulation.schema.json")
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


def read_document(path: Path, root: Path) -> Document:
    """Parse one file, keeping the line of every key and entry; duplicate keys and syntax errors become
    errors.
    """
    name = path.relative_to(root).as_posix()
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader)
    except UnicodeDecodeError as error:
        return Document(name, None, {}, (CatalogueError(name, 1, f"not UTF-8: {error.reason}"),))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = 1 if mark is None else mark.line + 1
        return Document(name, None, {}, (CatalogueError(name, line, f"not YAML: {getattr(error, 'problem', error)}"),))
    reader = _Reader(name)
    value = None if node is None else reader.read(node, ())
    return Document(name, value, reader.lines, tuple(reader.errors))


class _Reader:
    """Turns YAML nodes into JSON values. Dates stay text: the schema speaks JSON, and the builder parses
    them.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[tuple[str | int, ...], int] = {}
        self.errors: list[CatalogueError] = []
        self._seen: set[int] = set()

    def read(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.CollectionNode):
            if id(node) in self._seen:  # an alias, possibly of itself: each item says what it says where it stands
                self.errors.append(CatalogueError(self.file, node.start_mark.line + 1, "aliases are not used here"))
                return None
            self._seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(entry, (*path, n)) for n, entry in enumerate(node.value)]
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: tuple[str | int, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in found:
                self.errors.append(CatalogueError(self.file, line, f"key {key} stands twice"))
            self.lines[(*path, key)] = line
            found[key] = self.read(value_node, (*path, key))
        return found


def _scalar(node: yaml.Node) -> Any:
    text, kind = str(node.value), node.tag.rpartition(":")[2]
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() in ("true", "yes", "on")
    if kind in ("int", "float"):
        try:
            return int(text) if kind == "int" else float(text)
        except ValueError:  # YAML 1.1 also calls 1:30 and 0x1F numbers; here they are text, and the schema refuses them
            return text
    return text


def _validator(schema: Path) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))


def _schema_errors(document: Document, schema: Path) -> list[CatalogueError]:
    return [] if document.errors else _invalid(document, _validator(schema))


def _document_errors(
    document: Document,
    validator: jsonschema_rs.Draft202012Validator,
    decisions: Mapping[str, Any],
    regions: frozenset[str],
) -> list[CatalogueError]:
    if document.value is None:
        return list(document.errors) or [CatalogueError(document.file, 1, "the file is empty")]
    findings: list[Finding] = check_regulation(document.value, decisions, regions)
    found = [CatalogueError(document.file, document.line(path), text) for path, text in findings]
    return [*document.errors, *_invalid(document, validator), *found]


def _invalid(document: Document, validator: jsonschema_rs.Draft202012Validator) -> list[CatalogueError]:
    found: list[CatalogueError] = []
    for error in validator.iter_errors(document.value):
        path = list(error.instance_path)
        where = "/".join(str(part) for part in path) or "the file"
        unexpected = getattr(error.kind, "unexpected", None)
        for key in unexpected or ():
            line = document.line([*path, str(key)])
            found.append(CatalogueError(document.file, line, f"{where}: unknown key {key}"))
        if not unexpected:
            found.append(CatalogueError(document.file, document.line(path), f"{where}: {_brief(error.message)}"))
    return found


def _brief(message: str) -> str:
    """The validator quotes the whole value; a page of it helps nobody."""
    return message if len(message) <= 300 else f"{message[:140]} ... {message[-140:]}"


def _code_errors(documents: Sequence[Document]) -> list[CatalogueError]:
    """A code is used once, and a file lies in its region's folder."""
    found: list[CatalogueError] = []
    first: dict[str, str] = {}
    for document in documents:
        raw = document.value if isinstance(document.value, dict) else {}
        code, region = raw.get("code"), raw.get("region")
        if isinstance(code, str) and first.setdefault(code, document.file) != document.file:
            text = f"code {code} is already used by {first[code]}"
            found.append(CatalogueError(document.file, document.line(["code"]), text))
        if isinstance(region, str) and region != document.file.split("/")[0]:
            text = f"region {region} in the folder {document.file.split('/')[0]}"
            found.append(CatalogueError(document.file, document.line(["region"]), text))
    return found
