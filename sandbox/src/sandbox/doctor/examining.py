"""From what was named on the command line to reports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from egovkit.clock import Clock, SystemClock
from egovkit.contracts import contracts_dir
from egovkit.errors import EgovError
from egovkit.signatures.tls import client_trust
from sandbox.bootstrap import ASK_SECONDS
from sandbox.clock import moved_before
from sandbox.composition import Home
from sandbox.doctor.addresses import check_address, services_of
from sandbox.doctor.envelopes import check_envelope
from sandbox.doctor.known import Known, from_contracts, partner
from sandbox.doctor.report import Report, Unreadable
from sandbox.doctor.signing import check_certificate, check_token
from sandbox.doctor.things import Certified, Letter, Plain, Thing, Token, read

PLAIN = {
    "pdf": "a PDF",
    "cassette": "a cassette of `egov record`",
    "private_key": "a private key",
    "request": "a certificate request (PKCS#10)",
}


@dataclass(frozen=True, slots=True)
class Means:
    """What may be used: a deployment's home, a partner's folder, files beside."""

    home: Path | None = None
    folder: Path | None = None
    signature: Path | None = None
    certificate: Path | None = None
    root: Path | None = None
    crl: Path | None = None
    password: Path | None = None


async def examine(subjects: Sequence[str], means: Means, lang: str, clock: Clock | None = None) -> list[Report]:
    """Reports of files and addresses, or without any of the deployment of the home. Unreadable."""
    clock = clock or (moved_before(Home(means.home)) if means.home else SystemClock())
    reports = []
    trust = Home(means.home).trust if means.home else client_trust(None)
    async with httpx.AsyncClient(timeout=ASK_SECONDS, trust_env=False, verify=trust) as http:
        known = await _known(http, means, clock)
        for subject in subjects or _deployed(means.home):
            if subject.startswith(("http://", "https://")):
                for url in services_of(subject):
                    reports.append(Report(url, known.problems, lang))
                    await check_address(http, url, SystemClock(), known, reports[-1])
                continue
            for thing in read(Path(subject), _text(means.signature)):
                reports.append(Report(thing.name, known.problems, lang, notes=list(known.notes)))
                await _check(thing, Path(subject), means, known, reports[-1])
    return reports


async def _check(thing: Thing, path: Path, means: Means, known: Known, report: Report) -> None:
    match thing:
        case Letter():
            await check_envelope(thing, known, report)
        case Token():
            check_token(thing, known, report)
        case Certified():
            check_certificate(thing, _text(means.password) or None, known, report)
        case Plain():
            _plain(thing, path, report)


def _plain(thing: Plain, path: Path, report: Report) -> None:
    report.what = f"{PLAIN[thing.kind]}, {len(thing.content)} bytes"
    if thing.kind == "pdf" and b"%%EOF" not in thing.content[-1024:]:
        report.find(EgovError("doctor.pdf_cut"))
    if thing.kind == "private_key":
        report.notes.append("keep it to yourself: nobody on the bus ever asks for it")
    if thing.kind == "cassette":
        from sandbox.cassettes.cassette import CassetteInvalid, read_cassette

        try:
            found = read_cassette(path, contracts_dir())
        except CassetteInvalid as error:
            report.find(EgovError("doctor.cassette_invalid", technical=str(error)))
        else:
            report.what += f": {found.system}, {len(found.entries)} envelopes of {found.recorded:%Y-%m-%d}"


async def _known(http: httpx.AsyncClient, means: Means, clock: Clock) -> Known:
    known = from_contracts(clock.now())
    home = Home(means.home) if means.home is not None else None
    if means.root is not None:
        known.believe(_bytes(means.root))
    elif home is not None and home.trust_root.is_file():
        known.believe(home.trust_root.read_bytes())
    if means.folder is not None:
        partner(known, means.folder)
    if means.crl is not None:
        known.revoke(_bytes(means.crl))
    if means.certificate is not None:
        _name_certificate(known, means.certificate)
    if home is not None and (urls := _urls(home)):
        await known.learn(http, urls, clock)
    return known


def _name_certificate(known: Known, path: Path) -> None:
    from egovkit.signatures.certificates import load_certificate

    try:
        known.take(load_certificate(_bytes(path)))
    except ValueError:
        raise Unreadable(f"{path} is no certificate") from None


def _urls(home: Home) -> dict[str, str]:
    from sandbox.world import NOTE

    try:
        urls: dict[str, str] = json.loads((home.path / NOTE).read_text())["urls"]
    except (OSError, ValueError, KeyError):
        return {}
    return urls


def _deployed(home: Path | None) -> Sequence[str]:
    urls = _urls(Home(home)) if home is not None else {}
    if not urls:
        raise Unreadable("name a file or an address, or --home of a running deployment")
    return list(urls.values())


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path} cannot be read ({type(error).__name__})") from None


def _text(path: Path | None) -> str:
    return _bytes(path).decode("utf-8", "replace").strip() if path is not None else ""
