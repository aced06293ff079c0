"""Parts of journals under verification, and what НУЦ is asked for when a case's evidence is gathered."""

from __future__ import annotations

import base64
import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from egovkit import merkle
from egovkit.clock import HandClock
from egovkit.envelope import Envelope
from egovkit.journal import GENESIS, JournalEntry, JournalRow, KnownHead, chain
from egovkit.journal_stamps import JournalStamp, root_of
from egovkit.signatures.keys import SigningKey, der
from egovkit.signatures.revocation import RevocationStatus
from egovkit.testing.pki import TestPki
from egovkit.testing.signing import OcspAnswer
from sandbox.asice import manifest, packed
from sandbox.case_evidence import ask_nuc
from sandbox.case_files import CaseMaterial, Passed, Trusted, case_files
from sandbox.case_index import indexes
from sandbox.journal_verdict import MEANINGS, Verdict, Wanted, told, verify
from sandbox.journals import JournalCopy


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


START = datetime(2026, 1, 15, 4, 0, tzinfo=UTC)
WRITER = "portal-pep/1"


def rows(count: int = 6) -> list[JournalRow]:
    """Of two cases, turn about."""
    found: list[JournalRow] = []
    for n in range(1, count + 1):
        made = JournalEntry("admin", START + timedelta(days=n), "odd" if n % 2 else "even", {"n": n})
        found.append(chain(made, WRITER, n, found[-1].hash if found else GENESIS))
    return found


def stamp(over: list[JournalRow]) -> JournalStamp:
    root = root_of([row.hash for row in over]).hex()
    return JournalStamp(WRITER, over[0].position, over[-1].position, root, b"token", START)


def verdict(
    found: list[JournalRow], wanted: Wanted, *stamps: JournalStamp, seen: tuple[KnownHead, ...] = ()
) -> Verdict:
    copy = JournalCopy("portal-pep", found, (), seen, stamps=stamps)
    return verify([copy], wanted, lambda one: None if one.token == b"token" else "stamp.invalid")


def places(of: Verdict) -> list[tuple[int, str]]:
    return [(one.position, one.reason) for one in of.breaks]


def test_a_case_is_checked_row_by_row_with_its_neighbours_and_stamps() -> None:
    found = rows()
    sound = verdict(found, Wanted(case="even"), stamp(found[:4]))
    assert (sound.status, sound.rows, sound.stamped, sound.stamps) == (0, 3, 2, 1)
    found[2] = replace(found[2], hash="0" * 64)  # not of the case, but what its next row is linked to
    assert places(verdict(found, Wanted(case="even"))) == [(4, "prev")]
    broken = verdict(found, Wanted(case="even"), stamp(rows()[:4]))
    assert sorted(places(broken)) == [(1, "root"), (4, "prev")]


def test_a_span_takes_all_rows_between_its_first_and_last() -> None:
    found = rows()
    found[2] = replace(found[2], time=START)  # arrived earlier than its neighbours, and judged later
    span = verdict(found, Wanted(since=START + timedelta(days=2), until=START + timedelta(days=4)))
    assert span.rows == 3 and (3, "hash") in places(span)
    assert verdict(found, Wanted(until=START - timedelta(days=1))).status == 2
    gap = verdict([*rows()[:2], *rows()[3:]], Wanted(since=START + timedelta(days=4)))
    assert places(gap) == [(3, "missing")]


def test_what_others_have_seen_counts_for_a_part_too() -> None:
    seen = (KnownHead(WRITER, 4, "f" * 64, "gateway-shep, receipt of x"),)
    assert places(verdict(rows(), Wanted(case="even"), seen=seen)) == [(4, "head")]


def test_a_stamp_that_does_not_hold_is_a_break_and_every_reason_has_plain_words() -> None:
    found = rows()
    wrong = replace(stamp(found), token=b"other")
    [one] = verdict(found, Wanted(), wrong).breaks
    words = told(one, {(row.writer, row.position): row for row in found})
    assert (
        "the time stamp over these rows does not hold" in words and "2026-01-16" in words and "stamp.invalid" in words
    )
    of_rows = {"hash", "body", "prev", "missing", "double", "cut", "head", "signature", "gone"}
    assert set(MEANINGS) == of_rows | {"root", "token", "gap"}


