"""Where the contracts (data only: errors, topology, messages, participants, regulations) are found, and read once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

# The file that makes a folder "the contracts": every installation has it, and no other folder of that name does.
MARKER = "errors.yaml"
FOR_OTHERS = ("vectors", "released")  # folders that no service reads, with most of the files

YAML_LOADER: Final[Any] = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)  # libyaml is ten times faster where it is built in

T = TypeVar("T")
_State = frozenset[tuple[str, int, int]]
_read: dict[tuple[object, ...], tuple[_State, tuple[object, ...], Any]] = {}


class ContractsNotFound(Exception):
    """No folder with the contracts; the message says where it was looked for and what to set."""


def contracts_dir(configured: Path | None = None) -> Path:
    """The folder holding errors.yaml: `configured`, else EGOV_CONTRACTS, else the nearest `contracts` folder going
    up from the working directory, then from this package (an editable install lies inside the repository)."""
    named = configured or (Path(value) if (value := os.environ.get("EGOV_CONTRACTS")) else None)
    if named is not None:
        if (named / MARKER).is_file():
            return named.resolve()
        raise ContractsNotFound(f"{named} holds no {MARKER}: EGOV_CONTRACTS (or the setting `contracts`) is wrong")
    for candidate in _candidates():
        if (candidate / MARKER).is_file():
            return candidate
    raise ContractsNotFound(f"no folder `contracts` with {MARKER} above {Path.cwd()}; set EGOV_CONTRACTS to it")


def contracts_version(contracts: Path) -> str:
    """Their version, as 1.0.0 (docs/reference/compatibility.md says what its parts promise)."""
    return (contracts / "VERSION").read_text(encoding="utf-8").strip()


def read_yaml(path: Path) -> Any:
    """What a YAML file of ours says (UTF-8, safe tags)."""
    return yaml.load(path.read_text(encoding="utf-8"), YAML_LOADER)


def read_once(read: Callable[..., T], contracts: Path, *given: object) -> T:
    """`read(contracts, *given)`, which gives something immutable, or what it gave before for the same files and the
    very same `given`: things that were read once themselves.

    Five services of one process read the same regulations, messages and problems: half a second of its start.
    """
    state = frozenset(_files(contracts))
    key = (read, contracts, *map(id, given))
    known = _read.get(key)
    if known is None or known[0] != state:
        known = _read[key] = (state, given, read(contracts, *given))  # `given` is kept, so that its id stays its own
    result: T = known[2]
    return result


def _files(folder: Path | str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in FOR_OTHERS:
                continue
            if entry.is_dir():
                yield from _files(entry.path)
            else:
                found = entry.stat()
                yield entry.path, found.st_mtime_ns, found.st_size


def _candidates() -> Iterator[Path]:
    for start in (Path.cwd(), Path(__file__).resolve().parent):
        for folder in (start, *start.parents):
            yield folder / "contracts"
