"""docs/howto/verify-evidence.md as written, on a small case whose certificates have ended; and files that somebody made
up, each with a list and a stamp of its own, which НУЦ gives to everybody."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from egovkit.clock import HandClock, SystemClock
from egovkit.envelope import Envelope
from egovkit.journal import GENESIS, SIGNATURE_TYP, JournalEntry, JournalRow, chain
from egovkit.journal_stamps import JournalStamp, root_of
from egovkit.signatures.cms import sign_cms
from egovkit.signatures.jws import sign_compact, sign_detached
from egovkit.signatures.keys import SigningKey, der
from egovkit.signatures.receipt import Receipt, issue_receipt
from egovkit.testing.pki import TestPki
from sandbox.asice import manifest, packed
from sandbox.case_files import CaseMaterial, Passed, Trusted, case_files
from sandbox.composition import PORTAL, SHEP
from sandbox.journals import Certificate

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "verify-evidence.md"
_, *GUIDE = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S)
ENDED = timedelta(days=4 * 365)  # a certificate of the tests lives for one year
CASE, ID = "0198f000-0000-7000-8000-000000000002", "0198f000-0000-7000-8000-000000000001"
MESSAGE = "01-case.submitted"
Files = dict[str, bytes]


def envelope(document: bytes, signature: bytes, clock: HandClock) -> bytes:
    return Envelope(
        id=ID,
        source=PORTAL,
        type="kz.egov.case.submitted.v1",
        subject=CASE,
        time=clock.now(),
        dataschema="urn:egov:schema:case.submitted.v1",
        recipient="provider-arm",
        regulation="semey-minor-property-certificate",
        channel="portal",
        step="P5",
        region="semey",
        caseseq=1,
        data={name: base64.b64encode(one).decode() for name, one in (("document", document), ("signature", signature))},
    ).encode()


@dataclass(frozen=True)
class Old:
    """Made four years ago, with НУЦ's lists of then."""

    clock: HandClock
    pki: TestPki
    portal: SigningKey
    shep: SigningKey
    person: SigningKey
    files: Files

    def packed(self, files: Files) -> bytes:
        """A container of them with a list of its own that НУЦ has stamped."""
        everything = {"INDEX.en.txt": b"-\n", **files}
        listed = manifest(everything)
        token = asyncio.run(self.pki.stamper().token(hashlib.sha256(listed).digest()))
        return packed(everything, listed, token, self.clock.now())


def row(key: SigningKey, writer: str, before: JournalRow | None, clock: HandClock, **body: object) -> JournalRow:
    head, position = (GENESIS, 1) if before is None else (before.hash, before.position + 1)
    made = chain(JournalEntry("admin", clock.now(), CASE, body), writer, position, head)
    place = {"writer": writer, "position": position, "hash": made.hash}
    return replace(made, signature=sign_compact(place, key, SIGNATURE_TYP))


def stamp(pki: TestPki, rows: list[JournalRow]) -> JournalStamp:
    root = root_of([one.hash for one in rows])
    token = asyncio.run(pki.stamper().token(root))
    return JournalStamp(rows[0].writer, 1, len(rows), root.hex(), token, pki.clock.now())


@pytest.fixture(scope="module")
def old() -> Old:
    clock = HandClock(SystemClock().now() - ENDED)
    pki = TestPki(clock)
    portal, shep, person = pki.system(PORTAL), pki.system(SHEP), pki.person("991231600012")
    document = b'{"form":"application"}'
    raw = envelope(document, sign_cms(document, person, clock.now()), clock)
    digest = hashlib.sha256(raw).hexdigest()
    first = row(portal, f"{PORTAL}/1", None, clock, action="prepared")
    second = row(portal, f"{PORTAL}/1", first, clock, action="sent", sha256=digest)
    passage = row(shep, f"{SHEP}/1", None, clock, action="passed", sha256=digest)
    now = clock.now()
    receipt = issue_receipt(Receipt(ID, digest, SHEP, f"{SHEP}/1", 1, passage.hash, now, now), shep)
    rows = [first, second, passage]
    lists = {"issuing": pki.crl(), "root": pki.root_crl()}
    certificates = [
        Certificate(code, key.thumbprint, der(key.certificate)) for code, key in ((PORTAL, portal), (SHEP, shep))
    ]
    material = CaseMaterial(
        case=CASE,
        envelopes=[Passed(ID, "kz.egov.case.submitted.v1", now, raw, sign_detached(raw, portal), (receipt,))],
        rows=rows,
        stamps=[stamp(pki, rows[:2]), stamp(pki, rows[2:])],
        hashes={(one.writer, one.position): one.hash for one in rows},
        certificates=certificates,
        trusted=Trusted(der(pki.root), [der(pki.issuing)], lists),
    )
    return Old(clock, pki, portal, shep, person, case_files(material))


def verified(old: Old, files: Files, at: Path) -> subprocess.CompletedProcess[str]:
    (at / "case.asice").write_bytes(old.packed(files))
    command = ["bash", "-c", "set -e\n" + "".join(GUIDE)]
    tools = {"PATH": os.defpath, "LC_ALL": "C.UTF-8"}
    return subprocess.run(command, cwd=at, env=tools, capture_output=True, text=True, check=False, timeout=60)


