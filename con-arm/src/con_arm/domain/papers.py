"""Papers that were shown at the counter: marks, checked like the values of a form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from egovorigin.domain.forms import MAX_VALUE, ValueProblem, text_problem

MAX_PAPERS: Final = 50
MAX_PAPER: Final = 200  # characters of a paper's name


@dataclass(frozen=True, slots=True)
class Paper:
    """The mark that a document was shown on paper (Atyrau 427, cl. 8 6)): `kind` is original or copy."""

    name: str
    kind: str
    note: str | None = None

    def as_data(self) -> dict[str, str | None]:
        return {"name": self.name, "kind": self.kind, "note": self.note}


def paper_problems(papers: Sequence[Paper]) -> list[ValueProblem]:
    if len(papers) > MAX_PAPERS:
        return [ValueProblem("", "too_many", MAX_PAPERS)]
    problems = []
    for index, paper in enumerate(papers):
        if not paper.name.strip():
            problems.append(ValueProblem(f"{index}.name", "missing"))
        for field, text, limit in (("name", paper.name, MAX_PAPER), ("note", paper.note or "", MAX_VALUE)):
            if (code := text_problem(text, limit)) is not None:
                problems.append(ValueProblem(f"{index}.{field}", code, limit))
    return problems
