"""Every Russian text of a regulation against its act: the list of digests that is committed with the regulation.

Whoever mends a typo in a file changes the law, so an edit has to touch file and list. A line of a list is

    <SHA-256 of the text, runs of white space made one blank> <how it was compared> <key> <clause>

in the order of the file. `verbatim`: every line of the text stands in the act, white space, the blanks to be filled in
and the marks of a Markdown file aside. `read`: it does not, and was held against the act by eye. Pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from egovlaw.checks import Finding, Path

VERBATIM, READ = "verbatim", "read"
GAP = "[…]"

_NOT_LETTERS = re.compile(r"[\s_*\\#>|\u00ad]+")


@dataclass(frozen=True, slots=True)
class Passage:
    """One Russian text of a file, where it stands, and whether a person's name was left out of it."""

    path: Path
    key: str
    clause: str
    text: str
    omitted: bool = False

    @property
    def entry(self) -> tuple[str, str, str]:
        return digest(self.text), self.key, self.clause


def digest(text: str) -> str:
    return hashlib.sha256(" ".join(text.split()).encode()).hexdigest()


def passages(raw: Any, at: Path = (), within: Passage = Passage((), "", "-", "")) -> Iterator[Passage]:
    """Every Russian text of a regulation's raw data, in its order."""
    if isinstance(raw, dict):
        clause, omitted = str(raw.get("clause", within.clause)), "omitted" in raw
        for key, value in raw.items():
            yield from passages(value, (*at, key), Passage(at, key, clause, "", omitted))
    elif isinstance(raw, list):
        for n, value in enumerate(raw):
            yield from passages(value, (*at, n), within)
    elif isinstance(raw, str) and (within.key == "ru" or within.key.endswith("_ru")):
        yield Passage(at, within.key, within.clause, raw, within.omitted)


def digest_list(raw: Any, act: str) -> list[tuple[str, Passage]]:
    """How each text compares with the text of the act, in the order of the file."""
    letters = _letters(act)
    return [(VERBATIM if _stands_in(one, letters) else READ, one) for one in passages(raw)]


def line_of(way: str, passage: Passage) -> str:
    sha, key, clause = passage.entry
    return f"{sha} {way} {key} {clause}"


def differences(raw: Any, listed: Sequence[str]) -> Iterator[Finding]:
    """What was changed, added or taken out since the file was compared with the act."""
    found = list(passages(raw))
    was = [(line[:64], *line.split(" ", 3)[2:]) for line in listed]
    matcher = SequenceMatcher(None, [one.entry for one in found], was, autojunk=False)
    for tag, start, end, was_start, was_end in matcher.get_opcodes():
        if tag == "equal":
            continue
        for one in found[start:end]:
            yield one.path, f"{one.key} of {one.clause} is not the text that was compared with the act: {one.text}"
        for _, key, clause in was[was_start + end - start : was_end]:
            path = found[min(end, len(found) - 1)].path if found else ()
            yield path, f"before this, a {key} of {clause} that was compared with the act is missing"


def _letters(text: str) -> str:
    return _NOT_LETTERS.sub("", text)


def _stands_in(passage: Passage, letters: str) -> bool:
    """A gap where a name was left out is ours, so the pieces beside it count; any other gap is the scan's."""
    lines = passage.text.split("\n")
    pieces = [piece for line in lines for piece in (line.split(GAP) if passage.omitted else (line,))]
    return all(_letters(piece) in letters for piece in pieces)