def test_a_hash_that_was_written_over_is_a_break_and_stops_nothing() -> None:
    found = rows()
    batch = stamp(found)
    found[3] = replace(found[3], hash="no hash")
    assert {(1, "root"), (4, "hash")} <= set(places(verdict(found, Wanted(), batch)))
    hashes = {(row.writer, row.position): row.hash for row in found}
    files = case_files(
        CaseMaterial("odd", (), found[:1], [batch], hashes, (), Trusted(b"r", (b"a",), {"issuing": b"l"}))
    )
    assert files["rows/portal-pep_1-000001.proof"]


@pytest.mark.parametrize("last", [10**15, 0])
def test_a_stamp_over_rows_without_end_is_a_break_and_is_not_counted_through(last: int) -> None:
    assert places(verdict(rows(), Wanted(), replace(stamp(rows()), last=last))) == [(1, "root")]


def test_a_stamp_taken_away_leaves_a_gap_and_rows_that_wait_for_theirs_do_not() -> None:
    found = rows()
    assert places(verdict(found, Wanted(), stamp(found[:2]))) == []
    assert places(verdict(found, Wanted(), stamp(found[2:4]))) == [(1, "gap"), (2, "gap")]


def test_only_one_service_may_be_asked_about() -> None:
    others = [replace(row, writer="con-arm/1") for row in rows()]
    copies = [JournalCopy("portal-pep", rows()), JournalCopy("con-arm", others)]
    assert verify(copies, Wanted(service="portal-pep")).status == 0
    assert verify(copies, Wanted(service="con-arm")).status == 1  # its hashes are another writer's
    assert verify(copies, Wanted(service="nobody")).status == 2


def test_the_proof_in_the_files_leads_from_the_row_to_the_root() -> None:
    found = rows()
    batch = stamp(found)
    hashes = {(row.writer, row.position): row.hash for row in found}
    case = [row for row in found if row.case_id == "odd"]
    files = case_files(CaseMaterial("odd", (), case, [batch], hashes, (), Trusted(b"r", (b"a",), {"issuing": b"l"})))
    for row in case:
        lines = files[f"rows/portal-pep_1-{row.position:06}.proof"].decode().split()
        way = [(side, bytes.fromhex(neighbour)) for side, neighbour in zip(lines[::2], lines[1::2], strict=True)]
        assert merkle.leads_to(bytes.fromhex(row.hash), tuple(way)).hex() == batch.root  # type: ignore[arg-type]
    assert files["rows.txt"].decode().count("portal-pep_1-000001-000006") == 3
    assert not any("000002" in name for name in files), "another case's rows stay at home"


def test_the_index_has_a_line_for_every_signature_that_was_judged() -> None:
    """The applicant's and a co-signer's of one row; a row without its body says nothing of any."""
    kept = {
        "signer": {"name": "СЫНАҚОВА ӘСЕЛ", "serial": "4f1c"},
        "verdict": "accepted",
        "revocation": {"source": "ocsp", "this_update": "2026-01-15T04:00:00+00:00"},
    }
    other = {
        "signer": {"name": "СЫНАҚОВ БАУЫРЖАН", "serial": "5a"},
        "verdict": "certificate.revoked",
        "revocation": None,
    }
    body = {"action": "signed", "judged": kept, "co_signatures": [{"role": "spouse", "judged": other}]}
    row = chain(JournalEntry("admin", START, "odd", body), WRITER, 1, GENESIS)
    purged = replace(row, position=2, body=None)
    case = CaseMaterial("odd", (), [row, purged], (), {}, (), Trusted(b"r", (), {}))
    said = indexes(case, verdict([row], Wanted(case="odd")))
    english = [line.strip() for line in said["INDEX.en.txt"].decode().splitlines()]
    at = english.index("2026-01-15 04:00:00  portal-pep_1-000001  signed")
    assert english[at + 1 : at + 3] == [
        "signature judged: СЫНАҚОВА ӘСЕЛ, accepted, certificate 4f1c, revocation: ocsp, 2026-01-15T04:00:00+00:00",
        "signature judged: СЫНАҚОВ БАУЫРЖАН, certificate.revoked, certificate 5a, revocation: no word",
    ]
    assert said["INDEX.ru.txt"].decode().count("проверена подпись") == 2
    assert said["INDEX.kk.txt"].decode().count("қолтаңба тексерілді") == 2


