"""`egov agent` as a person starts it: its own process, its terminal, its signals."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner
from websockets.asyncio.client import connect

from egovkit.clock import SystemClock
from egovkit.signatures.documents import DocumentSignatures
from egovkit.testing.pki import TestPki
from sandbox.cli import app

IIN, PASSWORD, PAGE = "991231600012", "Qwerty12", "https://portal.example"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "person.p12"
    path.write_bytes(TestPki(SystemClock()).person(IIN).to_pkcs12(PASSWORD, "person"))
    return path


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["--origin", "*"], 2, "origins"),
        (["--password-file", "none"], 2, "there is no file none"),
        (["--key", "none.p12"], 3, "none.p12"),
    ],
)
def test_what_cannot_work_is_said_before_it_starts(
    tmp_path: Path, arguments: list[str], status: int, told: str
) -> None:
    given = ["agent", "--home", str(tmp_path), "--port", "0", "--control-port", "0", *arguments]
    done = CliRunner().invoke(app, given, input=f"{PASSWORD}\n")
    assert (done.exit_code, told in done.output) == (status, True), done.output


def test_a_wrong_password_is_told(tmp_path: Path, key: Path) -> None:
    given = ["agent", "--home", str(tmp_path), "--port", "0", "--control-port", "0", "--key", str(key)]
    done = CliRunner().invoke(app, given, input="Wrong111\n")
    assert done.exit_code == 3 and "person.p12: wrong password" in done.output and "Wrong111" not in done.output


def test_a_password_that_others_can_read_is_told(tmp_path: Path, key: Path) -> None:
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "password").chmod(0o644)
    given = ["agent", "--home", str(tmp_path), "--port", "0", "--control-port", "0", "--key", str(key)]
    done = CliRunner().invoke(app, [*given, "--password-file", str(tmp_path / "password")])
    assert done.exit_code == 3 and "chmod 600" in done.output


@pytest.mark.e2e
async def test_a_person_starts_it_says_yes_in_the_terminal_and_stops_it(tmp_path: Path) -> None:
    pki = TestPki(SystemClock())
    p12 = await asyncio.to_thread(pki.person(IIN).to_pkcs12, PASSWORD, "person")
    for name, content in (("person.p12", p12), ("password", PASSWORD.encode())):
        await asyncio.to_thread((tmp_path / name).write_bytes, content)
    given = ["--key", "person.p12", "--password-file", "password", "--origin", PAGE, "--no-tls", "--home", "home"]
    command = [sys.executable, "-m", "sandbox", "agent", *given, "--port", "0", "--control-port", "0"]
    pipe = asyncio.subprocess.PIPE
    started = await asyncio.create_subprocess_exec(
        *command, cwd=tmp_path, stdin=pipe, stdout=pipe, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    assert started.stdin is not None and started.stdout is not None
    try:
        said = (await started.stdout.readuntil(b"person.p12: ")).decode()
        address = re.findall(r"ws://127\.0\.0\.1:\d+", said)[0]
        assert PAGE in said and "control-token" in said
        async with connect(address, origin=PAGE, proxy=None) as page:
            await page.recv()
            order = {"module": "kz.gov.pki.knca.commonUtils", "method": "createCAdESFromBase64"}
            await page.send(json.dumps({**order, "args": ["PKCS12", "SIGNATURE", "MTEK", False]}))
            question = (await started.stdout.readuntil("отказаться: ".encode())).decode()
            assert f"{PAGE} просит: createCAdESFromBase64" in question and f"ИИН {IIN}" in question
            started.stdin.write(b"1\n")
            signed = json.loads(await page.recv())["responseObject"]
        facts = await DocumentSignatures(pki.trust()).verify(b"11\n", base64.b64decode(signed), pki.clock.now(), IIN)
        assert facts.refusal is None
        started.send_signal(signal.SIGTERM)
        assert await started.wait() == 0
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()
