"""docs/howto/verify-evidence.md, run as written on a real case, before and after the bodies were purged; and each way
to tamper with the file stops it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from egovkit.clock import SystemClock
from egovkit.signatures.keys import thumbprint
from sandbox import asice
from sandbox.bootstrap import load_key
from sandbox.case_evidence import NoEvidence, make, nuc_of
from sandbox.composition import SHEP, Home
from sandbox.evidence import databases
from sandbox.journal_verdict import BROKEN, EMPTY, SOUND
from sandbox.replay.player import play_in
from sandbox.replay.reading import load_all
from sandbox.world import Deployment, World

pytestmark = pytest.mark.e2e
PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "verify-evidence.md"
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
MADE, *VERIFIED = BLOCKS
SECONDS = 120
STAMPED_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Files:
    """The same case's container before and after the purge, and the home it came from."""

    case: str
    before: Path
    after: Path
    home: Path


async def until(wanted: Callable[[], Awaitable[bool]]) -> None:
    clock = SystemClock()
    deadline = clock.monotonic() + STAMPED_SECONDS
    while not await wanted():
        assert clock.monotonic() < deadline
        await clock.sleep(0.2)


async def gather(folder: Path) -> Files:
    scenario = next(one for one in load_all() if one.demo and one.channel == "portal")
    home = folder / "home"
    async with World(home, ports="auto", tuned={"stamp_every_s": 1.0}) as world:
        [played] = await play_in(world, [scenario])
        assert played.case is not None, played
        places, nuc, case = databases(home, None), nuc_of(home), played.case

        async def stamped() -> bool:
            verdict = (await make(home, places, case, nuc)).verdict
            return verdict.stamped == verdict.rows

        await until(stamped)
        before, after = folder / "before.asice", folder / "after.asice"
        before.write_bytes((await make(home, places, case, nuc)).content)
        with pytest.raises(NoEvidence):
            await make(home, places, "01a2129a-ffff-7000-8000-000000000000", nuc)
        tomorrow = (world.clock.now() + timedelta(days=1)).date().isoformat()
        done = await asyncio.to_thread(egov, "journal", "purge", "--before", tomorrow, "--home", str(home))
        assert done.returncode == 0, done.stderr
        after.write_bytes((await make(home, places, case, nuc)).content)
        with pytest.raises(httpx.HTTPStatusError):  # who is no НУЦ gives no certificates and no stamp
            await make(home, places, case, world.url("gateway-shep"))
    return Files(case, before, after, home)


def egov(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sandbox", *arguments]
    environment = {**os.environ, "COLUMNS": "400"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=SECONDS)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return asyncio.run(gather(tmp_path_factory.mktemp("evidence")))


def verified(container: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """The page's blocks in one shell, which has the tools the page names and no Python of ours."""
    folder.mkdir()
    shutil.copy(container, folder / "case.asice")
    tools = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    script = "set -e\n" + "".join(VERIFIED)
    command = ["bash", "-c", script]
    return subprocess.run(command, cwd=folder, env=tools, capture_output=True, text=True, check=False, timeout=SECONDS)


def test_the_page_makes_the_file_by_the_command_tested_here() -> None:
    assert MADE == 'egov evidence "$CASE" -o case.asice\n' and len(VERIFIED) >= 7


def test_the_page_verifies_a_case(files: Files, tmp_path: Path) -> None:
    done = verified(files.before, tmp_path / "at")
    assert done.returncode == 0 and done.stdout.endswith("everything holds\n"), done.stdout + done.stderr
    assert files.case in done.stdout and "case.submitted" in done.stdout and "not stamped yet" not in done.stdout
    assert "01-case.submitted is of portal-pep" in done.stdout and "no receipt" not in done.stdout, done.stdout
    with zipfile.ZipFile(files.before) as archive:
        names, said = archive.namelist(), archive.read("INDEX.ru.txt").decode()
    assert said.count("проверена подпись") >= 4  # of application and result, by the portal and by the provider
    assert ": good" in done.stdout and "(OCSP, UTC)" in said
    kinds = ("envelopes/", "documents/", "rows/", "stamps/", "signatures/envelope-", "signatures/receipt-")
    for kind in kinds:
        assert any(name.startswith(kind) for name in names), kind


def test_the_page_verifies_it_after_the_bodies_were_purged(files: Files, tmp_path: Path) -> None:
    with zipfile.ZipFile(files.after) as archive:
        names = archive.namelist()
        said = archive.read("INDEX.ru.txt").decode()
    gone = [name for name in names if name.startswith(("envelopes/", "documents/")) or name.endswith(".body.json")]
    assert gone == [] and "доказательство сохранено" in said
    done = verified(files.after, tmp_path / "at")
    assert done.returncode == 0 and done.stdout.endswith("everything holds\n"), done.stdout + done.stderr


def test_a_message_kept_elsewhere_is_recognised_by_the_receipt_after_the_purge(files: Files) -> None:
    import base64

    with zipfile.ZipFile(files.before) as before, zipfile.ZipFile(files.after) as after:
        name = next(one for one in before.namelist() if one.startswith("envelopes/"))
        digest = hashlib.sha256(before.read(name)).hexdigest()
        receipt = f"signatures/receipt-{Path(name).stem}-1.signed"
        payload = after.read(receipt).split(b".")[1]
    assert json.loads(base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)))["sha256"] == digest


