"""What was looked at, what is wrong with it, and what could not be checked."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from egovkit.errors import EgovError
from egovkit.problems import Problems

NEAR = 3  # names offered for one that is not known
PER_FIELD = frozenset({"envelope.attribute_invalid", "data.invalid"})


class Unreadable(Exception):
    """Nothing can be said about it; the message says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    code: str
    where: str
    title: str
    detail: str
    remedy: str
    near: tuple[str, ...] = ()


@dataclass(slots=True)
class Report:
    """`notes`: what could not be checked, and what is good to know."""

    subject: str
    problems: Problems
    lang: str
    what: str = ""
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def find(self, error: EgovError, where: str = "", near: Iterable[str] = ()) -> None:
        """In the words of errors.yaml; field by field where it names fields."""
        shown = self.problems.render(error, self.lang)
        texts = shown["title"], shown["detail"], shown["remedy"]
        if error.code in PER_FIELD and error.errors:
            title, _, remedy = texts
            for one in shown["errors"]:
                place = ".".join(part for part in (where, one["field"]) if part)
                self.findings.append(Finding(error.code, place, title, f"{one['field']}: {one['message']}", remedy))
            return
        self.findings.append(Finding(error.code, where, *texts, tuple(near)))

    def as_json(self) -> dict[str, Any]:
        findings = [asdict(one) for one in self.findings]
        return {"subject": self.subject, "what": self.what, "findings": findings, "notes": self.notes}

    def lines(self) -> Iterable[str]:
        yield f"{self.subject}: {self.what}"
        for one in self.findings:
            yield f"  ✗ {one.code}" + (f" at {one.where}" if one.where else "")
            yield f"      {one.title}. {one.detail}"
            if one.near:
                yield f"      nearest: {', '.join(one.near)}"
            yield f"      -> {one.remedy}"
        yield from (f"  · {note}" for note in self.notes)
        if not self.findings:
            yield "  ✓ nothing wrong was found"


def nearest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Names one may have meant."""
    return tuple(difflib.get_close_matches(name, sorted(known), NEAR, 0.6))
