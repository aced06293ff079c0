"""Run the tests tier by tier and print what each took: `run_tests.py [unit,service,...] [pytest options]`.

Every tier runs even when an earlier one failed; the exit status tells whether all passed. A tier that finds
no test fails, and so does a skipped test of the tiers that need servers, unless EGOV_ALLOW_SKIP=1: silence is
not success.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

import debian_packages

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("libs/*/tests", "services/*/tests", "*/tests")
NEEDS_SERVERS = ("connected", "e2e")
NO_TESTS = 5  # pytest's exit status when nothing was collected

# name -> (marker expression, folders)
TIERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "unit": ("not service and not connected and not e2e", PACKAGES),
    "service": ("service", (*PACKAGES, "tests")),
    "connected": ("connected", (*PACKAGES, "tests")),
    "e2e": ("e2e", (*PACKAGES, "tests")),
    "contracts": ("not service and not connected and not e2e", ("tests",)),
}


@dataclass(frozen=True)
class TierResult:
    name: str
    status: int
    seconds: float
    tests: int
    failed: int
    skipped: int

    @property
    def complaint(self) -> str | None:
        if self.status == NO_TESTS or self.tests == 0:
            return "no tests"
        if self.status != 0:
            return f"{self.failed} failed" if self.failed else f"pytest exit {self.status}"
        if self.skipped and self.name in NEEDS_SERVERS and os.environ.get("EGOV_ALLOW_SKIP") != "1":
            return "skipped tests (EGOV_ALLOW_SKIP=1 to allow)"
        return None

    def line(self) -> str:
        verdict = "ok  " if self.complaint is None else "FAIL"
        tail = "" if self.complaint is None else f"  {self.complaint}"
        numbers = f"{self.tests:>5} tests {self.skipped:>3} skipped {self.seconds:>7.1f} s"
        return f"{verdict}  {self.name:<10} {numbers}{tail}"


def folders(patterns: tuple[str, ...]) -> list[str]:
    found = {str(path.relative_to(ROOT)) for pattern in patterns for path in ROOT.glob(pattern) if path.is_dir()}
    return sorted(found)


def run_tier(name: str, extra: list[str]) -> TierResult:
    expression, patterns = TIERS[name]
    # Below "connected" tests share nothing, so every core gets its part of them.
    spread = [] if name in NEEDS_SERVERS else ["-n", str(os.cpu_count() or 1), "--dist", "worksteal"]
    print(f"--- {name}", flush=True)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report.xml")
        command = [sys.executable, "-m", "pytest", "-m", expression, f"--junitxml={report}", *spread, *extra]
        status = subprocess.run([*command, *folders(patterns)], cwd=ROOT, check=False).returncode
        tests, failed, skipped = counts(report)
    return TierResult(name, status, time.perf_counter() - began, tests, failed, skipped)


def counts(report: Path) -> tuple[int, int, int]:
    if not report.exists():
        return 0, 0, 0
    suites = list(ElementTree.parse(report).getroot().iter("testsuite"))

    def total(*names: str) -> int:
        return sum(int(suite.get(name, "0")) for suite in suites for name in names)

    return total("tests"), total("failures", "errors"), total("skipped")


def main(arguments: list[str]) -> int:
    chosen = list(TIERS)
    if arguments and not arguments[0].startswith("-"):
        chosen = arguments.pop(0).split(",")
    unknown = [name for name in chosen if name not in TIERS]
    if unknown:
        print(f"unknown tier {', '.join(unknown)}; there are {', '.join(TIERS)}", file=sys.stderr)
        return 2
    if any(name in NEEDS_SERVERS for name in chosen) and not debian_packages.ensure():
        return 1
    results = [run_tier(name, arguments) for name in chosen]
    print("---")
    for result in results:
        print(result.line())
    return int(any(result.complaint for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
