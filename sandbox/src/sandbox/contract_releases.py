"""`egov contracts release`: what partners have been promised, kept in contracts/released/<version>/.

A release that breaks them needs a new major version, and every release its entry in contracts/CHANGELOG.md.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import yaml

from egovkit.contracts import contracts_version
from egovkit.problems import read_errors
from sandbox.contract_changes import ASYNCAPI, ENVELOPE, OPENAPI, breaking, breaking_documents

FOLDER, CHANGELOG = "released", "CHANGELOG.md"
WHOLE = (ASYNCAPI, OPENAPI, ENVELOPE, "messages.yaml", "messages/*.schema.json", "topology.yaml", "VERSION")
Version = tuple[int, int, int]


class NotReleased(Exception):
    """Why not; every reason, a line each."""


def version_of(text: str) -> Version:
    match = re.fullmatch(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", text)
    if match is None:
        raise NotReleased(f"{text} is no version; one is 1.2.3")
    return int(match[1]), int(match[2]), int(match[3])


def newest(contracts: Path, *, but: str | None = None) -> Path | None:
    """The folder of the newest release, other than `but`."""
    folders = [one for one in (contracts / FOLDER).glob("*.*.*") if one.name != but]
    return max(folders, key=lambda one: version_of(one.name), default=None)


def broken_promises(contracts: Path, *, but: str | None = None, documents: bool = True) -> list[str]:
    """What breaks the newest release, when the version does not say so by a new first number. `documents`: also those
    that redocly compares."""
    released = newest(contracts, but=but)
    if released is None or version_of(contracts_version(contracts))[0] > version_of(released.name)[0]:
        return []
    return breaking(released, contracts) + (breaking_documents(released, contracts) if documents else [])


def release(contracts: Path, version: str, *, again: bool = False) -> Path:
    """Keep the contracts as they are under this version, which contracts/VERSION names. `again`: nobody has been given
    that release yet, so it may be replaced. NotReleased; redocly.NotInstalled."""
    there = contracts / FOLDER / version
    reasons = list(_formal(contracts, version, again=again))
    if not reasons:
        broken = broken_promises(contracts, but=version)
        reasons = [f"{one}; that needs a new first number" for one in broken]
    if reasons:
        raise NotReleased("\n".join(reasons))
    shutil.rmtree(there, ignore_errors=True)
    for path in (path for pattern in WHOLE for path in contracts.glob(pattern)):
        place = there / path.relative_to(contracts)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    (there / "errors.yaml").write_text(_errors(contracts), encoding="utf-8")
    return there


def _formal(contracts: Path, version: str, *, again: bool) -> Iterator[str]:
    wanted, last = version_of(version), newest(contracts, but=version)
    if (contracts / FOLDER / version).exists() and not again:
        yield f"{version} is released already, and what is released stays; --again while nobody has it yet"
    if contracts_version(contracts) != version:
        yield f"contracts/VERSION says {contracts_version(contracts)}; write {version} there and run make contracts"
    if last is not None and wanted < version_of(last.name):
        yield f"{version} is older than {last.name}"
    if not re.search(rf"^## {re.escape(version)}\b", (contracts / CHANGELOG).read_text(encoding="utf-8"), re.MULTILINE):
        yield f"contracts/{CHANGELOG} has no entry ## {version}"


def _errors(contracts: Path) -> str:
    """Codes, statuses and sides: texts may be improved at any time."""
    errors = read_errors(contracts / "errors.yaml")
    kept = {code: {"status": one["status"], "side": one["side"]} for code, one in sorted(errors.items())}
    text: str = yaml.safe_dump(kept, sort_keys=False)
    return text
