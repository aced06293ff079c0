"""Change one limit or route of the law at a time and see whether a test notices: `mutate.py [--count N] [--seed N]`.

Each mutant is a copy of the contracts and of the law's tests in a scratch folder; the tests that hold the catalogue
against the acts run there until one fails. A mutant that passes them all survives: nothing we have would notice that
change of the law. Exit status 1 when one does.
"""

from __future__ import annotations

import argparse
import json
import os
import random  # noqa: TID251 - a sample of changes, with a seed to repeat it; nothing of the product
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from egovlaw.documents import read_document

ROOT = Path(__file__).resolve().parent.parent
LAW = Path("contracts/regulations")
FOLDERS = ("tests/law", "libs/egovlaw/tests")
NEEDED = ("contracts", *FOLDERS, "conftest.py", "pyproject.toml", "tests/__init__.py")
# What holds the catalogue against the acts; the second reading first: it notices most, and fastest.
TESTS = (
    "tests/law/test_second_reading.py",
    "tests/law/test_measures.py",
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / FOLDERS[1]).glob("test_*against*.py")),
    *(f"{FOLDERS[1]}/test_{subject}.py" for subject in ("flow", "limits", "routing")),
)
PATIENCE_S = 300  # a mutant's tests take seconds; this long only when they hang

Place = tuple[str | int, ...]
Change = Callable[[Any], Any]


@dataclass(frozen=True)
class Mutant:
    """One change: the value at `place` of `file` becomes `after`."""

    file: str
    line: int
    place: Place
    before: Any
    after: Any

    def __str__(self) -> str:
        where = "/".join(str(part) for part in self.place)
        return f"{self.file}:{self.line} {where}: {self.before!r} -> {self.after!r}"


def mutants() -> list[Mutant]:
    """Every change of a limit or a route that can be made in the catalogue."""
    found = []
    for path in sorted((ROOT / LAW).glob("*/*.yaml")):
        document = read_document(path, ROOT / LAW)
        for place, before, after in _changes(document.value):
            found.append(Mutant(document.file, document.line(place), place, before, after))
    return found


def _changes(raw: Any) -> Iterator[tuple[Place, Any, Any]]:
    for n, channel in enumerate(raw["channels"]):
        for place, before, after in _channel(channel):
            yield ("channels", n, *place), before, after
    for key in ("internal_procedure", "terms"):
        for n, entry in enumerate(raw[key]):
            yield from _longer((key, n, "limit"), entry["limit"])


def _channel(channel: Any) -> Iterator[tuple[Place, Any, Any]]:
    labels = [item["label"] for item in channel["flow"]]
    for n, item in enumerate(channel["flow"]):
        at: Place = ("flow", n)
        yield from _longer((*at, "limit"), item.get("limit"))
        onward = item["next"]
        if isinstance(onward, dict):
            turned = {"ok": onward["violation"], "violation": onward["ok"]}
            yield (*at, "next"), onward, turned
        elif onward is not None:
            other = next(label for label in reversed(labels) if label not in (onward, item["label"]))
            yield (*at, "next"), onward, other
        if item.get("registers"):
            yield (*at, "registers"), item["registers"], ["attorney"]
    for n, row in enumerate(channel["table"]):
        yield from _longer(("table", n, "limit"), row["limit"])
    for n, limit in enumerate(channel["limits"]):
        yield ("limits", n, "max_s"), limit["max_s"], limit["max_s"] + 30
        measured = limit["measured_by"]
        yield ("limits", n, "measured_by"), measured, "con-arm" if measured != "con-arm" else "portal-pep"
        yield ("limits", n, "class"), limit["class"], "citizen" if limit["class"] != "citizen" else "staff"
    for n, side in enumerate(channel["side_messages"]):
        other = next(label for label in labels if label not in side["during"])
        yield ("side_messages", n, "during"), side["during"], [other]


def _longer(place: Place, limit: Any) -> Iterator[tuple[Place, Any, Any]]:
    for unit, value in (limit or {}).items():
        yield (*place, unit), value, value + 1


def survives(mutant: Mutant) -> bool:
    """Whether every test of the law passes with it."""
    return _complaint(mutant) == ""


def _complaint(mutant: Mutant) -> str:
    """What the first failing test says; empty when they all pass."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as scratch:
        tree = Path(scratch)
        for name in NEEDED:
            source, target = ROOT / name, tree / name
            target.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, target)
        _write(mutant, tree / LAW)
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", *TESTS]
        environment = {**os.environ, "EGOV_CONTRACTS": str(tree / "contracts")}
        done = subprocess.run(
            command, cwd=tree, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    if done.returncode not in (0, 1, 2):
        raise RuntimeError(f"the tests did not run: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return "" if done.returncode == 0 else f"{done.stdout[-3000:]}{done.stderr[-1000:]}"


def _write(mutant: Mutant, law: Path) -> None:
    value = deepcopy(read_document(law / mutant.file, law).value)
    here = value
    for part in mutant.place[:-1]:
        here = here[part]
    here[mutant.place[-1]] = mutant.after
    (law / mutant.file).write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")  # JSON is YAML


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Change the law at random; see whether a test notices.")
    parser.add_argument("--count", type=int, default=50, help="how many changes (default 50)")
    parser.add_argument("--seed", type=int, default=None, help="repeat the sample of an earlier run")
    parser.add_argument("--parallel", type=int, default=os.cpu_count() or 1)
    wanted = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(10**6) if wanted.seed is None else wanted.seed
    every = mutants()
    sample = random.Random(seed).sample(every, min(wanted.count, len(every)))
    print(f"{len(sample)} of {len(every)} changes of a limit or a route, --seed {seed}", flush=True)
    if complaint := _complaint(replace(every[0], after=every[0].before)):
        print(f"the tests fail with the law unchanged:\n{complaint}", file=sys.stderr)
        return 2
    survivors = 0
    with ThreadPoolExecutor(wanted.parallel) as pool:
        for mutant, lives in zip(sample, pool.map(survives, sample), strict=True):
            survivors += lives
            print(f"{'SURVIVED' if lives else 'noticed '}  {mutant}", flush=True)
    print(f"{survivors} survived" if survivors else "every change was noticed")
    return int(survivors > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
