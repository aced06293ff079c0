"""What docker-compose.yml and the Dockerfiles say, read the way compose reads them."""

from __future__ import annotations

import json
import re
import shlex
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
BASE, TLS = ROOT / "docker-compose.yml", ROOT / "docker-compose.tls.yml"
REPLACED = ("command", "test", "entrypoint")  # lists that an override replaces; all others it appends to
UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


def project(*files: Path) -> dict[str, Any]:
    """The files, each laid over the ones before it."""
    merged: dict[str, Any] = {}
    for file in files or (BASE,):
        merged = _over(merged, yaml.safe_load(file.read_text()))
    return {key: value for key, value in merged.items() if not key.startswith("x-")}


def _over(below: Any, above: Any, key: str = "") -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {name: _over(below.get(name), above.get(name, below.get(name)), name) for name in {**below, **above}}
    if isinstance(below, list) and isinstance(above, list) and key not in REPLACED and below is not above:
        return [*below, *(item for item in above if item not in below)]
    return deepcopy(above)


def seconds(text: str) -> float:
    """A duration: 10s, 1m30s."""
    return sum(float(number) * UNITS[unit] for number, unit in re.findall(r"([\d.]+)([smh])", text))


@dataclass(slots=True)
class Image:
    """What an image adds to a container: the last stage of its Dockerfile."""

    environment: dict[str, str] = field(default_factory=dict)
    command: list[str] = field(default_factory=list)
    healthcheck: dict[str, Any] = field(default_factory=dict)
    exposed: list[int] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    copied: dict[str, str] = field(default_factory=dict)  # place in the image: folder of the repository
    user: str = "root"


def image(dockerfile: Path) -> Image:
    """The instructions our Dockerfiles use; another one is an error, not something silently left out."""
    text = re.sub(r"\\\n\s*", "", dockerfile.read_text())
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    last = max(n for n, line in enumerate(lines) if line.startswith("FROM "))
    made = Image()
    for line in lines[last + 1 :]:
        word, _, rest = line.partition(" ")
        _instruction(made, word, rest.strip())
    return made


def _instruction(made: Image, word: str, rest: str) -> None:
    match word:
        case "ENV":
            made.environment |= dict(part.split("=", 1) for part in shlex.split(rest))
        case "CMD":
            made.command = json.loads(rest)
        case "EXPOSE":
            made.exposed.append(int(rest))
        case "VOLUME":
            made.volumes.append(rest)
        case "USER":
            made.user = rest
        case "COPY":
            source, place = [part for part in rest.split() if not part.startswith("--")]
            if "--from" not in rest:
                made.copied[place] = source
        case "HEALTHCHECK":
            options, _, command = rest.partition("CMD ")
            found = dict(re.findall(r"--([a-z-]+)=(\S+)", options))
            made.healthcheck = {name.replace("-", "_"): value for name, value in found.items()}
            made.healthcheck["test"] = ["CMD", *json.loads(command)]
        case "RUN":
            assert rest.startswith("useradd "), rest
        case _:
            raise ValueError(f"{word} {rest}: not an instruction known here")
