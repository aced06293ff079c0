"""The internal procedure of an act as work for officials: which step follows which, who may do it, what it hands on.

Pure. The steps themselves, their actors, desks and terms are the catalogue's (clauses 5 to 7 of the regulations of act
34); one case runs through them in order, some skipped by its decision (D14) or by where it was lodged (D3).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from egovlaw.catalogue import InternalBranch, InternalStep, Regulation
from provider_arm.domain.cases import Answer, OfficeKind, Role, Staff

SIGNING: Final = frozenset({"sign", "decide"})
DRAFTING: Final = frozenset({"examine", "prepare"})


@dataclass(frozen=True, slots=True)
class Draft:
    """What the steps hand on: the answer drafted, and what a commission concluded."""

    answer: Answer = Answer.POSITIVE
    text_ru: str = ""
    text_kk: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    variant: str | None = None
    conclusion: str | None = None

    def as_data(self) -> dict[str, Any]:
        return {
            "answer": self.answer.value, "text_ru": self.text_ru, "text_kk": self.text_kk,
            "values": dict(self.values), "variant": self.variant, "conclusion": self.conclusion,
        }  # fmt: skip

    @staticmethod
    def of(data: Mapping[str, Any]) -> Draft:
        return Draft(**{**data, "answer": Answer(data["answer"])})


@dataclass(frozen=True, slots=True)
class Running:
    """The internal procedure of one case. `executor`: who alone does the executor's steps, once he is named."""

    case_id: str
    lodged: InternalBranch
    started_at: datetime
    executor: str | None
    draft: Draft

    def steps(self, regulation: Regulation) -> tuple[InternalStep, ...]:
        return regulation.internal_steps(self.lodged, refused=self.draft.answer is Answer.NEGATIVE)


def key_of(step: InternalStep, turn: int = 1) -> str:
    return f"{step.branch}/{step.n}" + (f"#{turn}" if turn > 1 else "")


def step_of(steps: Sequence[InternalStep], key: str) -> InternalStep | None:
    plain = key.partition("#")[0]
    return next((step for step in steps if key_of(step) == plain), None)


def after(steps: Sequence[InternalStep], step: InternalStep) -> InternalStep | None:
    """The next step; None behind the last."""
    following = iter(steps)
    for one in following:
        if one == step:
            return next(following, None)
    return None


def before(steps: Sequence[InternalStep], step: InternalStep) -> InternalStep | None:
    """The drafting step that an approval sends back to."""
    earlier = steps[: steps.index(step)]
    return next((one for one in reversed(earlier) if one.task in DRAFTING), None)


def makes_result(steps: Sequence[InternalStep], step: InternalStep) -> bool:
    """Whether the document of the result is signed here: the last of the signing steps (D14)."""
    signing = [one for one in steps if one.task in SIGNING]
    return bool(signing) and signing[-1] == step


def may_do(person: Staff, running: Running, step: InternalStep) -> bool:
    """Role and desk of the act; and the executor's steps are the named one's alone."""
    if Role(step.role) not in person.roles or person.office_kind not in desks_of(running, step):
        return False
    return Role(step.role) is not Role.EXECUTOR or running.executor in (None, person.id)


def desks_of(running: Running, step: InternalStep) -> frozenset[OfficeKind]:
    """One list for every desk ("услугодателя или Центра", WKO 10) is worked off where the case was lodged."""
    every: frozenset[OfficeKind] = frozenset(OfficeKind)
    return every if running.lodged == "default" else frozenset({OfficeKind(step.office)})
