"""The corpus of good and bad signatures, `contracts/vectors/signatures/`: made here, played here.

A case is a folder: `data.bin`, `signature.der`, `case.json` and, where the authority answers, `ocsp.der`. The authority
itself lies in `world/`: root, issuing certificate, a current list, a stale one and one of the future. `case.json`:

    title     what is wrong with it, or right
    at        the moment of the check
    iin       the ИИН that the request claims
    list      the list that is loaded, of `world/`; null: none
    ocsp      null: nobody answers; else {"nonce", "status", "reply" or "location", "unusable": why it is no answer}
    verdict   "accepted", or "refused" with the `code` and, for what can't be read, the `reason`

Only certificates are kept; the keys are gone when the making ends. Made anew, the bytes differ and the verdicts do not.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from egovkit.clock import HandClock
from egovkit.errors import EgovError
from egovkit.signatures.certificates import TrustStore, load_certificate
from egovkit.signatures.documents import DocumentFacts, DocumentSignatures
from egovkit.signatures.ocsp import OcspClient

__all__ = ["FOLDER", "Case", "Outcome", "cases_in", "expected", "play", "unusable", "write"]

FOLDER = "vectors/signatures"
NUC = "http://nuc.test"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A verdict: `code` is None when accepted, `reason` None where the code says all."""

    code: str | None
    reason: str | None = None
    facts: DocumentFacts | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Case:
    """One case, in memory; the fields are those of `case.json`."""

    name: str
    title: str
    data: bytes
    signature: bytes
    at: datetime
    iin: str | None
    expect: Outcome
    crl: str | None = "current.crl"
    ocsp: dict[str, Any] | None = None
    reply: bytes | None = None

    def as_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "title": self.title,
            "at": self.at.isoformat(),
            "iin": self.iin,
            "list": self.crl,
            "ocsp": self.ocsp,
            "verdict": "accepted" if self.expect.code is None else "refused",
        }
        if self.expect.code is not None:
            told["code"] = self.expect.code
        if self.expect.reason is not None:
            told["reason"] = self.expect.reason
        return told


def write(folder: Path, world: dict[str, bytes], cases: list[Case]) -> None:
    """The whole corpus into `folder`, which holds nothing else; what was there of it before is replaced."""
    import shutil

    for old in folder.glob("*/"):
        if (old / "case.json").exists() or old.name == "world":
            shutil.rmtree(old)
    (folder / "world").mkdir(parents=True)
    for name, content in world.items():
        (folder / "world" / name).write_bytes(content)
    for case in cases:
        there = folder / case.name
        there.mkdir()
        (there / "data.bin").write_bytes(case.data)
        (there / "signature.der").write_bytes(case.signature)
        if case.reply is not None:
            (there / "ocsp.der").write_bytes(case.reply)
        text = json.dumps(case.as_json(), ensure_ascii=False, indent=2)
        (there / "case.json").write_text(text + "\n", encoding="utf-8")


def cases_in(folder: Path) -> list[Path]:
    """The folders of the cases, by name."""
    return sorted(one.parent for one in folder.glob("*/case.json"))


def expected(case: Path) -> Outcome:
    """The verdict that `case.json` names."""
    told = json.loads((case / "case.json").read_text(encoding="utf-8"))
    return Outcome(told.get("code"), told.get("reason"))


def unusable(case: Path) -> str | None:
    """Why the authority's answer is no answer, where one comes."""
    told = json.loads((case / "case.json").read_text(encoding="utf-8"))
    found: str | None = (told["ocsp"] or {}).get("unusable")
    return found


async def play(case: Path) -> Outcome:
    """What the product says about the case, by a store and an OCSP client of its own."""
    told = json.loads((case / "case.json").read_text(encoding="utf-8"))
    world, at = case.parent / "world", datetime.fromisoformat(told["at"])
    trust = TrustStore(load_certificate((world / "root.cer").read_bytes()))
    trust.add_intermediate(load_certificate((world / "issuing.cer").read_bytes()))
    if told["list"] is not None:
        with suppress(EgovError):  # a list that is refused is no list
            trust.load_crl((world / told["list"]).read_bytes(), at)
    nonce = bytes.fromhex((told["ocsp"] or {}).get("nonce", "00" * 32))
    transport = httpx.MockTransport(_Authority(case, told["ocsp"]))
    async with httpx.AsyncClient(transport=transport, follow_redirects=True) as http:  # whoever wants it: OCSP does not
        client = OcspClient(http, HandClock(at), NUC, nonce=lambda: nonce)
        signatures = DocumentSignatures(trust, client)
        data, cms = (case / "data.bin").read_bytes(), (case / "signature.der").read_bytes()
        try:
            facts = await signatures.verify(data, cms, at, told["iin"])
        except EgovError as error:
            reason = error.params.get("reason")
            return Outcome(error.code, None if reason is None else str(reason))
    return Outcome(facts.refusal, facts=facts)


class _Authority:
    """Answers as the case says; anything else than its own address is a mistake of ours."""

    def __init__(self, case: Path, told: dict[str, Any] | None) -> None:
        self._case, self._told = case, told

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert str(request.url) == f"{NUC}/ocsp", "nobody else is asked"
        if self._told is None:
            raise httpx.ConnectError("nobody answers")
        if "location" in self._told:
            return httpx.Response(self._told["status"], headers={"location": self._told["location"]})
        content = (self._case / self._told["reply"]).read_bytes()
        return httpx.Response(
            self._told["status"], content=content, headers={"content-type": "application/ocsp-response"}
        )
