"""What is wrong with a file is said, by the bus's own code where it has one; what is right is left in peace."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from egovkit.clock import HandClock
from egovkit.contracts import contracts_dir, contracts_version
from egovkit.envelope import Envelope
from egovkit.ids import SystemIds
from egovkit.membership import Member, MemberCertificate, Members
from egovkit.signatures.authority import PROFILES, Span
from egovkit.signatures.cms import sign_cms
from egovkit.signatures.jws import sign_compact, sign_detached
from egovkit.signatures.keys import Certificate, SigningKey, private_pem
from egovkit.signatures.receipt import Receipt, issue_receipt
from egovkit.testing.pki import TestPki
from egovlaw.identifiers import synthetic_iin
from sandbox.cassettes.cassette import Cassette, Entry
from sandbox.cli import app
from sandbox.doctor import addresses, examining
from sandbox.doctor.envelopes import check_envelope
from sandbox.doctor.examining import Means, examine
from sandbox.doctor.known import Known
from sandbox.doctor.report import Report, Unreadable
from sandbox.doctor.things import Letter
from sandbox.enrolment import Wish
from sandbox.partner_folder import Folder

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
CODE, BIN, OTHER_BIN = "akimat-demo", "990440000008", "991240990036"
WRONG_IIN = synthetic_iin(4)[:11] + str((int(synthetic_iin(4)[11]) + 1) % 10)
WISH = Wish(CODE, "provider", BIN, ("atyrau",), ("atyrau-housing-queue",))


def pem(certificate: Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


class Rig:
    """A partner with its folder, and whatever file a test lays before the doctor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = HandClock(NOW)
        self.ids = SystemIds(self.clock)
        self.pki = TestPki(self.clock)
        self.key = self.pki.system(CODE, bin_=BIN)
        self.portal = self.pki.system("portal-pep")
        folder = path / "partner"
        folder.mkdir()
        chain = pem(self.pki.issuing) + pem(self.pki.root)
        Folder(folder).keep({"certificate": pem(self.key.certificate), "chain": chain}, WISH, {})
        (folder / "key.pem").write_bytes(private_pem(self.key.private_key))
        self.means = Means(folder=folder, crl=self.file("crl", self.pki.crl()))

    def file(self, name: str, content: bytes) -> Path:
        (self.path / name).write_bytes(content)
        return self.path / name

    def envelope(self, name: str, source: str, recipient: str, data: dict[str, Any], **changes: Any) -> Envelope:
        kind = {"type": f"kz.egov.{name}.v1", "dataschema": f"urn:egov:schema:{name}.v1"}
        place = {"regulation": "atyrau-housing-queue", "channel": "portal", "step": "P6", "region": "atyrau"}
        given: dict[str, Any] = {**kind, **place, "time": NOW, "caseseq": 1, "data": data, **changes}
        ids = {"id": self.ids.new(), "subject": self.ids.new()}
        return Envelope(source=source, recipient=recipient, **ids, **given)

    def answer(self, **changes: Any) -> Envelope:
        data = {"number": "26000000001", "registered_at": "2026-03-02T09:00:00.000Z", "version": 1, "trail": []}
        return replace(self.envelope("case.registered", CODE, "portal-pep", data), **changes)

    def application(self, steps: str = "P1 C1 P3 C2", **changes: Any) -> Envelope:
        place = {"writer": "portal-pep/1", "hash": "0" * 64, "at": "2026-03-02T09:00:00.000Z"}
        outcomes = [(step, "ok" if step[0] == "C" else "done") for step in steps.split()]
        trail = [{"step": s, "outcome": o, "position": n, **place} for n, (s, o) in enumerate(outcomes, 1)]
        person = self.pki.person(synthetic_iin(4))
        words = changes.pop("words", b"{}")
        signed = {"document": base64.b64encode(b"{}"), "signature": base64.b64encode(sign_cms(words, person, NOW))}
        data = {name: text.decode() for name, text in signed.items()}
        iin = {"iin": changes.pop("iin", synthetic_iin(4))}
        data |= {"provider": "atyrau", "applicant": iin, "attachments": [], "trail": trail}
        made = self.envelope("case.submitted", "portal-pep", CODE, data, step="P5")
        return replace(made, **{"expirytime": NOW + timedelta(seconds=50), **changes})

    def signed(self, raw: bytes, key: SigningKey | None = None) -> tuple[bytes, str]:
        return raw, sign_detached(raw, key or self.key)

    async def look(self, content: bytes, signature: str = "", **means: Path) -> list[Report]:
        path = self.file("file", content)
        companion = path.with_name("file.jws")
        companion.write_text(signature)
        return await examine([str(path)], replace(self.means, **means), "en", self.clock)


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


