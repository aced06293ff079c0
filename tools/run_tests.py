"""Run the tests tier by tier and print what each took: `run_tests.py [unit,service,...] [pytest options]`.

Every tier runs even when an earlier one failed; the exit status tells whether all passed. A tier that finds
no test fails, and so does a skipped test of the tiers that need servers, unless EGOV_ALLOW_SKIP=1: silence is
not success.
"""

from __future__ import annotations

import os
import shutil
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
GIVEN_SERVERS = ("EGOV_TEST_AMQP_URL", "EGOV_TEST_DB_URL")
MARKED = ("service", *NEEDS_SERVERS)
MEMORY = Path("/dev/shm")  # a file system in memory: nobody waits there for a disk that others write to, too
MEMORY_NEEDED = 4 * 1024**3  # the most a tier has on it at once is a tenth of that; a container's own has 64 MB
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


def places(name: str) -> list[str]:
    """The folders of a tier; of one that goes by its marker the files that have it: to import all others takes longer
    than many a test."""
    found = folders(TIERS[name][1])
    if name not in MARKED:
        return found
    files = sorted({path for folder in found for path in (ROOT / folder).rglob("test_*.py")})
    return [str(path.relative_to(ROOT)) for path in files if f"mark.{name}" in path.read_text(encoding="utf-8")]


def spread(name: str) -> list[str]:
    """Below "connected" tests share nothing, so every core gets its part of them. Above, two processes with servers of
    their own each: the tests of one world stay together (conftest.py). Given servers are for one process."""
    cores = os.cpu_count() or 1
    if name not in NEEDS_SERVERS:
        return ["-n", str(cores), "--dist", "worksteal"]
    if any(os.environ.get(given) for given in GIVEN_SERVERS):
        return []
    return ["-n", str(min(2, cores)), "--dist", "loadfile"]


def environment() -> dict[str, str]:
    """Bytecode is written, whatever the caller's shell says: a run starts some hundred processes, and each would
    compile everything again, as would each tier the assertions of its tests."""
    found = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    if "TMPDIR" in found or not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < MEMORY_NEEDED:
        return found
    return {**found, "TMPDIR": str(MEMORY)}


def run_tier(name: str, extra: list[str]) -> TierResult:
    print(f"--- {name}", flush=True)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch, "report.xml")
        command = [sys.executable, "-m", "pytest", "-m", TIERS[name][0], f"--junitxml={report}", *spread(name), *extra]
        status = subprocess.run([*command, *places(name)], cwd=ROOT, env=environment(), check=False).returncode
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
    if any(name in NEEDS_SERVERS for name in chosen) and not debian_packages.ensure(browser="e2e" in chosen):
        return 1
    results = [run_tier(name, arguments) for name in chosen]
    print("---")
    for result in results:
        print(result.line())
    return int(any(result.complaint for result in results))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
