"""Every end of every channel of every act, from outside: all of them embedded, a sample as processes of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from sandbox.replay.generating import generate
from sandbox.replay.player import play_in
from sandbox.replay.reading import load_all, the_law
from sandbox.replay.scenario import Scenario
from sandbox.replay.verdicts import Verdict, wanted_cells
from sandbox.world import Deployment

pytestmark = pytest.mark.e2e
EVERYTHING = [sys.executable, "-m", "sandbox", "replay", "--all", "--parallel", "2"]
SECONDS = 300.0


def sample() -> list[Scenario]:
    """Of every channel the acts know its first refusal at the provider or the registers, and its first result."""
    chosen: dict[tuple[str, str], Scenario] = {}
    law = the_law()
    for one in generate(law):
        item = law.by_code[one.regulation].channels[one.channel].by_label[one.ends]
        if item.kind.name != "refuse_login":
            chosen.setdefault((one.channel, item.outcome), one)
    return list(chosen.values())


def test_every_end_of_every_channel_is_as_the_acts_say(tmp_path: Path) -> None:
    """Everything from the command line, in two worlds: what CI runs."""
    found = tmp_path / "replay.json"
    command = [*EVERYTHING, "--report", "json", "-o", str(found)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
    assert found.exists(), done.stderr
    report = json.loads(found.read_text())
    verdicts = [Verdict.of_data(one) for one in report["verdicts"]]
    wrong = {one.name: one.differences[:2] for one in verdicts if not one.passed}
    assert wrong == {}, done.stderr
    assert done.returncode == 0, done.stderr
    played = [(one["regulation"], one["channel"], one["outcome"]) for one in report["matrix"] if one["mark"] != "empty"]
    assert played == [(one.regulation, one.channel, one.outcome) for one in wanted_cells(the_law())]
    assert {one.name for one in load_all()} <= {one.name for one in verdicts}, "the stories written by hand as well"


def test_ctrl_c_leaves_nothing_running_and_nothing_lying_about(tmp_path: Path) -> None:
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(EVERYTHING, stderr=subprocess.PIPE, text=True, env=environment) as replay:
        worlds: list[psutil.Process] = []
        while len(worlds) < 2 and replay.poll() is None:
            worlds = psutil.Process(replay.pid).children()
        assert list(tmp_path.iterdir()) != []
        replay.send_signal(signal.SIGINT)
        _, said = replay.communicate(timeout=SECONDS)
    assert (replay.returncode, "stopped before the end" in said) == (2, True)
    assert [world.pid for world in worlds if world.is_running()] == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("world", ["production", "compose"], indirect=True, scope="session")
async def test_a_sample_of_every_channel_goes_as_the_acts_say(world: Deployment) -> None:
    verdicts = await play_in(world, sample())
    assert {one.name: one.differences[:2] for one in verdicts if not one.passed} == {}