Made = Callable[[Rig], "bytes | tuple[bytes, str]"]


def answer(**changes: Any) -> Made:
    return lambda rig: rig.signed(rig.answer(**changes).encode())


def application(**changes: Any) -> Made:
    return lambda rig: rig.signed(rig.application(**changes).encode(), rig.portal)


def later(change: Callable[[bytes], bytes]) -> Made:
    """Changed after it was signed."""

    def made(rig: Rig) -> tuple[bytes, str]:
        raw, signature = rig.signed(rig.answer().encode())
        return change(raw), signature

    return made


def before(change: Callable[[bytes], bytes]) -> Made:
    """Changed, then signed: the signature is good."""
    return lambda rig: rig.signed(change(rig.answer().encode()))


def certificate(code: str = CODE, bin_: str | None = BIN, **wanted: Any) -> Made:
    return lambda rig: pem(rig.pki.system(code, bin_=bin_, **wanted).certificate).encode()


def days(since: int, until: int) -> Span:
    return Span(NOW + timedelta(days=since), NOW + timedelta(days=until))


def revoked(rig: Rig) -> bytes:
    certificate_ = rig.pki.system(CODE, bin_=BIN).certificate
    rig.pki.revoke(certificate_)
    rig.file("crl", rig.pki.crl())
    return pem(certificate_).encode()


def access(**claims: Any) -> Made:
    now = int(NOW.timestamp())
    given = {"iss": CODE, "aud": "gateway-shep", "iat": now, "exp": now + 50, "jti": "1", **claims}
    return lambda rig: sign_compact(given, rig.key, "egov-access+jwt").encode()


def dump(change: Callable[[bytes], bytes] = bytes) -> Made:
    """As a proxy writes a delivery down."""

    def made(rig: Rig) -> bytes:
        raw, signature = rig.signed(rig.answer().encode())
        head = f"POST /v1/envelopes HTTP/1.1\r\nHost: shep\r\nEgov-Signature: {signature}\r\n\r\n"
        return head.encode() + change(raw)

    return made


def pretty(raw: bytes) -> bytes:
    return json.dumps(json.loads(raw), indent=2, ensure_ascii=False).encode()


def cassette(version: str | None = None) -> Made:
    def made(rig: Rig) -> bytes:
        said = Entry(1, "out", 0.0, "rshep.atyrau.ingress", json.loads(rig.answer().encode()))
        return Cassette(CODE, version or contracts_version(contracts_dir()), NOW, (said,)).text().encode()

    return made


def item(rig: Rig, *, spoiled: bool = False) -> bytes:
    raw, signature = rig.signed(rig.answer().encode())
    body = base64.b64encode(raw + b"\n" * spoiled).decode()
    return json.dumps({"items": [{"id": "1", "envelope": body, "signature": signature, "receipts": []}]}).encode()