def test_who_made_it_alone_can_read_what_it_tells_of_people(files: Files) -> None:
    assert stat.S_IMODE(files.before.stat().st_mode) == 0o600


def test_it_is_a_container_of_the_standard(files: Files) -> None:
    raw = files.before.read_bytes()
    assert raw[30:38] == b"mimetype" and raw[38 : 38 + len(asice.MIMETYPE)].decode() == asice.MIMETYPE
    with zipfile.ZipFile(files.before) as archive:
        assert archive.testzip() is None
        first = archive.infolist()[0]
        assert (first.filename, first.compress_type, first.extra) == ("mimetype", zipfile.ZIP_STORED, b"")


def changed_at(content: bytes, place: int = -3) -> bytes:
    altered = bytearray(content)
    altered[place] ^= 0x01
    return bytes(altered)


TAMPERED = ["envelopes/", "documents/", "rows/.row", "rows/.body.json", "rows/.proof", "stamps/.root", "stamps/.tst"]
TAMPERED += ["signatures/envelope.sig", "signatures/receipt.signed", "signatures/row.signed", "revocation/lists.pem"]


# The page's steps run twice for each: some always, all of them where time is no matter.
CHANGED = TAMPERED if os.environ.get("EGOV_TEST_FULL") == "1" else TAMPERED[::3]


@pytest.mark.parametrize("what", CHANGED)
def test_what_is_altered_is_noticed_by_the_list_and_by_its_own_proof(files: Files, tmp_path: Path, what: str) -> None:
    """First as it is: the list's digest is another. Then with a list made to fit, whose stamp's step is left out: what
    is altered is betrayed by what it proves."""
    start, _, end = what.partition(".") if "/" in what and not what.endswith("/") else (what, "", "")
    with zipfile.ZipFile(files.before) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    victim = next(name for name in content if name.startswith(start) and name.endswith(end) and content[name])
    content[victim] = changed_at(content[victim])
    listed, token = content.pop(asice.MANIFEST), content.pop(asice.TIMESTAMP)
    content.pop("mimetype")
    at = SystemClock().now()
    first = tmp_path / "first.asice"
    first.write_bytes(asice.packed(content, listed, token, at))
    done = verified(first, tmp_path / "one")
    assert done.returncode != 0 and f"changed: {victim}" in done.stdout, done.stdout
    second = tmp_path / "second.asice"
    second.write_bytes(asice.packed(content, asice.manifest(content), token, at))
    done = verified(second, tmp_path / "two")
    assert done.returncode != 0 and "everything holds" not in done.stdout, "the stamp is of another list"
    done = unstamped(tmp_path / "two")
    assert done.returncode != 0 and "everything holds" not in done.stdout, done.stdout