def test_every_signature_of_an_application_lies_beside_its_document() -> None:
    applicants, spouses, document = b"applicant's", b"spouse's", b"{}"
    signed = {"document": b64(document), "signature": b64(applicants)}
    other = {"role": "spouse", "iin": "991231600022", "signature": b64(spouses)}
    envelope = Envelope(
        id="0198f000-0000-7000-8000-000000000001",
        source="portal-pep",
        type="kz.egov.case.submitted.v1",
        subject="0198f000-0000-7000-8000-000000000002",
        time=START,
        dataschema="urn:egov:schema:case.submitted.v1",
        recipient="provider-arm",
        regulation="semey-minor-property-certificate",
        channel="portal",
        step="P5",
        region="semey",
        caseseq=1,
        data={**signed, "co_signatures": [other]},
    )
    passed = Passed(envelope.id, envelope.type, START, envelope.encode(), "no.signature", ())
    files = case_files(CaseMaterial(envelope.subject, [passed], (), (), {}, (), Trusted(b"r", (), {})))
    message = "01-case.submitted"
    assert files["documents.txt"].decode() == f"{message} {message}\n{message}-spouse {message}\n"
    assert files["documents/01-case.submitted.p7s"] == applicants
    assert files["documents/01-case.submitted-spouse.p7s"] == spouses
    assert files["documents/01-case.submitted-spouse.bin"] == document


def test_the_container_begins_with_its_type_and_lists_every_file() -> None:
    listed = manifest({"a&b.txt": b"x"})
    assert b'URI="a&amp;b.txt"' in listed and b"LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=" in listed
    content = packed({"a.txt": b"x"}, listed, b"token", START)
    assert content[30:69] == b"mimetypeapplication/vnd.etsi.asic-e+zip"


async def test_the_authoritys_earlier_keys_and_their_lists_are_fetched_too() -> None:
    asked: list[str] = []

    def nuc(request: httpx.Request) -> httpx.Response:
        path = request.url.path
        asked.append(path)
        before = {"/ca/issuing.cer": "/ca/issuing-2.cer", "/ca/issuing-2.cer": "/ca/issuing-1.cer"}.get(path)
        headers = {} if before is None else {"link": f'<{before}>; rel="predecessor-version"'}
        return httpx.Response(200, content=path.encode(), headers=headers)

    async with httpx.AsyncClient(transport=httpx.MockTransport(nuc)) as http:
        trusted = await ask_nuc(http, "http://nuc.test", b"root")
    assert trusted.authorities == [b"/ca/issuing.cer", b"/ca/issuing-2.cer", b"/ca/issuing-1.cer"]
    assert trusted.lists == {"issuing": b"/crl", "root": b"/crl/root", "2": b"/crl/2", "1": b"/crl/1"}
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(503))) as http:
        with pytest.raises(httpx.HTTPStatusError):
            await ask_nuc(http, "http://nuc.test", b"root")


# --- what НУЦ answered about people's certificates

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "verify-evidence.md"
[BLOCK] = [one for one in re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text("utf-8"), re.M | re.S) if " ocsp " in one]


class Answered:
    """A case with the answers that its two signers were judged by, and the files of its container."""

    def __init__(self) -> None:
        clock = HandClock(START)
        self.pki, self.stranger = TestPki(clock), TestPki(clock)
        self.responder = self.pki.responder()
        self.people = [self.pki.person(iin) for iin in ("991231600012", "991231600022")]

    def answer(self, person: int = 0, by: SigningKey | None = None, **changed: Any) -> bytes:
        said = OcspAnswer(self.people[person].certificate, self.pki.issuing, START, **changed)
        return said.signed(by or self.responder, b"n" * 32)

    def files(self, *judged: Any) -> dict[str, bytes]:
        found: list[JournalRow] = []
        for n, verdicts in enumerate(judged, 1):
            first, *others = verdicts if isinstance(verdicts, list) else [verdicts]
            body = {"n": n, "judged": first, "co_signatures": [{"judged": one} for one in others]}
            made = JournalEntry("admin", START, "case", body)
            found.append(chain(made, WRITER, n, found[-1].hash if found else GENESIS))
        trusted = Trusted(der(self.pki.root), (der(self.stranger.issuing), der(self.pki.issuing)), {"issuing": b"l"})
        material = CaseMaterial("case", (), found, [], {}, (), trusted)
        return {**case_files(material), **indexes(material, verify([JournalCopy("portal-pep", found)]))}

    def checked(self, files: Mapping[str, bytes], at: Path) -> subprocess.CompletedProcess[str]:
        """The guide's step, as it is written there."""
        for name, content in files.items():
            (at / "case" / name).parent.mkdir(parents=True, exist_ok=True)
            (at / "case" / name).write_bytes(content)
        names = "root=certificates/root.pem\nauthorities=certificates/authorities.pem\nset -eu -o pipefail\n"
        command = ["bash", "-c", names + BLOCK]
        return subprocess.run(command, cwd=at / "case", capture_output=True, text=True, check=False, timeout=60)