SPOILED: list[tuple[str, Made, str, str, str]] = [
    # what is wrong, the file, the code, where, the nearest name
    ("a byte order mark in front", later(lambda raw: b"\xef\xbb\xbf" + raw), "doctor.bom_added", "signature", ""),
    ("the same, as the bus answers", later(lambda raw: b"\xef\xbb\xbf" + raw), "envelope.malformed", "envelope", ""),
    ("a newline at the end", later(lambda raw: raw + b"\n"), "doctor.newline_added", "signature", ""),
    ("printed again", later(pretty), "doctor.reformatted", "signature", ""),
    ("a byte changed", later(lambda raw: raw.replace(b"2600", b"2700")), "signature.invalid", "signature", ""),
    ("a dump with a newline", dump(lambda raw: raw + b"\r\n"), "doctor.newline_added", "signature", ""),
    ("an item with a newline", lambda rig: item(rig, spoiled=True), "doctor.newline_added", "signature", ""),
    ("half a document", before(lambda raw: raw[:90]), "envelope.malformed", "envelope", ""),
    (
        "a name twice",
        before(lambda raw: raw.replace(b'"caseseq":1', b'"caseseq":1,"caseseq":1')),
        "envelope.malformed",
        "envelope",
        "",
    ),
    (
        "a name misspelt",
        before(lambda raw: raw.replace(b'"caseseq"', b'"caseseqq":1,"caseseq"')),
        "envelope.unknown_attribute",
        "",
        "caseseq",
    ),
    (
        "text for a number",
        before(lambda raw: raw.replace(b'"caseseq":1', b'"caseseq":"1"')),
        "envelope.attribute_invalid",
        "caseseq",
        "",
    ),
    ("too large", before(lambda raw: raw + b" " * 300_000), "envelope.too_large", "", ""),
    (
        "no number in the data",
        before(lambda raw: raw.replace(b'"number":"26000000001",', b"")),
        "data.invalid",
        "data.number",
        "",
    ),
    (
        "a field too many",
        before(lambda raw: raw.replace(b'"number"', b'"colour":1,"number"')),
        "data.invalid",
        "data.colour",
        "",
    ),
    (
        "a regulation misspelt",
        answer(regulation="atyrau-housing-queu"),
        "route.unknown_regulation",
        "regulation",
        "atyrau-housing-queue",
    ),
    ("a channel misspelt", answer(channel="portall"), "route.unknown_channel", "channel", "portal"),
    ("a region misspelt", answer(region="atirau"), "route.unknown_region", "region", "atyrau"),
    ("a region of another act", answer(region="semey"), "route.region_mismatch", "region", ""),
    (
        "a type misspelt",
        answer(type="kz.egov.case.registred.v1"),
        "route.type_unknown",
        "type",
        "kz.egov.case.registered.v1",
    ),
    ("a recipient misspelt", answer(recipient="portal-pepp"), "route.recipient_unknown", "recipient", "portal-pep"),
    ("a recipient it is not for", answer(recipient="gbd-fl-mock"), "route.recipient_not_allowed", "recipient", ""),
    ("a step the act has not", answer(step="P66"), "order.step_not_allowed", "step", "P6"),
    ("a certificate check skipped", application(steps="P1 C1 P3"), "order.trail_broken", "data.trail", ""),
    ("a provider who applies", application(source=CODE), "route.source_not_allowed", "source", ""),
    ("a time to come", answer(time=NOW + timedelta(minutes=5)), "time.in_future", "time", ""),
    ("its time is up", application(expirytime=NOW - timedelta(seconds=1)), "time.expired", "expirytime", ""),
    ("an ИИН with a slip", application(iin=WRONG_IIN), "field.iin_invalid", "data.applicant.iin", ""),
    ("a person signed other words", application(words=b"[]"), "signature.of_other_data", "data.signature", ""),
    (
        "no signature at all",
        lambda rig: (rig.answer().encode(), "no.signature"),
        "signature.malformed",
        "signature",
        "",
    ),
    (
        "a signature of another kind",
        lambda rig: (rig.answer().encode(), sign_compact({}, rig.key, "x")),
        "signature.malformed",
        "signature",
        "",
    ),
    (
        "another's name",
        lambda rig: rig.signed(rig.answer(source="provider-arm").encode()),
        "signature.not_of_source",
        "source",
        "",
    ),
    ("a certificate that ended", certificate(span=days(-9, -1)), "certificate.expired", "certificate", ""),
    ("a certificate to come", certificate(span=days(1, 90)), "certificate.not_yet_valid", "certificate", ""),
    ("a certificate that ends", certificate(span=days(-9, 9)), "doctor.certificate_ends_soon", "certificate", ""),
    ("not for systems", certificate(usage=PROFILES["person_auth"]), "certificate.wrong_usage", "certificate", ""),
    (
        "a stranger's authority",
        lambda rig: pem(TestPki(rig.clock).system(CODE, bin_=BIN).certificate).encode(),
        "certificate.untrusted",
        "certificate",
        "",
    ),
    ("revoked", revoked, "certificate.revoked", "certificate", ""),
    ("another's certificate", certificate("portal-pep", OTHER_BIN), "participant.foreign_certificate", "CN", ""),
    ("another organisation", certificate(bin_=OTHER_BIN), "doctor.bin_of_another", "OU", ""),
    ("a БИН with a slip", certificate(bin_="990440000009"), "doctor.bin_wrong", "OU", ""),
    ("a token for too long", access(exp=int(NOW.timestamp()) + 600), "access.expired", "iat, exp", ""),
    ("a token of yesterday", access(iat=1, exp=50), "access.expired", "iat, exp", ""),
    ("a token for nobody", access(aud="portal"), "access.invalid", "aud, iat, exp", ""),
    ("a token in another's name", access(iss="portal-pep"), "access.invalid", "iss", ""),
    (
        "a token of an unknown kind",
        lambda rig: sign_compact({}, rig.key, "JWT").encode(),
        "signature.malformed",
        "header",
        "",
    ),
    ("a PDF cut short", lambda rig: b"%PDF-1.7\n1 0 obj", "doctor.pdf_cut", "", ""),
    ("a cassette of other contracts", cassette("9.0.0"), "doctor.cassette_invalid", "", ""),
]