def test_a_member_of_the_bus_cannot_make_evidence_in_the_name_of_another(files: Files, tmp_path: Path) -> None:
    """Its certificate is as good as any and НУЦ stamps for everybody: only the names tell. First the list of signers
    says so, then a row of the portal's journal is signed by the centre's key."""
    with zipfile.ZipFile(files.before) as archive:
        archive.extractall(tmp_path / "case")
    other = load_key(Home(files.home), "con-arm")
    name = thumbprint(other.certificate)
    row = next((tmp_path / "case" / "signatures").glob("row-portal-pep*.signed"))
    assert isinstance(other.private_key, ec.EllipticCurvePrivateKey)
    row.with_suffix(".sig").write_bytes(other.private_key.sign(row.read_bytes(), ec.ECDSA(hashes.SHA256())))
    table, signers = tmp_path / "case" / "signatures.txt", tmp_path / "case" / "certificates" / "signers.txt"
    listed = [line.split() for line in table.read_text().splitlines()]
    table.write_text("".join(f"{one} {alg} {name if one == row.stem else by}\n" for one, alg, by in listed))
    pem = other.certificate.public_bytes(Encoding.PEM)
    (signers.parent / f"{name}.pem").write_bytes(pem)
    known = signers.read_text()
    for called, said in (("portal-pep", "not of portal-pep"), ("con-arm", "signed by another than portal-pep")):
        signers.write_text(f"{known}{name} {called}\n")
        done = unstamped(tmp_path)
        assert done.returncode != 0 and said in done.stdout, done.stdout + done.stderr


def unstamped(folder: Path) -> subprocess.CompletedProcess[str]:
    """The page's steps on the opened `case` there, without the one over the list of files: НУЦ stamps any list."""
    without = [block for block in VERIFIED if "ASiCManifest" not in block]
    assert len(without) == len(VERIFIED) - 1
    script = "cd case\nset -eu -o pipefail\n" + "".join(without[1:])
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder, env={"PATH": os.defpath}, capture_output=True, text=True, check=False, timeout=SECONDS,
    )  # fmt: skip


def test_verify_tells_of_a_case_a_span_and_a_service(files: Files) -> None:
    def verdict(*arguments: str) -> tuple[int, dict[str, object]]:
        done = egov("journal", "verify", "--json", "--home", str(files.home), *arguments)
        return done.returncode, json.loads(done.stdout)

    status, whole = verdict()
    assert status == SOUND and whole["tokens_checked"] and whole["rows_stamped"]
    status, case = verdict("--case", files.case)
    assert status == SOUND and 0 < int(str(case["rows"])) < int(str(whole["rows"]))
    assert case["rows_stamped"] == case["rows"]
    status, one = verdict("--service", "portal-pep", "--from", "2026-01-01")
    assert status == SOUND and set(one["writers"]) <= {"portal-pep/1", "portal-pep/operator"}  # type: ignore[call-overload]
    assert verdict("--from", "2000-01-01", "--to", "2000-12-31")[0] == EMPTY
    assert egov("journal", "verify", "--from", "soon", "--home", str(files.home)).returncode == 2


def test_rewritten_rows_with_their_heads_made_to_fit_are_betrayed_by_the_stamp(files: Files, tmp_path: Path) -> None:
    import sqlite3

    copy = tmp_path / "home"
    shutil.copytree(files.home, copy)
    with sqlite3.connect(copy / "portal-pep.sqlite3") as database:
        assert database.execute("UPDATE journal_stamps SET token = x'00' WHERE writer = 'portal-pep/1'").rowcount
        assert database.execute("UPDATE journal SET hash = prev WHERE position = 2").rowcount >= 1
    database.close()
    done = egov("journal", "verify", "--service", "portal-pep", "--home", str(copy))
    assert done.returncode == BROKEN
    for words in ("the row was changed after it was written", "not the rows that were time-stamped", "does not hold"):
        assert words in done.stdout, done.stdout


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("world", ["production"], indirect=True)
async def test_the_same_commands_read_a_deployment_on_postgresql(world: Deployment, tmp_path: Path) -> None:
    scenario = next(one for one in load_all() if one.demo and one.channel == "portal")
    [played] = await play_in(world, [scenario])
    assert played.case is not None, played
    where = ("--home", str(world.home.path), "--db", world.journals()[SHEP].url)
    done = await asyncio.to_thread(egov, "journal", "verify", "--case", played.case, "--json", *where)
    found = json.loads(done.stdout)
    assert (done.returncode, found["bodies_unopened"], found["tokens_checked"]) == (SOUND, 0, True), done
    container = tmp_path / "case.asice"
    done = await asyncio.to_thread(egov, "evidence", played.case, "-o", str(container), *where)
    assert done.returncode == SOUND, done.stderr
    done = await asyncio.to_thread(verified, container, tmp_path / "at")
    assert done.returncode == 0 and done.stdout.endswith("everything holds\n"), done.stdout + done.stderr
