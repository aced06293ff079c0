"""All proof of one case as files that openssl, unzip and sha256sum verify. Pure: what was read goes in, bytes come out.

    envelopes/<n>-<type>.json            the exact bytes of each message
    documents/<n>.bin, <n>.p7s           what a person signed, and the signature (CMS)
    rows/<row>.row, .body.json, .proof   a journal's row as it is hashed; its body; the way to the stamped root
    signatures/<name>.signed, .sig       a signature with the bytes it is over, in openssl's form
    stamps/<batch>.root, .tst            a Merkle root over a journal's batch, and the time stamp over it
    certificates/, revocation/           who signed, whose certificate that is, and what was revoked: the lists of now,
                                         and the answers (OCSP) that people's signatures were judged by when they came

The tables (*.txt) name what belongs together, one line each. docs/howto/verify-evidence.md reads them.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from egovkit import merkle
from egovkit.envelope import Envelope
from egovkit.errors import EgovError
from egovkit.journal import SIGNATURE_TYP, JournalRow, hashed_text
from egovkit.journal_stamps import JournalStamp
from sandbox.journals import Certificate

__all__ = ["CaseMaterial", "Passed", "Trusted", "case_files"]


@dataclass(frozen=True, slots=True)
class Passed:
    """An envelope as the databases have it, in the order of its arrival. `raw` is empty after a purge."""

    id: str
    type: str
    received: datetime
    raw: bytes
    signature: str
    receipts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trusted:
    """НУЦ's word, DER: the root, its authorities, its revocation lists by name."""

    root: bytes
    authorities: Sequence[bytes]
    lists: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class CaseMaterial:
    """What was read. `hashes`: of all rows under the stamps, by writer and position."""

    case: str
    envelopes: Sequence[Passed]
    rows: Sequence[JournalRow]
    stamps: Sequence[JournalStamp]
    hashes: Mapping[tuple[str, int], str]
    certificates: Sequence[Certificate]
    trusted: Trusted


@dataclass(slots=True)
class _Files:
    material: CaseMaterial
    files: dict[str, bytes] = field(default_factory=dict)
    tables: dict[str, list[str]] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)  # thumbprints

    def line(self, table: str, *words: str) -> None:
        self.tables.setdefault(table, []).append(" ".join(words))

    def signature(self, name: str, token: str, typ: str, raw: bytes | None = None) -> bool:
        """False for what is no signature of ours; the tables then do not promise one."""
        from egovkit.signatures.jws import plain_form

        self.files[f"signatures/{name}.jws"] = token.encode()
        try:
            plain = plain_form(token, typ, raw)
        except EgovError:
            return False
        self.files[f"signatures/{name}.signed"] = plain.signed
        self.files[f"signatures/{name}.sig"] = plain.signature
        self.line("signatures", name, plain.alg, plain.thumbprint)
        self.used.add(plain.thumbprint)
        return True


def case_files(material: CaseMaterial) -> dict[str, bytes]:
    """The files by name, the tables among them, without the index for people."""
    made = _Files(material)
    for row in material.rows:
        _add_row(made, row)
    for number, passed in enumerate(material.envelopes, 1):
        _add_envelope(made, f"{number:02}-{short(passed.type)}", passed)
    _add_stamps(made)
    _add_certificates(made)
    _add_answers(made)
    tables = ("signatures", "rows", "receipts", "envelopes", "documents", "stamps", "answers")
    listed = {f"{name}.txt": "".join(f"{line}\n" for line in made.tables.get(name, [])).encode() for name in tables}
    return {**listed, **dict(sorted(made.files.items()))}


def short(message: str) -> str:
    """case.submitted of kz.egov.case.submitted.v1."""
    return message.removeprefix("kz.egov.").rpartition(".v")[0] or message


def row_name(writer: str, position: int) -> str:
    return f"{writer.replace('/', '_')}-{position:06}"


def batch_name(stamp: JournalStamp) -> str:
    return f"{stamp.writer.replace('/', '_')}-{stamp.first:06}-{stamp.last:06}"


def _add_row(made: _Files, row: JournalRow) -> None:
    name = row_name(row.writer, row.position)
    made.files[f"rows/{name}.row"] = hashed_text(row).encode()
    if row.body is not None:
        made.files[f"rows/{name}.body.json"] = row.body.encode()
    if row.signature is not None:
        made.signature(f"row-{name}", row.signature, SIGNATURE_TYP)
    stamp = next(
        (s for s in made.material.stamps if s.writer == row.writer and s.first <= row.position <= s.last), None
    )
    made.line("rows", name, row.hash, "-" if stamp is None else batch_name(stamp))


def _add_envelope(made: _Files, name: str, passed: Passed) -> None:
    from egovkit.signatures.jws import ENVELOPE_TYP
    from egovkit.signatures.receipt import RECEIPT_TYP
    from sandbox.journals import receipt_head

    made.line("envelopes", name, passed.id)
    if passed.raw:
        made.files[f"envelopes/{name}.json"] = passed.raw
        made.signature(f"envelope-{name}", passed.signature, ENVELOPE_TYP, passed.raw)
        _add_document(made, name, passed.raw)
    else:
        made.files[f"signatures/envelope-{name}.jws"] = passed.signature.encode()
    for number, token in enumerate(passed.receipts, 1):
        receipt, head = f"receipt-{name}-{number}", receipt_head(token, "")
        if made.signature(receipt, token, RECEIPT_TYP) and head is not None:
            made.line("receipts", receipt, name, row_name(head.writer, head.position))