@pytest.mark.parametrize(
    ("made", "code", "where", "near"), [row[1:] for row in SPOILED], ids=[row[0] for row in SPOILED]
)
async def test_what_is_wrong_is_found(rig: Rig, made: Made, code: str, where: str, near: str) -> None:
    content = made(rig)
    rig.means = replace(rig.means, certificate=rig.file("portal.pem", pem(rig.portal.certificate).encode()))
    [report] = await rig.look(*content) if isinstance(content, tuple) else await rig.look(content)
    found = {(one.code, one.where): one for one in report.findings}
    assert (code, where) in found, report.findings
    one = found[code, where]
    assert one.remedy and one.detail and "…" not in one.title
    assert near in one.near or not near


HEALTHY: list[tuple[str, Made, str]] = [
    ("an answer", answer(), "case.registered.v1 from akimat-demo to portal-pep"),
    ("an application", application(), "case.submitted.v1 from portal-pep"),
    ("a draft without a signature", lambda rig: rig.answer().encode(), "an envelope"),
    ("a dump", dump(), "an envelope"),
    ("an inbox", item, "an envelope"),
    ("a certificate", certificate(), "a certificate (system) of akimat-demo"),
    ("a certificate in DER", lambda rig: rig.key.certificate.public_bytes(Encoding.DER), "a certificate (system)"),
    ("an access token", access(), "of akimat-demo for gateway-shep"),
    ("a signature alone", lambda rig: rig.signed(b"{}")[1].encode(), "the detached signature of an envelope, ES256"),
    ("a PDF", lambda rig: b"%PDF-1.7\n%%EOF\n", "a PDF"),
    ("a cassette", cassette(), "a cassette of `egov record`"),
    ("a key", lambda rig: private_pem(rig.key.private_key), "a private key"),
]


@pytest.mark.parametrize(("made", "what"), [row[1:] for row in HEALTHY], ids=[row[0] for row in HEALTHY])
async def test_what_is_right_is_left_in_peace(rig: Rig, made: Made, what: str) -> None:
    content = made(rig)
    rig.means = replace(rig.means, certificate=rig.file("portal.pem", pem(rig.portal.certificate).encode()))
    [report] = await rig.look(*content) if isinstance(content, tuple) else await rig.look(content)
    assert (report.findings, what in report.what) == ([], True), report.what


