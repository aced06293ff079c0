"""The `law` marks of the tests, read without importing one: `@pytest.mark.law(topic=..., regulation=..., clause=...)`.

A mark on a function, a class or a module (`pytestmark`). Each argument is a text or a tuple of texts, and a duty has
to fit them all; a text may end in `*` for whatever follows.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.traceability.duties import Duty

ARGUMENTS = ("topic", "regulation", "clause", "channel", "name")
NOT_OURS = {".venv", ".git", "node_modules", "build", "dist"}
MARK = "pytest.mark.law"


class BadMark(Exception):
    """A mark that cannot be read without running the test, with file and line."""


@dataclass(frozen=True, slots=True)
class Mark:
    test: str  # path::name, as pytest writes it
    line: int
    wanted: Mapping[str, tuple[str, ...]]

    def takes(self, duty: Duty) -> bool:
        return all(_fits(getattr(duty, name), values) for name, values in self.wanted.items())

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={values[0] if len(values) == 1 else values}" for name, values in self.wanted.items())
        return f"{self.test.partition('::')[0]}:{self.line}: law({shown})"


def _fits(found: str, values: tuple[str, ...]) -> bool:
    return any(found.startswith(one[:-1]) if one.endswith("*") else found == one for one in values)


def collect(root: Path) -> list[Mark]:
    """From every test module below `root`, in the order of their paths."""
    files = []
    for folder, below, names in os.walk(root):
        below[:] = [name for name in below if name not in NOT_OURS]
        files += [Path(folder, name) for name in names if name.startswith("test_") and name.endswith(".py")]
    files.sort()
    return [mark for path in files for mark in marks_in(path.relative_to(root).as_posix(), path.read_text("utf-8"))]


def marks_in(name: str, source: str) -> list[Mark]:
    if MARK not in source:  # most modules, and parsing is what takes the time
        return []
    body = ast.parse(source, name).body
    return list(_of_body(name, "", body, _of_module(body)))


def _of_module(body: list[ast.stmt]) -> list[ast.expr]:
    for statement in body:
        if isinstance(statement, ast.Assign) and any(ast.unparse(one) == "pytestmark" for one in statement.targets):
            value = statement.value
            return list(value.elts) if isinstance(value, ast.List | ast.Tuple) else [value]
    return []


def _of_body(name: str, prefix: str, body: list[ast.stmt], outer: list[ast.expr]) -> Iterator[Mark]:
    for one in body:
        if isinstance(one, ast.ClassDef):
            yield from _of_body(name, f"{prefix}{one.name}::", one.body, [*outer, *one.decorator_list])
        elif isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
            found = [mark for mark in (*outer, *one.decorator_list) if _is_law(mark)]
            if found and not one.name.startswith("test_"):
                if any(mark in one.decorator_list for mark in found):
                    raise BadMark(f"{name}:{one.lineno}: {one.name} is no test")
                continue
            for mark in found:
                yield Mark(f"{name}::{prefix}{one.name}", mark.lineno, _arguments(name, mark))


def _is_law(expression: ast.expr) -> bool:
    return ast.unparse(expression.func if isinstance(expression, ast.Call) else expression) == MARK


def _arguments(name: str, mark: ast.expr) -> dict[str, tuple[str, ...]]:
    where = f"{name}:{mark.lineno}"
    if not isinstance(mark, ast.Call) or mark.args or not mark.keywords:
        raise BadMark(f"{where}: law() names at least one of {', '.join(ARGUMENTS)}, each by its name")
    found = {}
    for keyword in mark.keywords:
        if keyword.arg not in ARGUMENTS:
            raise BadMark(f"{where}: law() knows no {keyword.arg or '**'}, only {', '.join(ARGUMENTS)}")
        try:
            value = ast.literal_eval(keyword.value)
        except ValueError:
            value = None
        values = value if isinstance(value, tuple) else (value,)
        if not values or not all(isinstance(one, str) for one in values):
            raise BadMark(f"{where}: {keyword.arg} of law() is a literal text, or a tuple of them")
        found[keyword.arg] = values
    return found
