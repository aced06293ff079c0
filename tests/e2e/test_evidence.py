"""The command line on a real deployment's files: the demo's verdict, and what betrays a tampered journal."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.composition import PARTICIPANTS
from sandbox.demo import demonstrated
from sandbox.replay.reading import load_all

pytestmark = pytest.mark.e2e

MOVED = ("UPDATE journal SET body = (SELECT body FROM journal WHERE position = 8) WHERE position = 9",)
CUT = (
    "DELETE FROM journal WHERE position > 4",
    "UPDATE journal_heads SET position = 4, head = (SELECT hash FROM journal WHERE position = 4)",
)
DROPPED = ("DELETE FROM journal", "DELETE FROM journal_heads")


def egov(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "400"}
    command = [sys.executable, "-m", "sandbox", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=180)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files a demo left behind."""
    path = tmp_path_factory.mktemp("evidence")
    done = egov("demo", "--once", "--home", str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("equal to what the act says") == len(demonstrated())
    return path


def wrote(home: Path) -> set[str]:
    """Who has rows in his journal, read past the command: a register nobody asked has none."""
    found = set()
    for code in PARTICIPANTS:
        with contextlib.closing(sqlite3.connect(home / f"{code}.sqlite3")) as database:
            if database.execute("SELECT count(*) FROM journal").fetchone()[0]:
                found.add(code)
    return found


def test_the_journals_of_a_demo_are_sound(home: Path) -> None:
    done = egov("journal", "verify", "--home", str(home))
    assert done.returncode == 0, done.stdout
    assert f"{len(wrote(home))} writers" in done.stdout and "sound" in done.stdout


def test_a_deployment_without_journals_is_empty(tmp_path: Path) -> None:
    done = egov("journal", "verify", "--home", str(tmp_path))
    assert (done.returncode, "empty" in done.stdout) == (2, True)


@pytest.mark.parametrize(
    ("service", "tampering"),
    [
        ("gateway-shep", MOVED),
        ("portal-pep", ("DELETE FROM journal WHERE position = 3",)),
        *((service, CUT) for service in ("gateway-shep", "regional-gateway-rshep", "portal-pep")),
        ("gateway-shep", DROPPED),
        ("regional-gateway-rshep", DROPPED),
        ("portal-pep", DROPPED),
        ("provider-arm", DROPPED),
    ],
)
@pytest.mark.law(topic="quality", regulation="atyrau-housing-queue", clause="16 2)")
@pytest.mark.law(topic="quality", regulation="semey-*", clause=("16 4)", "17 4)"))
def test_tampering_with_a_journal_is_betrayed(
    home: Path, tmp_path: Path, service: str, tampering: tuple[str, ...]
) -> None:
    copy = tmp_path / "home"
    shutil.copytree(home, copy)
    with sqlite3.connect(copy / f"{service}.sqlite3") as database:
        changed = [database.execute(statement).rowcount for statement in tampering]
    database.close()
    assert changed[0] > 0
    done = egov("journal", "verify", "--home", str(copy))
    assert (done.returncode, "BROKEN" in done.stdout) == (1, True), done.stdout


def test_a_last_row_rewritten_with_a_fitting_hash_is_betrayed_by_its_signature(home: Path, tmp_path: Path) -> None:
    """Nobody else has seen the last row of the provider's journal, and its head is made to fit: only the key tells."""
    from egovkit.journal import JournalEntry, JournalRow, chain
    from egovkit.journal_bodies import Bodies

    copy = tmp_path / "home"
    shutil.copytree(home, copy)
    with sqlite3.connect(copy / "provider-arm.sqlite3") as database:
        database.row_factory = sqlite3.Row
        last = database.execute("SELECT * FROM journal ORDER BY position DESC LIMIT 1").fetchone()
        bodies = Bodies.of_file(copy / "secrets" / "provider-arm.journal")
        place = (last["writer"], last["position"])
        told = json.loads(bodies.open(last["body"], *place, last["body_sha256"])) | {"outcome": "never"}
        at = datetime.fromisoformat(last["time"]).replace(tzinfo=UTC)
        entry = JournalEntry(last["kind"], at, last["case_id"], told)
        forged: JournalRow = chain(entry, last["writer"], last["position"], last["prev"])
        new = (bodies.seal(str(forged.body), *place), forged.body_sha256, forged.hash, forged.position)
        database.execute("UPDATE journal SET body = ?, body_sha256 = ?, hash = ? WHERE position = ?", new)
        database.execute("UPDATE journal_heads SET head = ?", (forged.hash,))
    database.close()
    done = egov("journal", "verify", "--home", str(copy))
    assert done.returncode == 1, done.stdout
    assert done.stdout.count("BROKEN") == 1 and ": signature" in done.stdout


@pytest.mark.parametrize(
    ("sabotage", "clause"),
    [("late-answer", "Приложение 1, таблица 1, 6"), ("skip-step", "п. 6 6)"), ("forge", "п. 6 12)")],
)
def test_a_broken_rule_is_noticed_and_its_clause_named(sabotage: str, clause: str) -> None:
    done = egov("demo", "--once", "--sabotage", sabotage)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"NOT what the act says: {clause}" in done.stdout


def test_a_second_start_on_the_same_files_makes_no_new_keys(home: Path, tmp_path: Path) -> None:
    copy = tmp_path / "home"
    shutil.copytree(home, copy)
    before = {
        path.name: path.read_bytes() for folder in ("keys", "secrets", "trust") for path in (copy / folder).iterdir()
    }
    done = egov("demo", "--once", "--home", str(copy))
    assert done.returncode == 0, done.stdout + done.stderr
    after = {
        path.name: path.read_bytes() for folder in ("keys", "secrets", "trust") for path in (copy / folder).iterdir()
    }
    assert after == before


@pytest.mark.law(topic="quality", regulation="atyrau-housing-queue", clause="16 1)")
@pytest.mark.law(topic="quality", regulation="semey-*", clause=("16 3)", "17 3)"))
@pytest.mark.law(topic="quality", regulation="tayynsha-*")
def test_the_logs_of_a_demo_name_nobody(home: Path) -> None:
    """People applied, officials and an operator acted: neither a number nor a name, nor a password of theirs."""
    written = (home / "logs" / "services.log").read_text()
    assert written.count('"event":"http.request"') > 50, "the services log at info"
    assert re.findall(r"(?<![0-9a-f-])\d{12}(?![0-9a-f-])", written) == []
    acting = [(one.given.citizen, one.given.official, one.given.operator) for one in load_all()]
    people = [person for several in acting for person in several]
    words = {word for one in people for word in (one.surname, one.name)} | {"Құпия", "Synthetic1"}
    assert [word for word in words if word.casefold() in written.casefold()] == []


def test_secrets_and_keys_are_readable_by_their_owner_alone(home: Path) -> None:
    files = [*(home / "secrets").iterdir(), *(home / "keys").iterdir()]
    assert files and {path.stat().st_mode & 0o777 for path in files} == {0o600}