def test_a_case_holds_years_after_its_certificates_have_ended(old: Old, tmp_path: Path) -> None:
    done = verified(old, old.files, tmp_path)
    assert done.returncode == 0 and done.stdout.endswith("everything holds\n"), done.stdout + done.stderr
    assert f"{MESSAGE} is of {PORTAL}" in done.stdout and "СЫНАҚОВ" in done.stdout
    assert done.stdout.count(f"{old.clock.now():%Y}") >= 4, "moments are those of the tokens"


def without(files: Files, table: str, start: str) -> Files:
    kept = [line for line in files[table].decode().splitlines() if not line.startswith(start)]
    return {**files, table: "".join(f"{line}\n" for line in kept).encode()}


def altered_and_unsigned(old: Old) -> Files:
    """The message is another, and the tables tell of no signature and no receipt of it."""
    raw = old.files[f"envelopes/{MESSAGE}.json"].replace(b"semey", b"nowhere")
    head, _, _ = old.files[f"signatures/envelope-{MESSAGE}.signed"].partition(b".")
    files = without(without(old.files, "signatures.txt", "envelope-"), "receipts.txt", "receipt-")
    return {**files, f"envelopes/{MESSAGE}.json": raw, f"signatures/envelope-{MESSAGE}.signed": head + b"." + raw}


def told_of_nowhere(old: Old) -> Files:
    return without(without(altered_and_unsigned(old), "envelopes.txt", MESSAGE), "documents.txt", MESSAGE)


def row_without_signature(old: Old) -> Files:
    return without(old.files, "signatures.txt", f"row-{PORTAL}_1-000002")


def row_without_stamp(old: Old) -> Files:
    """Its batch's stamp is not in the table, so nobody looks at it."""
    return without(old.files, "stamps.txt", PORTAL)


def certificate_of_ones_own(old: Old) -> Files:
    """Another authority certified the portal; the list of signers does not name that certificate."""
    own = TestPki(old.clock).system(PORTAL)
    forged = row(own, f"{PORTAL}/1", None, old.clock, action="never")
    material = CaseMaterial(
        CASE, (), [forged], (), {}, [Certificate(PORTAL, own.thumbprint, der(own.certificate))], Trusted(b"", (), {})
    )
    made = case_files(material)
    files = {**made, **{name: old.files[name] for name in old.files if name.startswith("revocation/")}}
    files |= {name: old.files[name] for name in ("certificates/root.pem", "certificates/authorities.pem")}
    return {**files, "certificates/signers.txt": b""}


def key_that_had_ended(old: Old) -> Files:
    """Two years later somebody finds the portal's old key, and НУЦ stamps what he signs by it."""
    then, pki = old.clock, old.pki
    pki.clock = HandClock(then.now() + timedelta(days=800))
    try:
        forged = row(old.portal, f"{PORTAL}/1", None, pki.clock, action="never")
        stamped = stamp(pki, [forged])
        lists = {"issuing": pki.crl(), "root": pki.root_crl()}
    finally:
        pki.clock = then
    certificates = [Certificate(PORTAL, old.portal.thumbprint, der(old.portal.certificate))]
    trusted = Trusted(der(pki.root), [der(pki.issuing)], lists)
    hashes = {(forged.writer, 1): forged.hash}
    return case_files(CaseMaterial(CASE, (), [forged], [stamped], hashes, certificates, trusted))


def document_of_another_message(old: Old) -> Files:
    """It is signed well, and the message brings another."""
    document = b'{"form":"another"}'
    signature = sign_cms(document, old.person, old.clock.now())
    return {**old.files, f"documents/{MESSAGE}.bin": document, f"documents/{MESSAGE}.p7s": signature}


MADE_UP: dict[str, tuple[Callable[[Old], Files], str]] = {
    "a message nobody signed": (altered_and_unsigned, f"not signed: envelope-{MESSAGE}"),
    "a message no table tells of": (told_of_nowhere, f"nothing proves envelopes/{MESSAGE}.json"),
    "a row nobody signed": (row_without_signature, f"not signed: row-{PORTAL}_1-000002"),
    "a root without its stamp": (row_without_stamp, "by a stamp that step 5 has not seen"),
    "a certificate of one's own": (certificate_of_ones_own, "by a certificate that step 4 has not seen"),
    "a key that had ended": (key_that_had_ended, "certificate has expired"),
    "a document of another message": (document_of_another_message, f"not of the message {MESSAGE}"),
}


@pytest.mark.parametrize("what", MADE_UP)
def test_what_somebody_made_up_does_not_hold(old: Old, tmp_path: Path, what: str) -> None:
    make, said = MADE_UP[what]
    done = verified(old, make(old), tmp_path)
    assert done.returncode != 0 and said in done.stdout and "everything holds" not in done.stdout, (
        done.stdout + done.stderr
    )
