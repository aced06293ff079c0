"""One YAML file as JSON values that remember their lines, and what a JSON Schema says against it; shared by the
catalogue and by whoever else keeps data of people in YAML.

All faults of a file are collected: whoever writes it mends them in one pass.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs
import yaml

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml is ten times faster where it is built in


class Fault(NamedTuple):
    file: str
    line: int
    message: str


class Document(NamedTuple):
    """One YAML file as plain JSON values; `lines` maps a path into them to the line it stands on."""

    file: str
    value: Any
    lines: Mapping[tuple[str | int, ...], int]
    errors: tuple[Fault, ...]

    def line(self, path: Sequence[str | int]) -> int:
        """The line of a path, or of its nearest ancestor in the file."""
        for end in range(len(path), -1, -1):
            if (found := self.lines.get(tuple(path[:end]))) is not None:
                return found
        return 1


def read_document(path: Path, root: Path) -> Document:
    """Parse one file, keeping the line of every key and entry; duplicate keys and syntax errors become
    errors.
    """
    name = path.relative_to(root).as_posix()
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=_Loader)
    except UnicodeDecodeError as error:
        return Document(name, None, {}, (Fault(name, 1, f"not UTF-8: {error.reason}"),))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = 1 if mark is None else mark.line + 1
        return Document(name, None, {}, (Fault(name, line, f"not YAML: {getattr(error, 'problem', error)}"),))
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
        self.errors: list[Fault] = []
        self._seen: set[int] = set()

    def read(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.CollectionNode):
            if id(node) in self._seen:  # an alias, possibly of itself: each item says what it says where it stands
                self.errors.append(Fault(self.file, node.start_mark.line + 1, "aliases are not used here"))
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
                self.errors.append(Fault(self.file, line, f"key {key} stands twice"))
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


def validator_of(schema: Path) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))


def schema_faults(document: Document, validator: jsonschema_rs.Draft202012Validator) -> list[Fault]:
    found: list[Fault] = []
    for error in validator.iter_errors(document.value):
        path = list(error.instance_path)
        where = "/".join(str(part) for part in path) or "the file"
        unexpected = getattr(error.kind, "unexpected", None)
        for key in unexpected or ():
            line = document.line([*path, str(key)])
            found.append(Fault(document.file, line, f"{where}: unknown key {key}"))
        if not unexpected:
            found.append(Fault(document.file, document.line(path), f"{where}: {_brief(error.message)}"))
    return found


def _brief(message: str) -> str:
    """The validator quotes the whole value; a page of it helps nobody."""
    return message if len(message) <= 300 else f"{message[:140]} ... {message[-140:]}"
