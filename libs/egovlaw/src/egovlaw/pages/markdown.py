"""Markdown that says exactly what the act says: quotations, escaping, tables, anchors. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"([\\`*_<>\[\]|~])")
_LIST = re.compile(r"^(\s*)(\d+)([.)])(?=\s|$)")
_BULLET = re.compile(r"^(\s*)([-+#=])")


def escape(text: str) -> str:
    """One line of foreign text, none of which is markup."""
    line = _SPECIAL.sub(r"\\\1", " ".join(text.split()))
    return _BULLET.sub(r"\1\\\2", _LIST.sub(r"\1\2\\\3", line))


def own(text: str) -> str:
    """Our own note, whose backticks are meant as such."""
    return " ".join(text.split())


def quote(text: str) -> list[str]:
    """A quotation with the line breaks of the text."""
    lines = [escape(line) for line in text.split("\n") if line.strip()]
    return [f"> {line}\\" for line in lines[:-1]] + [f"> {line}" for line in lines[-1:]]


def heading(level: int, text: str, anchor: str | None = None) -> list[str]:
    return ["", f"{'#' * level} {anchored(anchor) if anchor else ''}{text}", ""]


def anchored(anchor: str) -> str:
    return f'<a id="{anchor}"></a>'


def link(text: str, target: str) -> str:
    return f"[{text}]({target})"


def bullet(name: str, value: str) -> str:
    return f"- **{name}**: {value}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """For short cells only; long texts stand in bullets and quotations."""
    return [f"| {' | '.join(cells)} |" for cells in (head, ["---"] * len(head), *rows)] + [""]


def document(lines: Iterable[str]) -> str:
    """The lines as a file: no two empty lines together, one line end at the end."""
    text = "\n".join(line.rstrip() for line in lines).strip()
    return re.sub(r"\n{3,}", "\n\n", text) + "\n"