def _add_document(made: _Files, name: str, raw: bytes) -> None:
    """A person's signed document, where the message brings one."""
    try:
        data = Envelope.parse(raw).data
        document, signature = (base64.b64decode(data[part], validate=True) for part in ("document", "signature"))
    except (EgovError, KeyError, ValueError, TypeError):
        return
    _keep_signed(made, name, name, document, signature)
    for one in data.get("co_signatures", ()):  # the gateways have checked its form
        _keep_signed(made, f"{name}-{one['role']}", name, document, base64.b64decode(one["signature"]))


def _keep_signed(made: _Files, name: str, message: str, document: bytes, signature: bytes) -> None:
    made.files[f"documents/{name}.bin"] = document
    made.files[f"documents/{name}.p7s"] = signature
    made.line("documents", name, message)


def _add_stamps(made: _Files) -> None:
    """Each batch once; the proofs of the case's rows from one tree."""
    by_writer: dict[str, list[JournalRow]] = {}
    for row in made.material.rows:
        by_writer.setdefault(row.writer, []).append(row)
    for stamp in made.material.stamps:
        covered = [row for row in by_writer.get(stamp.writer, ()) if stamp.first <= row.position <= stamp.last]
        if not covered:
            continue
        batch = batch_name(stamp)
        made.files[f"stamps/{batch}.root"] = f"{stamp.root}\n".encode()
        made.files[f"stamps/{batch}.tst"] = stamp.token
        made.line("stamps", batch)
        places = range(stamp.first, stamp.last + 1)
        leaves = [_leaf(made.material.hashes.get((stamp.writer, place), "")) for place in places]
        ways = merkle.proofs(leaves, [row.position - stamp.first for row in covered])
        for row, way in zip(covered, ways, strict=True):
            text = "".join(f"{side} {neighbour.hex()}\n" for side, neighbour in way)
            made.files[f"rows/{row_name(row.writer, row.position)}.proof"] = text.encode()


def _leaf(row_hash: str) -> bytes:
    """Nothing for a row that is gone or whose hash is none any more: the proof then leads elsewhere."""
    try:
        return bytes.fromhex(row_hash)
    except ValueError:
        return b""


def _add_certificates(made: _Files) -> None:
    trusted = made.material.trusted
    made.files["certificates/root.pem"] = pem(trusted.root)
    made.files["certificates/authorities.pem"] = b"".join(pem(one) for one in trusted.authorities)
    for one in made.material.certificates:
        if one.thumbprint in made.used:
            made.files[f"certificates/{one.thumbprint}.pem"] = pem(one.der)
            made.line("signers", one.thumbprint, one.code)
    made.files["revocation/lists.pem"] = b"".join(crl_pem(one) for one in trusted.lists.values())
    made.files["certificates/signers.txt"] = "".join(f"{x}\n" for x in made.tables.get("signers", [])).encode()


def _add_answers(made: _Files) -> None:
    """Each once, with the authority it speaks for; what a row holds and is no answer promises nothing."""
    from egovkit.signatures.certificates import load_certificate
    from egovkit.signatures.ocsp import OcspUnusable, read_answer

    for answer in answers_in(made.material.rows):
        try:
            said = read_answer(answer)
        except OcspUnusable:
            continue
        issuer = next((one for one in made.material.trusted.authorities if said.of(load_certificate(one))), None)
        if issuer is None:
            continue
        name = f"{said.serial}-{said.this_update:%Y%m%dT%H%M%SZ}"
        made.files[f"revocation/{name}.ocsp"] = answer
        made.files[f"revocation/{name}.issuer.pem"] = pem(issuer)
        made.line("answers", name, f"0x{said.serial}", "revoked" if said.revoked else "good")


def verdicts_in(row: JournalRow) -> list[Mapping[str, Any]]:
    """On the signatures that were judged when the row was written, as they were kept (`DocumentFacts.as_data`)."""
    facts = {} if row.body is None else row.facts
    found = [facts.get("judged"), *(one.get("judged") for one in facts.get("co_signatures", ()))]
    return [one for one in found if one]


def answers_in(rows: Sequence[JournalRow]) -> list[bytes]:
    """What systems were told of certificates when they judged signatures, DER, in the order of the rows."""
    words = [verdict.get("revocation") or {} for row in rows for verdict in verdicts_in(row)]
    return list(dict.fromkeys(_decoded(word["answer"]) for word in words if word.get("answer") is not None))


def _decoded(text: str) -> bytes:
    """As it stands where it is no base64: then it is no answer either."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return text.encode()


def pem(der: bytes) -> bytes:
    return ssl.DER_cert_to_PEM_cert(der).encode()


def crl_pem(der: bytes) -> bytes:
    lines = base64.encodebytes(der).decode().replace("\n", "")
    wrapped = "\n".join(lines[at : at + 64] for at in range(0, len(lines), 64))
    return f"-----BEGIN X509 CRL-----\n{wrapped}\n-----END X509 CRL-----\n".encode()
