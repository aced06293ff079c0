"""contracts/identities.yaml: persons, deeds, places in queues and certificates that always give the same outcome.

The twins of the registers read it for those whose questions are always bent, `egov identities` for people.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egovkit.contracts import read_yaml

PERSON, ATTORNEY, QUEUE, CERTIFICATE = "person", "attorney", "queue", "certificate"


@dataclass(frozen=True, slots=True)
class Identity:
    """`system` knows it; `example` is its name there (GET /v1/control/examples), `facts` what a question names beside
    an ИИН. `fault` always bends answers about it. `order` is what nuc-mock is asked for, `refusal` what then comes."""

    name: str
    kind: str
    system: str
    texts: Mapping[str, str]
    iin: str | None = None
    example: str | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    fault: str | None = None
    seconds: float | None = None
    order: Mapping[str, Any] | None = None
    refusal: str | None = None


def load_identities(contracts: Path) -> Mapping[str, Identity]:
    """By name, in the order of the file."""
    entries = read_yaml(contracts / "identities.yaml")["identities"]
    return {entry["name"]: _identity(entry) for entry in entries}


def _identity(entry: Mapping[str, Any]) -> Identity:
    own = {name: value for name, value in entry.items() if name not in ("en", "ru", "kk")}
    return Identity(texts={language: entry[language] for language in ("en", "ru", "kk")}, **own)
