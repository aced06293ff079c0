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


Mishap = Literal["wrong_password", "expired_certificate"]


@dataclass(frozen=True, slots=True)
class Scenario:
    """On the portal a `citizen` acts himself; at a desk or counter an official acts for a `consumer`, an example that
    the person register names, and for whoever holds the power of attorney `attorney`, one of the notaries' register.

    `check` None: it ends before the provider has anything to check. `demo`: one of those the demo plays.
    """

    name: str
    title: str
    title_kk: str
    order: int  # they are played in this order
    regulation: str
    channel: str
    region: str  # of the provider's official; the provider itself follows from the regulation
    office: str
    official: Person
    form: dict[str, Any]
    demo: bool = False
    citizen: Person | None = None
    consumer: str | None = None
    attorney: str | None = None
    operator: Person | None = None
    papers: tuple[dict[str, str], ...] = ()
    attachments: tuple[Paper, ...] = ()
    mishap: Mishap | None = None
    check: Check | None = None
    result: ResultText | None = None

    @property
    def expected(self) -> Path:
        return EXPECTED / f"{self.name}.yaml"


def load(path: Path) -> Scenario:
    """Read one file; unknown and missing keys and contradictions are mistakes, told with the file."""
    try:
        data = dict(yaml.safe_load(path.read_text()))
        for name in ("citizen", "official", "operator"):
            if data.get(name) is not None:
                data[name] = Person(**data[name])
        data["attachments"] = tuple(Paper(**paper) for paper in data.get("attachments", ()))
        data["papers"] = tuple(data.get("papers", ()))
        if data.get("check") is not None:
            check = dict(data["check"])
            data["check"] = Check(check.pop("outcome"), tuple(check.pop("reasons", ())), **check)
        data["result"] = ResultText(**data["result"]) if data.get("result") else None
        scenario = Scenario(name=path.stem, **data)
    except (TypeError, KeyError, ValueError, yaml.YAMLError) as error:
        raise BadScenario(f"{path.name}: {error}") from error
    if mistake := _contradiction(scenario):
        raise BadScenario(f"{path.name}: {mistake}")
    return scenario


def _contradiction(scenario: Scenario) -> str | None:
    if (scenario.citizen is None) == (scenario.consumer is None):
        return "exactly one of citizen and consumer applies"
    if scenario.check is not None and scenario.check.outcome == "ok" and scenario.result is None:
        return "documents in order lead to a result, and none is given"
    return None


def load_all(folder: Path = SCENARIOS) -> list[Scenario]:
    """Every scenario of a folder, in the order they are played."""
    return sorted((load(path) for path in folder.glob("*.yaml")), key=lambda one: (one.order, one.name))
