"""docs/tutorial/first-signed-answer.md, run as written: its shell blocks in a shell, its outputs compared.

Only what gets the checkout and its environment is left out (`sh setup`). Home, ports and working folder are given by
the environment variables that the page itself reads.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e
PAGE = Path(__file__).resolve().parents[2] / "docs" / "tutorial" / "first-signed-answer.md"
BLOCK = re.compile(r"^```(sh|text)(?: (\w+))?\n(.*?)^```$", re.M | re.S)
MARK = "=== end of block ==="
UP = "The bus is up"
PATIENCE_SECONDS = 600  # of the whole page, on a busy machine; alone it takes a minute


def blocks() -> list[tuple[str, str, str]]:
    return BLOCK.findall(PAGE.read_text(encoding="utf-8"))


def steps() -> list[tuple[str, str | None]]:
    """Each block to be run, with what the page shows of it."""
    found: list[tuple[str, str | None]] = []
    for language, kind, text in blocks():
        if (language, kind) == ("sh", ""):
            found.append((text, None))
        elif (language, kind) == ("text", "shown"):
            found[-1] = (found[-1][0], text)
    return found


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("tutorial")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    given = {"EGOV_HOME": str(folder / "home"), "EGOV_WORK": str(folder / "work"), "EGOV_PORTS": "auto"}
    without = {name: value for name, value in os.environ.items() if not name.startswith("EGOV_")}
    return {**without, **given, "PATH": path}


@pytest.fixture(scope="module")
def first_terminal(env: dict[str, str]) -> Iterator[None]:
    [command] = [text for language, kind, text in blocks() if kind == "first"]
    shell = subprocess.Popen(
        ["bash", "-c", command], env=env, stdout=subprocess.PIPE, text=True, start_new_session=True, cwd=PAGE.parents[2]
    )
    assert shell.stdout is not None
    try:
        said = ""
        while UP not in said:
            line = shell.stdout.readline()
            assert line, f"the bus did not start: {said}"
            said += line
        yield
    finally:
        os.killpg(shell.pid, signal.SIGTERM)
        shell.wait(60)
        shell.stdout.close()


def fits(shown: str, said: str) -> bool:
    """Line by line; … stands for whatever differs from run to run."""
    pattern = ".*".join(re.escape(part) for part in shown.strip().split("…"))
    return re.fullmatch(pattern, said.strip()) is not None


@pytest.mark.usefixtures("first_terminal")
def test_the_page_does_what_it_shows(env: dict[str, str]) -> None:
    script = f"set -e\n{''.join(f'{text}echo; echo {MARK!r}' + chr(10) for text, _ in steps())}"
    ran = subprocess.run(
        ["bash", "-c", script], env=env, capture_output=True, text=True, timeout=PATIENCE_SECONDS, cwd=PAGE.parents[2]
    )
    said = ran.stdout.split(MARK)
    for n, (text, shown) in enumerate(steps()):
        assert n < len(said) - 1, f"stopped in:\n{text}\n{said[-1]}\n{ran.stderr}"
        assert shown is None or fits(shown, said[n]), f"{text}\nshows\n{shown}\nsaid\n{said[n]}"
    assert ran.returncode == 0, ran.stderr


def test_only_getting_the_checkout_is_left_out() -> None:
    left = [text for language, kind, text in blocks() if language == "sh" and kind not in ("", "first")]
    assert left == ["git clone <this repository> egov && cd egov\nmake setup\nexport PATH=$PWD/.venv/bin:$PATH\n"]
    assert len(steps()) >= 9


OTHERS = """
cd "$EGOV_WORK-others"
egov partner request partner-portal -o theirs
egov partner admit theirs/request.csr partner-portal --kind portal --bin 990440000008 -o sent
cp sent/* theirs/ && export EGOV_PARTNER=theirs
egov partner show | grep -c thumbprint
egov partner suspend
egov partner resume
egov partner rotate --overlap 1 | head -n 1 | cut -d ' ' -f 1,2
egov partner show | grep -c thumbprint
egov partner inbox --json > inbox.json && python -c 'import json; print(len(json.load(open("inbox.json"))) > 0)'
egov doctor theirs/certificate.pem | tail -n 1
egov partner join gateway-shep --kind portal --bin 990440000008 -o another 2>&1 | head -n 1
printf '{}' > empty.json; egov partner send empty.json 2>&1 | head -n 1
"""
SAID = """give theirs/request.csr to the operator; key.pem stays here
partner-portal is admitted; give the files of sent to its owner
1
partner-portal is suspended
partner-portal is active
signing with
1
True
  ✓ nothing wrong was found
refused: participant.exists
refused: envelope.attribute_invalid
"""


@pytest.mark.usefixtures("first_terminal")
def test_an_operator_admits_and_a_partner_lives_on(env: dict[str, str]) -> None:
    Path(env["EGOV_WORK"] + "-others").mkdir()
    ran = subprocess.run(["bash", "-c", OTHERS], env=env, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert ran.stdout == SAID, ran.stderr
