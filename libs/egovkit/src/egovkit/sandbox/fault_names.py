"""contracts/faults.yaml: which faults there are, where each bites, what it takes. Pure: a wish is checked here."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egovkit.contracts import read_yaml
from egovkit.errors import EgovError, FieldError

PUBLISH, DELIVERY, CERTIFICATE = "publish", "delivery", "certificate"
REQUEST, REPLY = "request", "reply"
CLOCK, REGISTER, BROKER, AUTHORITY = "clock", "register", "broker", "authority"
AT = "at"  # the parameter of a fault that bites at two places

_CHANCE = frozenset({"person", "case", "rate", "times", "seed"})
_MESSAGE = _CHANCE | {"step", "message"}
# What narrows a fault down, by where it bites; the rest has no meaning there.
SELECTORS: Mapping[str, frozenset[str]] = {
    PUBLISH: _MESSAGE,
    DELIVERY: _MESSAGE,
    CERTIFICATE: _MESSAGE,
    REQUEST: _CHANCE,
    REPLY: _CHANCE,
    REGISTER: frozenset({"person", "times"}),
    CLOCK: frozenset(),
    BROKER: frozenset(),
    AUTHORITY: frozenset({"rate", "times", "seed"}),
}


@dataclass(frozen=True, slots=True)
class Parameter:
    type: str
    min: float | None = None
    max: float | None = None
    pattern: str | None = None
    default: float | str | None = None
    required: bool = False
    secret: bool = False

    def problem(self, name: str, value: object) -> FieldError | None:
        where = f"parameters.{name}"
        if self.type == "text":
            if not isinstance(value, str):
                return FieldError(where, "wrong_type", "a text is expected")
            good = self.pattern is None or re.fullmatch(self.pattern, value)
            return None if good else FieldError(where, "wrong_form", f"must match {self.pattern}")
        if isinstance(value, bool) or not isinstance(value, int | float):
            return FieldError(where, "wrong_type", "a number is expected")
        inside = (self.min is None or value >= self.min) and (self.max is None or value <= self.max)
        limits = {"limit": f"{self.min:g} - {self.max:g}"} if self.min is not None and self.max is not None else {}
        return None if inside else FieldError(where, "out_of_range", "out of range", limits)


@dataclass(frozen=True, slots=True)
class FaultSpec:
    name: str
    bites: tuple[str, ...]
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    def place(self, parameters: Mapping[str, Any]) -> str:
        """Where it bites with these parameters."""
        return str(parameters.get(AT, self.bites[0]))

    def completed(self, parameters: Mapping[str, Any], selectors: Sequence[str]) -> dict[str, Any]:
        """The parameters with their defaults. EgovError request.invalid naming everything that is wrong."""
        known = dict(self.parameters)
        if len(self.bites) > 1:
            known[AT] = Parameter("text", pattern="|".join(self.bites), default=self.bites[0])
        mistakes = []
        for name, value in parameters.items():
            if name not in known:
                mistakes.append(FieldError(f"parameters.{name}", "unknown", f"{self.name} takes {_list(known)}"))
            elif (problem := known[name].problem(name, value)) is not None:
                mistakes.append(problem)
        for name, one in known.items():
            if one.required and name not in parameters:
                mistakes.append(FieldError(f"parameters.{name}", "missing", f"{self.name} needs it"))
        place = self.place(parameters)
        meant = SELECTORS.get(place, _MESSAGE)
        for name in selectors:
            if name not in meant:
                mistakes.append(FieldError(name, "not_allowed", f"means nothing to {self.name}, which bites: {place}"))
        if mistakes:
            raise EgovError("request.invalid", errors=mistakes)
        defaults = {name: one.default for name, one in known.items() if one.default is not None}
        return {**defaults, **parameters}


class FaultNames:
    """The catalogue."""

    def __init__(self, specs: Mapping[str, FaultSpec]) -> None:
        self.specs = specs

    @classmethod
    def load(cls, contracts: Path) -> FaultNames:
        entries = read_yaml(contracts / "faults.yaml")["faults"]
        return cls({entry["name"]: _spec(entry) for entry in entries})

    def spec(self, name: str) -> FaultSpec:
        """EgovError fault.unknown, with the names that come nearest."""
        found = self.specs.get(name)
        if found is None:
            raise EgovError("fault.unknown", name=name[:64], nearest=nearest(name, self.specs))
        return found


def nearest(name: str, known: Mapping[str, Any] | Sequence[str]) -> str:
    """The names that look like it, or all of them."""
    return ", ".join(difflib.get_close_matches(name, list(known), n=3, cutoff=0.5) or sorted(known))


def _list(known: Mapping[str, Any]) -> str:
    return ", ".join(known) or "no parameters"


def _spec(entry: Mapping[str, Any]) -> FaultSpec:
    parameters = {name: Parameter(**how) for name, how in entry.get("parameters", {}).items()}
    texts = {language: entry[language] for language in ("en", "ru", "kk")}
    return FaultSpec(entry["name"], tuple(entry["bites"]), parameters, texts)
