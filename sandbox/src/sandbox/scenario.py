"""A scenario: what a synthetic citizen and the provider's staff do, as data. Python names no regulation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = ROOT / "scenarios"
EXPECTED = ROOT / "expected"


class BadScenario(Exception):
    """A scenario that cannot be read; names the file and the key."""


@dataclass(frozen=True, slots=True)
class Paper:
    """A synthetic copy of a document: one empty page whose title is `text`."""

    name: str
    text: str

    media_type = "application/pdf"

    def content(self) -> bytes:
        title = ("\ufeff" + self.text).encode("utf-16-be").hex()  # PDF 32000-1, 7.9.2.2: text strings
        objects = (
            "<</Type/Catalog/Pages 2 0 R>>",
            "<</Type/Pages/Kids[3 0 R]/Count 1>>",
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
            f"<</Title<{title}>>>",
        )
        body, places = b"%PDF-1.4\n", []
        for n, text in enumerate(objects, 1):
            places.append(len(body))
            body += f"{n} 0 obj{text}endobj\n".encode()
        table = "".join(f"{place:010d} 00000 n \n" for place in places)
        end = f"xref\n0 5\n0000000000 65535 f \n{table}trailer<</Size 5/Root 1 0 R/Info 4 0 R>>\n"
        return body + f"{end}startxref\n{len(body)}\n%%EOF\n".encode()


@dataclass(frozen=True, slots=True)
class Person:
    surname: str
    name: str


@dataclass(frozen=True, slots=True)
class Check:
    """What the provider's official finds."""

    outcome: Literal["ok", "violations"]
    reasons: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ResultText:
    ru: str
    kk: str
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    title: str
    title_kk: str
    order: int  # the demo runs them in this order
    regulation: str
    channel: str
    region: str  # of the provider's official; the provider itself follows from the regulation
    office: str
    citizen: Person
    official: Person
    form: dict[str, Any]
    check: Check
    attachments: tuple[Paper, ...] = ()
    result: ResultText | None = None

    @property
    def expected(self) -> Path:
        return EXPECTED / f"{self.name}.yaml"


def load(path: Path) -> Scenario:
    """Read one file; unknown and missing keys are mistakes, told with the file."""
    try:
        data = dict(yaml.safe_load(path.read_text()))
        data["citizen"] = Person(**data["citizen"])
        data["official"] = Person(**data["official"])
        data["attachments"] = tuple(Paper(**paper) for paper in data.get("attachments", ()))
        check = dict(data["check"])
        data["check"] = Check(check.pop("outcome"), tuple(check.pop("reasons", ())), **check)
        data["result"] = ResultText(**data["result"]) if data.get("result") else None
        scenario = Scenario(name=path.stem, **data)
    except (TypeError, KeyError, ValueError, yaml.YAMLError) as error:
        raise BadScenario(f"{path.name}: {error}") from error
    if scenario.check.outcome == "ok" and scenario.result is None:
        raise BadScenario(f"{path.name}: documents in order lead to a result, and none is given")
    return scenario


def load_all(folder: Path = SCENARIOS) -> list[Scenario]:
    """Every scenario of a folder, in the order the demo runs them."""
    return sorted((load(path) for path in folder.glob("*.yaml")), key=lambda one: (one.order, one.name))