def judged_by(answer: bytes | None) -> dict[str, Any]:
    """A verdict as it is kept; None: by the list."""
    return verdict_with(RevocationStatus("crl" if answer is None else "ocsp", START, START, answer=answer).as_data())


def verdict_with(revocation: dict[str, Any]) -> dict[str, Any]:
    signer = {"name": "СЫНАҚОВА ӘСЕЛ", "serial": "4f1c"}
    return {"signer": signer, "verdict": "accepted", "revocation": revocation}


@pytest.fixture(scope="module")
def answered() -> Answered:
    return Answered()


def test_answers_are_packed_once_told_in_plain_words_and_hold_by_openssl(answered: Answered, tmp_path: Path) -> None:
    good, revoked = answered.answer(), answered.answer(1, said="revoked", life=timedelta(days=1))
    files = answered.files(judged_by(good), [judged_by(revoked), judged_by(good), judged_by(None)], None)
    first, second = (format(one.certificate.serial_number, "x") for one in answered.people)
    assert files[f"revocation/{first}-20260115T040000Z.ocsp"] == good
    assert files["answers.txt"].decode().splitlines() == [
        f"{first}-20260115T040000Z 0x{first} good",
        f"{second}-20260115T040000Z 0x{second} revoked",
    ]
    said = files["INDEX.ru.txt"].decode()
    assert f"2026-01-15 04:00:00  {first}: действует" in said and f"{second}: отозван" in said
    done = answered.checked(files, tmp_path)
    assert done.returncode == 0 and f"0x{first}: good" in done.stdout.lower(), done.stdout + done.stderr
    assert f"0x{second}: revoked" in done.stdout.lower() and done.stdout.count("Jan 15 04:00:00 2026") >= 2


def test_without_answers_or_after_the_purge_there_is_nothing_to_check(answered: Answered, tmp_path: Path) -> None:
    files = answered.files(judged_by(None), None)
    assert files["answers.txt"] == b"" and "OCSP" not in files["INDEX.en.txt"].decode()
    assert answered.checked(files, tmp_path).returncode == 0


@pytest.mark.parametrize("how", ["a byte", "a stranger's", "of who may not", "another status"])
def test_a_wrong_answer_stops_the_guide(answered: Answered, tmp_path: Path, how: str) -> None:
    answers = {
        "a byte": answered.answer()[:-40] + bytes([answered.answer()[-40] ^ 1]) + answered.answer()[-39:],
        "a stranger's": answered.answer(by=answered.stranger.responder()),
        "of who may not": answered.answer(by=answered.people[1]),
        "another status": answered.answer(),
    }
    files = answered.files(judged_by(answers[how]))
    if how == "another status":
        files["answers.txt"] = files["answers.txt"].replace(b"good", b"revoked")
    done = answered.checked(files, tmp_path)
    assert done.returncode == 1 and ("Verify" in done.stdout or how == "another status"), done.stdout


@pytest.mark.parametrize("answer", ["not base64", "MAMKAQY=", ""])
def test_what_is_no_answer_promises_nothing(answered: Answered, answer: str) -> None:
    word = RevocationStatus("ocsp", START, START).as_data()
    files = answered.files(verdict_with({**word, "answer": answer}))
    assert files["answers.txt"] == b"" and "not an answer" in files["INDEX.en.txt"].decode()
