"""The budgets of CONTRIBUTING.md, measured: what is too long to read at once is not reviewed."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FUNCTION_LINES = 40  # one screen
MODULE_LINES = 400
MODULE_LINES_WITH_REASON = 600  # a docstring with "Budget: <why>" buys this much and no more
POSITIONAL = 5  # more than five in a row are mixed up by callers; keyword-only ones are free

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(root: Path = ROOT) -> list[Path]:
    found = [
        path
        for pattern in ("libs/*/src", "services/*/src", "*/src")
        for source in root.glob(pattern)
        for path in source.rglob("*.py")
        if "migrations" not in path.parts  # written once, never read as logic
    ]
    return sorted(set(found))


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def length(function: Function) -> int:
    """Lines from `def` to the end; decorators and the docstring are not logic."""
    assert function.end_lineno is not None
    lines = function.end_lineno - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None and first.end_lineno is not None:
        lines -= first.end_lineno - first.lineno + 1
    return lines


def positional(function: Function) -> int:
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def complaints(text: str) -> list[str]:
    tree = ast.parse(text)
    lines = len(text.splitlines())
    reason = "Budget:" in (ast.get_docstring(tree) or "")
    found = []
    if lines > MODULE_LINES_WITH_REASON:
        found.append(f"{lines} lines, more than {MODULE_LINES_WITH_REASON}")
    elif lines > MODULE_LINES and not reason:
        found.append(f"{lines} lines, more than {MODULE_LINES} and no 'Budget:' reason in the docstring")
    for function in functions(tree):
        if (size := length(function)) > FUNCTION_LINES:
            found.append(f"{function.name} (line {function.lineno}): {size} lines")
        if (count := positional(function)) > POSITIONAL:
            found.append(f"{function.name} (line {function.lineno}): {count} positional parameters")
    return found


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_keeps_within_its_budget(path: Path) -> None:
    assert complaints(path.read_text()) == []


def test_every_distribution_of_the_workspace_is_measured() -> None:
    measured = {path.relative_to(ROOT).as_posix().split("/src/")[0] for path in sources()}
    assert measured == {path.parent.relative_to(ROOT).as_posix() for path in distributions()}


def distributions() -> list[Path]:
    patterns = ("libs/*/pyproject.toml", "services/*/pyproject.toml", "*/pyproject.toml")
    return [path for pattern in patterns for path in ROOT.glob(pattern)]


def test_a_function_of_41_lines_is_over_budget() -> None:
    body = "\n".join(["    x = 1"] * FUNCTION_LINES)
    assert complaints(f"def long():\n{body}\n") == ["long (line 1): 41 lines"]
    shorter = "\n".join(["    x = 1"] * (FUNCTION_LINES - 1))
    assert complaints(f"def fits():\n    '''Why.'''\n{shorter}\n") == []


def test_a_method_has_five_positional_parameters_beside_self() -> None:
    assert complaints("class A:\n    def m(self, a, b, c, d, e): ...\n") == []
    assert complaints("def f(a, b, c, d, e, f): ...\n") == ["f (line 1): 6 positional parameters"]
    assert complaints("def f(a, b, c, d, e, *, f): ...\n") == []


def test_a_module_over_400_lines_needs_a_reason_and_over_600_none_helps() -> None:
    def lines(count: int, docstring: str = "") -> str:
        return (f'"""{docstring}"""\n' if docstring else "x = 0\n") + "x = 1\n" * (count - 1)

    assert complaints(lines(400)) == []
    assert complaints(lines(401)) == ["401 lines, more than 400 and no 'Budget:' reason in the docstring"]
    assert complaints(lines(600, "Budget: one table.")) == []
    assert complaints(lines(601, "Budget: one table.")) == ["601 lines, more than 600"]