async def test_a_key_store_is_opened_by_its_password_and_by_no_other(rig: Rig) -> None:
    store = rig.key.to_pkcs12("Synthetic1", CODE)
    [report] = await rig.look(store, password=rig.file("password", b"Synthetic1\n"))
    assert (report.findings, "akimat-demo" in report.what) == ([], True)
    with pytest.raises(Unreadable, match="the password is wrong"):
        await rig.look(store, password=rig.file("password", b"Other1"))


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00\x01", b"\x30\x82\x01"])
async def test_what_is_nothing_of_the_bus_is_not_guessed_at(rig: Rig, content: bytes) -> None:
    with pytest.raises(Unreadable):
        await rig.look(content)


async def test_what_could_not_be_checked_is_said(rig: Rig) -> None:
    raw, signature = rig.signed(rig.answer().encode())
    rig.means = Means()
    [report] = await rig.look(raw, signature)
    assert report.findings == []
    assert any("the signature was not verified" in note for note in report.notes)
    assert any("akimat-demo" in note for note in report.notes)


# --- with the list of members at hand


def member(rig: Rig, code: str, kind: str, key: SigningKey, state: str = "active") -> Member:
    held = (MemberCertificate.of(key.certificate),)
    return Member(code, kind, "Система", "Жүйе", BIN, "750000000", (), ("*",), state, "http", held)


async def with_members(rig: Rig, state: str = "active", letter: Letter | None = None) -> Report:
    gateway = rig.pki.system("gateway-shep")
    if letter is None:
        raw, signature = rig.signed(rig.answer().encode())
        place: dict[str, Any] = {"writer": "gateway-shep/1", "position": 1, "head": "0" * 64}
        told = Receipt("1", sha256(raw).hexdigest(), "gateway-shep", **place, received=NOW, forwarded=NOW)
        letter = Letter("file", raw, signature, (issue_receipt(told, gateway),))
    known: Known = await examining._known(httpx.AsyncClient(), rig.means, rig.clock)
    ours = member(rig, CODE, "provider", rig.key, state)
    known.members = Members(3, (member(rig, "gateway-shep", "national_gateway", gateway), ours))
    report = Report("file", known.problems, "ru")
    await check_envelope(letter, known, report)
    return report


async def test_receipts_are_verified_by_the_list_of_members(rig: Rig) -> None:
    report = await with_members(rig)
    assert report.findings == []
    assert "signature and receipts are good: passed gateway-shep" in report.notes


async def test_a_suspended_sender_is_named_in_russian(rig: Rig) -> None:
    [one] = (await with_members(rig, "suspended")).findings
    assert (one.code, one.where) == ("participant.suspended", "source")
    assert "участник" in one.title.lower()


async def test_a_certificate_that_no_member_has_is_named(rig: Rig) -> None:
    raw, signature = rig.signed(rig.answer().encode(), rig.pki.system(CODE))
    report = await with_members(rig, letter=Letter("file", raw, signature))
    assert [one.code for one in report.findings] == ["signature.unknown_certificate"]


async def test_a_receipt_of_another_envelope_is_named(rig: Rig) -> None:
    good = (await with_members(rig)).findings
    raw, signature = rig.signed(rig.answer().encode())
    report = await with_members(rig, letter=Letter("file", raw, signature, ("a.b.c",)))
    assert (good, [one.code for one in report.findings]) == ([], ["receipt.invalid"])


# --- addresses


