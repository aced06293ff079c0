"""A sample of `make mutate`: a limit or route of the law that is changed is noticed by the tests of the law."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_a_changed_limit_or_route_is_noticed() -> None:
    """Another three each time; the seed in the output repeats them."""
    command = [sys.executable, "tools/mutate.py", "--count", "3", "--parallel", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(re.findall(r"^noticed ", done.stdout, re.MULTILINE)) == 3, done.stdout