def served(**paths: Any) -> Callable[[httpx.Request], httpx.Response]:
    """A service by its answers; `date` is what its clock says."""
    date = paths.pop("date", NOW)
    usual = {
        "health/live": {"service": "gateway-shep", "status": "ok"},
        "v1/sandbox": {"service": "gateway-shep", "contracts": contracts_version(contracts_dir())},
        "health/ready": {"status": "ok"},
        "health/path": {"status": "unmeasured"},
        "metrics": "egov_dead_letters_waiting 0.0\n",
    }
    answers = {**usual, **{name.replace("_", "/", 1): value for name, value in paths.items()}}

    def answer_(request: httpx.Request) -> httpx.Response:
        found = answers.get(request.url.path[1:], 404)
        headers = {"date": date.strftime("%a, %d %b %Y %H:%M:%S GMT")}
        if isinstance(found, int):
            return httpx.Response(found, headers=headers)
        status, body = found if isinstance(found, tuple) else (200, found)
        sent: dict[str, Any] = {"text": body} if isinstance(body, str) else {"json": body}
        return httpx.Response(status, headers=headers, **sent)

    return answer_


def down(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


@pytest.mark.parametrize(
    ("answers", "codes"),
    [
        (served(), []),
        (served(v1_sandbox=404), []),
        (down, ["doctor.not_reachable"]),
        (served(health_live=404), ["doctor.not_of_the_bus"]),
        (served(health_live="<html>"), ["doctor.not_of_the_bus"]),
        (served(v1_sandbox={"contracts": "9.0.0"}), ["doctor.other_contracts"]),
        (served(date=NOW - timedelta(minutes=4)), ["doctor.clock_differs"]),
        (served(health_ready=(503, {"checks": {"bus": "away", "db": "ok"}})), ["doctor.not_ready"]),
        (served(health_path=(503, {"status": "failed", "reason": "ConnectError"})), ["doctor.path_broken"]),
        (served(metrics="egov_dead_letters_waiting 3.0\n"), ["doctor.dead_letters"]),
    ],
)
async def test_an_address_is_asked_what_it_is_and_how_it_fares(
    rig: Rig, answers: Callable[[httpx.Request], httpx.Response], codes: list[str]
) -> None:
    async with httpx.AsyncClient(transport=httpx.MockTransport(answers)) as http:
        known = await examining._known(http, rig.means, rig.clock)
        report = Report("http://shep", known.problems, "en")
        await addresses.check_address(http, "http://shep", rig.clock, known, report)
    assert [one.code for one in report.findings] == codes


async def test_members_whose_certificates_end_are_named(rig: Rig) -> None:
    known = await examining._known(httpx.AsyncClient(), rig.means, rig.clock)
    ended, soon = (rig.pki.system(code, span=days(-9, until)) for code, until in (("a", -1), ("b", 5)))
    known.members = Members(1, (member(rig, "a", "portal", ended), member(rig, "b", "portal", soon)))
    report = Report("http://shep", known.problems, "en")
    addresses.check_members(known, report)
    assert [(one.code, one.where) for one in report.findings] == [
        ("certificate.expired", "a"),
        ("doctor.certificate_ends_soon", "b"),
    ]


def test_a_host_without_a_port_is_a_deployment_on_compose_s_ports() -> None:
    assert addresses.services_of("http://bus:8020/v1") == ["http://bus:8020"]
    assert len(addresses.services_of("http://bus")) == 9


# --- the command


@pytest.mark.parametrize(("lang", "said"), [("en", "cut short"), ("ru", "обрезан"), ("kk", "толық емес")])
def test_the_command_tells_findings_in_the_language_asked_for(tmp_path: Path, lang: str, said: str) -> None:
    (tmp_path / "result.pdf").write_bytes(b"%PDF-1.7\n")
    answered = CliRunner().invoke(app, ["doctor", str(tmp_path / "result.pdf"), "--lang", lang, "--json"])
    [report] = json.loads(answered.stdout)
    assert (answered.exit_code, report["findings"][0]["code"]) == (1, "doctor.pdf_cut")
    assert said in report["findings"][0]["title"]


def test_the_command_says_what_it_cannot_read(tmp_path: Path) -> None:
    answered = CliRunner().invoke(app, ["doctor", str(tmp_path / "none.json")])
    assert (answered.exit_code, "cannot be read" in answered.stderr) == (2, True)
