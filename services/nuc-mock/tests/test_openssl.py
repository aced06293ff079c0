"""What other people's tools say about our certificates, lists and containers."""

import asyncio
import shutil
import subprocess
from base64 import b64decode, b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from egovkit.clock import HandClock
from egovkit.signatures.asn1 import tsp

pytestmark = [
    pytest.mark.service,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here"),
]
AT = ["-attime", "1768449660"]  # 2026-01-15T04:01Z, a minute after the clock of the tests


def openssl(*arguments: str, ok: bool = True) -> str:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is ok, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
async def folder(twin: Any, tmp_path: Path) -> Path:
    """root.pem, issuing.pem and both lists as files, as a partner would keep them."""
    for name, path in {"root": "/ca/root.cer", "issuing": "/ca/issuing.cer"}.items():
        (tmp_path / f"{name}.cer").write_bytes((await twin.http.get(path)).content)
        openssl("x509", "-inform", "DER", "-in", f"{tmp_path}/{name}.cer", "-out", f"{tmp_path}/{name}.pem")
    await write_lists(twin, tmp_path)
    return tmp_path


async def write_lists(twin: Any, folder: Path) -> None:
    pems = []
    for name, path in {"crl": "/crl", "root-crl": "/crl/root"}.items():
        (folder / f"{name}.der").write_bytes((await twin.http.get(path)).content)
        openssl("crl", "-inform", "DER", "-in", f"{folder}/{name}.der", "-out", f"{folder}/{name}.pem")
        pems.append((folder / f"{name}.pem").read_text())
    (folder / "lists.pem").write_text("".join(pems))


def verify(folder: Path, certificate: str, ok: bool = True) -> str:
    (folder / "leaf.pem").write_text(certificate)
    return openssl(
        "verify", *AT, "-x509_strict", "-crl_check_all", "-CAfile", f"{folder}/root.pem",
        "-untrusted", f"{folder}/issuing.pem", "-CRLfile", f"{folder}/lists.pem", f"{folder}/leaf.pem", ok=ok,
    )  # fmt: skip


@pytest.mark.parametrize("profile", ["person_sign", "person_auth", "employee_sign", "head_auth", "finance_sign"])
async def test_openssl_verifies_every_profile_strictly_with_both_lists(twin: Any, folder: Path, profile: str) -> None:
    person = await twin.person(profile=profile, bin="999940000010", organisation="Бөлім")
    assert verify(folder, person["certificate"]).endswith("leaf.pem: OK\n")


async def test_openssl_verifies_a_systems_certificate(twin: Any, folder: Path) -> None:
    assert verify(folder, (await twin.order()).json()["certificate"]).endswith("leaf.pem: OK\n")


async def test_openssl_sees_a_revocation_as_soon_as_it_has_the_next_list(twin: Any, folder: Path) -> None:
    person = await twin.person()
    verify(folder, person["certificate"])
    await twin.revoke(person["serial"], "keyCompromise")
    await write_lists(twin, folder)
    assert "certificate revoked" in verify(folder, person["certificate"], ok=False)
    listed = openssl("crl", "-noout", "-text", "-in", f"{folder}/crl.pem")
    assert person["serial"].upper() in listed and "Key Compromise" in listed


async def test_openssl_refuses_the_expired_the_future_and_the_strangers(twin: Any, folder: Path) -> None:
    expired = await twin.person(not_after="2026-01-01T00:00:00Z")
    assert "certificate has expired" in verify(folder, expired["certificate"], ok=False)
    future = await twin.person(not_before="2026-02-01T00:00:00Z")
    assert "not yet valid" in verify(folder, future["certificate"], ok=False)
    stranger = await twin.person("/v1/control/persons", odd={"stranger": True})
    verify(folder, stranger["certificate"], ok=False)


async def test_openssl_checks_the_signature_of_the_list(folder: Path) -> None:
    assert "verify OK" in openssl("crl", "-noout", "-in", f"{folder}/crl.pem", "-CAfile", f"{folder}/issuing.pem")


async def test_openssl_shows_the_subject_as_nuc_writes_it(twin: Any, folder: Path) -> None:
    (folder / "leaf.pem").write_text((await twin.person())["certificate"])
    text = openssl("x509", "-noout", "-subject", "-nameopt", "utf8,sep_comma_plus,esc_msb", "-in", f"{folder}/leaf.pem")
    shown = openssl("x509", "-noout", "-subject", "-nameopt", "sep_multiline,utf8,sname", "-in", f"{folder}/leaf.pem")
    assert "IIN991231600012" in text
    assert [line.strip().split("=")[0] for line in shown.splitlines()[1:]] == ["CN", "SN", "serialNumber", "C", "GN"]


@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
async def test_openssl_opens_a_container_and_signs_with_its_key(twin: Any, folder: Path, kind: str) -> None:
    person = await twin.person(key=kind)
    (folder / "person.p12").write_bytes(b64decode(person["pkcs12"]))
    opened = ["-in", f"{folder}/person.p12", "-passin", "pass:Qwerty12"]
    openssl("pkcs12", *opened, "-nodes", "-out", f"{folder}/person.pem")
    openssl("pkcs12", "-in", f"{folder}/person.p12", "-passin", "pass:Wrong123", "-nodes", ok=False)
    (folder / "document").write_bytes("Өтініш".encode())
    openssl(
        "cms", "-sign", "-binary", "-in", f"{folder}/document", "-signer", f"{folder}/person.pem",
        "-outform", "DER", "-out", f"{folder}/signature",
    )  # fmt: skip
    (folder / "chain.pem").write_text(person["chain"])
    verified = openssl(
        "cms", "-verify", "-binary", *AT, "-inform", "DER", "-in", f"{folder}/signature", "-content",
        f"{folder}/document", "-CAfile", f"{folder}/chain.pem",
    )  # fmt: skip
    assert "successful" in verified.lower()


# --- OCSP (RFC 6960)


async def asked_by_openssl(twin: Any, folder: Path, certificate: str, *options: str, get: bool = False) -> str:
    """What `openssl ocsp` makes of our answer: it builds the request and checks nonce, signer and chain. (It knows no
    other time than the machine's, and says so.)"""
    (folder / "leaf.pem").write_text(certificate)
    cert = ["-issuer", f"{folder}/issuing.pem", "-cert", f"{folder}/leaf.pem"]
    openssl("ocsp", *options, *cert, "-reqout", f"{folder}/request.der")
    request = (folder / "request.der").read_bytes()
    if get:
        answered = await twin.http.get("/ocsp/" + quote(b64encode(request).decode(), safe=""))
    else:
        answered = await twin.http.post("/ocsp", content=request, headers={"content-type": "application/ocsp-request"})
    assert (answered.status_code, answered.headers["content-type"]) == (200, "application/ocsp-response")
    (folder / "answer.der").write_bytes(answered.content)
    shown = [*AT, "-CAfile", f"{folder}/root.pem", "-verify_other", f"{folder}/issuing.pem"]
    shown = ["ocsp", *shown, "-respin", f"{folder}/answer.der"]
    assert "Response verify OK" in openssl(*shown, "-reqin", f"{folder}/request.der"), "with its own nonce"
    return openssl(*shown, *options, *cert, "-no_nonce")


@pytest.mark.parametrize("get", [False, True])
@pytest.mark.parametrize("digest", [(), ("-sha256",)])
async def test_openssl_takes_our_word_for_good_and_revoked(
    twin: Any, folder: Path, get: bool, digest: tuple[str, ...]
) -> None:
    person = await twin.person()
    said = await asked_by_openssl(twin, folder, person["certificate"], *digest, get=get)
    assert "good" in said.splitlines()
    await twin.revoke(person["serial"], "keyCompromise")
    said = await asked_by_openssl(twin, folder, person["certificate"], *digest, get=get)
    assert "revoked" in said.splitlines() and "Reason: keyCompromise" in said
    answer = ocsp.load_der_ocsp_response((folder / "answer.der").read_bytes())
    request = ocsp.load_der_ocsp_request((folder / "request.der").read_bytes())
    assert answer.extensions[0].value == request.extensions[0].value, "the nonce, as it came"
    assert answer.next_update_utc is not None
    assert (answer.next_update_utc - answer.this_update_utc).total_seconds() == twin.settings.ocsp_seconds
    assert answer.produced_at_utc == answer.this_update_utc


async def test_a_hold_is_revoked_for_as_long_as_it_lasts_and_another_serial_is_unknown(twin: Any, folder: Path) -> None:
    person = await twin.person()
    await twin.revoke(person["serial"], "certificateHold")
    assert "Reason: certificateHold" in await asked_by_openssl(twin, folder, person["certificate"])
    await twin.admin.post(f"/v1/certificates/{person['serial']}/release")
    said = await asked_by_openssl(twin, folder, person["certificate"])
    assert "good" in said.splitlines()
    openssl("ocsp", "-issuer", f"{folder}/issuing.pem", "-serial", "0x1234", "-reqout", f"{folder}/other.der")
    answered = await twin.http.post("/ocsp", content=(folder / "other.der").read_bytes())
    [one] = ocsp.load_der_ocsp_response(answered.content).responses
    assert one.certificate_status is ocsp.OCSPCertStatus.UNKNOWN


async def test_who_stamps_is_answered_for_as_good(twin: Any, folder: Path) -> None:
    """A validator asks about the stamp's certificate too: it names this responder."""
    stamper, _ = certificates_in((await stamped(twin, folder, "-cert")).read_bytes())
    pem = stamper.public_bytes(Encoding.PEM).decode()
    assert "good" in (await asked_by_openssl(twin, folder, pem)).splitlines()


async def test_several_certificates_are_answered_in_one(twin: Any, folder: Path) -> None:
    good, bad = await twin.person(), await twin.person()
    await twin.revoke(bad["serial"], "superseded")
    serials = [part for one in (good, bad) for part in ("-serial", f"0x{one['serial']}")]
    openssl("ocsp", "-issuer", f"{folder}/issuing.pem", *serials, "-reqout", f"{folder}/two.der")
    answered = await twin.http.post("/ocsp", content=(folder / "two.der").read_bytes())
    found = [one.certificate_status for one in ocsp.load_der_ocsp_response(answered.content).responses]
    assert found == [ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED]


async def test_what_is_no_request_or_of_another_issuer_gets_an_answer_without_a_word(twin: Any, folder: Path) -> None:
    person = await twin.person()
    (folder / "leaf.pem").write_text(person["certificate"])
    of_root = ["-issuer", f"{folder}/root.pem", "-cert", f"{folder}/leaf.pem", "-reqout", f"{folder}/root.der"]
    openssl("ocsp", *of_root)
    status = ocsp.OCSPResponseStatus
    for body, wanted in (
        ((folder / "root.der").read_bytes(), status.UNAUTHORIZED),
        (b"", status.MALFORMED_REQUEST),
        (b"\x30\x84\xff\xff\xff\xff", status.MALFORMED_REQUEST),
        (b"\x30\x80" * 2000, status.MALFORMED_REQUEST),
        (b"x" * 5000, status.MALFORMED_REQUEST),
    ):
        answered = await twin.http.post("/ocsp", content=body)
        assert ocsp.load_der_ocsp_response(answered.content).response_status is wanted
    answered = await twin.http.get("/ocsp/no%20base64")
    assert ocsp.load_der_ocsp_response(answered.content).response_status is status.MALFORMED_REQUEST


# --- time stamps (RFC 3161)


async def stamped(twin: Any, folder: Path, *options: str) -> Path:
    """The reply to openssl's own query over data.bin."""
    (folder / "data.bin").write_bytes("Өтініш".encode())
    openssl("ts", "-query", "-data", f"{folder}/data.bin", *options, "-out", f"{folder}/query.tsq")
    headers = {"content-type": "application/timestamp-query"}
    answered = await twin.http.post("/tsp", content=(folder / "query.tsq").read_bytes(), headers=headers)
    assert (answered.status_code, answered.headers["content-type"]) == (200, "application/timestamp-reply")
    (folder / "reply.tsr").write_bytes(answered.content)
    return folder / "reply.tsr"


@pytest.mark.parametrize("digest", ["-sha256", "-sha512"])
async def test_openssl_verifies_a_stamp_with_its_nonce_policy_and_chain(twin: Any, folder: Path, digest: str) -> None:
    reply = await stamped(twin, folder, digest, "-cert", "-tspolicy", "1.2.398.3.3.2.999.1")
    chain = ["-CAfile", f"{folder}/root.pem", "-untrusted", f"{folder}/issuing.pem"]
    verified = ["ts", "-verify", *AT, "-in", str(reply), *chain]
    assert "Verification: OK" in openssl(*verified, "-queryfile", f"{folder}/query.tsq")
    assert "Verification: OK" in openssl(*verified, "-data", f"{folder}/data.bin")
    (folder / "data.bin").write_bytes(b"another")
    openssl(*verified, "-data", f"{folder}/data.bin", ok=False)
    said = openssl("ts", "-reply", "-in", str(reply), "-text")
    assert "Policy OID: 1.2.398.3.3.2.999.1" in said and "Serial number: 0x01" in said


async def test_no_serial_number_of_a_stamp_is_given_twice_also_after_a_start(
    settings: Any, start: Any, tmp_path: Path
) -> None:
    numbers = []
    for _ in range(2):
        async with start(settings) as twin:
            for _ in range(2):
                said = openssl("ts", "-reply", "-in", str(await stamped(twin, tmp_path)), "-text")
                numbers += [line for line in said.splitlines() if line.startswith("Serial number")]
    assert len(set(numbers)) == 4


async def test_a_stamp_without_certificates_is_given_when_none_are_wanted(twin: Any, folder: Path) -> None:
    bare = await stamped(twin, folder)
    small = bare.stat().st_size
    assert small < (await stamped(twin, folder, "-cert")).stat().st_size


def certificates_in(reply: bytes) -> list[x509.Certificate]:
    """Of a time stamp, the stamper's first."""
    found = tsp.TimeStampResp.load(reply)["time_stamp_token"]["content"]["certificates"]
    loaded = [x509.load_der_x509_certificate(one.chosen.dump()) for one in found]
    return sorted(loaded, key=lambda one: "TIME-STAMPING" not in one.subject.rfc4514_string())


async def test_a_stamp_carries_each_certificate_once(twin: Any, folder: Path) -> None:
    stamper, issuing = certificates_in((await stamped(twin, folder, "-cert")).read_bytes())
    stamper.verify_directly_issued_by(issuing)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("-sha1",), "unsupported algorithm"),
        (("-sha256", "-tspolicy", "1.2.3.4"), "TSA policy is not supported"),
    ],
)
async def test_what_is_not_stamped_is_rejected_with_its_reason(
    twin: Any, folder: Path, options: tuple[str, ...], said: str
) -> None:
    reply = await stamped(twin, folder, *options)
    shown = openssl("ts", "-reply", "-in", str(reply), "-text")
    assert "Status: Rejected" in shown and said in shown
    (folder / "reply.tsr").write_bytes((await twin.http.post("/tsp", content=b"\x30\x80" * 2500)).content)
    assert "Status: Rejected" in openssl("ts", "-reply", "-in", f"{folder}/reply.tsr", "-text")


# --- lists of changes (RFC 5280, 5.2.4)


async def list_as_pem(twin: Any, folder: Path, name: str, path: str) -> str:
    (folder / f"{name}.der").write_bytes((await twin.http.get(path)).content)
    openssl("crl", "-inform", "DER", "-in", f"{folder}/{name}.der", "-out", f"{folder}/{name}.pem")
    return (folder / f"{name}.pem").read_text()


async def test_openssl_learns_of_a_revocation_and_a_release_from_the_changes_alone(twin: Any, folder: Path) -> None:
    """The complete list stays the one from before; only the small list is fetched again."""
    held, revoked, good = [await twin.person() for _ in range(3)]
    await twin.revoke(held["serial"], "certificateHold")
    await twin.admin.post("/v1/control/crl")
    old = await list_as_pem(twin, folder, "old", "/crl")
    root_list = await list_as_pem(twin, folder, "root-list", "/crl/root")

    async def said(certificate: str, *, ok: bool) -> str:
        lists = old + root_list + await list_as_pem(twin, folder, "delta", "/crl/delta")
        (folder / "all.pem").write_text(lists)
        (folder / "leaf.pem").write_text(certificate)
        return openssl(
            "verify", *AT, "-crl_check", "-use_deltas", "-extended_crl", "-CAfile", f"{folder}/root.pem",
            "-untrusted", f"{folder}/issuing.pem", "-CRLfile", f"{folder}/all.pem", f"{folder}/leaf.pem", ok=ok,
        )  # fmt: skip

    assert "certificate revoked" in await said(held["certificate"], ok=False)
    await said(revoked["certificate"], ok=True)
    await twin.admin.post(f"/v1/certificates/{held['serial']}/release")
    await twin.revoke(revoked["serial"], "keyCompromise")
    assert "certificate revoked" in await said(revoked["certificate"], ok=False)
    await said(held["certificate"], ok=True)
    await said(good["certificate"], ok=True)
    text = openssl("crl", "-noout", "-text", "-in", f"{folder}/delta.pem", "-CAfile", f"{folder}/issuing.pem")
    assert "verify OK" in text and "Delta CRL Indicator: critical" in text and "Remove From CRL" in text


async def test_changes_have_the_number_of_the_complete_list_and_start_at_one_of_the_period_before(
    twin: Any, clock: HandClock
) -> None:
    async def numbers() -> tuple[int, int, int]:
        complete, delta = [
            x509.load_der_x509_crl((await twin.http.get(path)).content) for path in ("/crl", "/crl/delta")
        ]
        base = delta.extensions.get_extension_for_class(x509.DeltaCRLIndicator).value.crl_number
        found = [one.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for one in (complete, delta)]
        return found[0], found[1], base

    first, _, _ = await numbers()
    await twin.revoke((await twin.person())["serial"], "superseded")
    assert await numbers() == (first + 1, first + 1, first)
    await clock.advance(timedelta(hours=13))  # more than half of its life: a new complete list by time
    assert await numbers() == (first + 2, first + 2, first), "who holds the old one until its end needs no other"
    await clock.advance(timedelta(hours=13))
    assert await numbers() == (first + 3, first + 3, first + 2)


async def test_certificates_and_complete_lists_say_where_the_changes_are(twin: Any) -> None:
    certificate = x509.load_pem_x509_certificate((await twin.person())["certificate"].encode())
    complete = x509.load_der_x509_crl((await twin.http.get("/crl")).content)
    for one in (certificate, complete):
        [point] = one.extensions.get_extension_for_class(x509.FreshestCRL).value
        assert point.full_name is not None
        address = point.full_name[0].value.removeprefix(twin.settings.base_url)
        assert (await twin.http.get(address)).content == (await twin.http.get("/crl/delta")).content


# --- a new key of the issuing authority


async def test_old_and_new_certificates_verify_by_what_their_own_addresses_give_after_a_rotation(
    twin: Any, folder: Path
) -> None:
    old = await twin.person()
    lost = await twin.person()
    answer = await twin.admin.post("/v1/authority/rotate")
    assert (answer.status_code, answer.json()["generation"]) == (201, 2)
    new = await twin.person()
    await twin.revoke(lost["serial"], "keyCompromise")
    for person, ok in ((old, True), (new, True), (lost, False)):
        certificate = x509.load_pem_x509_certificate(person["certificate"].encode())
        files = [(await twin.http.get(path)).content for path in addresses(certificate, twin.settings.base_url)]
        (folder / "own.cer").write_bytes(files[0])
        (folder / "own.crl").write_bytes(files[1])
        openssl("x509", "-inform", "DER", "-in", f"{folder}/own.cer", "-out", f"{folder}/own-ca.pem")
        openssl("crl", "-inform", "DER", "-in", f"{folder}/own.crl", "-out", f"{folder}/own-crl.pem")
        (folder / "leaf.pem").write_text(person["certificate"])
        said = openssl(
            "verify", *AT, "-x509_strict", "-crl_check", "-CAfile", f"{folder}/root.pem", "-untrusted",
            f"{folder}/own-ca.pem", "-CRLfile", f"{folder}/own-crl.pem", f"{folder}/leaf.pem", ok=ok,
        )  # fmt: skip
        assert ok or "certificate revoked" in said
        (folder / "issuing.pem").write_text((folder / "own-ca.pem").read_text())
        answered = await asked_by_openssl(twin, folder, person["certificate"])
        assert ("good" if ok else "revoked") in answered.splitlines()


def addresses(certificate: x509.Certificate, base: str) -> list[str]:
    """Of its issuer and its list, as the certificate itself says."""
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    [issuer] = [one for one in access if one.access_method == AuthorityInformationAccessOID.CA_ISSUERS]
    [point] = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert point.full_name is not None
    return [str(one.value).removeprefix(base) for one in (issuer.access_location, point.full_name[0])]


async def test_stamps_after_a_rotation_chain_by_the_new_key_and_older_ones_still_do(twin: Any, folder: Path) -> None:
    before = (await stamped(twin, folder, "-sha256", "-cert")).read_bytes()
    await twin.admin.post("/v1/authority/rotate")
    after = (await stamped(twin, folder, "-sha256", "-cert")).read_bytes()
    for generation, reply in ((1, before), (2, after)):
        (folder / "one.tsr").write_bytes(reply)
        issuer = (await twin.http.get(f"/ca/issuing-{generation}.cer")).content
        (folder / "one.pem").write_text(x509.load_der_x509_certificate(issuer).public_bytes(Encoding.PEM).decode())
        said = openssl(
            "ts", "-verify", *AT, "-in", f"{folder}/one.tsr", "-data", f"{folder}/data.bin",
            "-CAfile", f"{folder}/root.pem", "-untrusted", f"{folder}/one.pem",
        )  # fmt: skip
        assert "Verification: OK" in said


async def test_two_processes_never_give_the_same_serial_number(settings: Any, start: Any, tmp_path: Path) -> None:
    async with start(settings) as one, start(settings) as two:
        openssl("rand", "-out", f"{tmp_path}/data.bin", "32")
        openssl("ts", "-query", "-data", f"{tmp_path}/data.bin", "-sha256", "-out", f"{tmp_path}/query.tsq")
        query = (tmp_path / "query.tsq").read_bytes()
        replies = await asyncio.gather(*(twin.http.post("/tsp", content=query) for twin in (one, two) * 5))
    found = [tsp.TimeStampResp.load(one.content) for one in replies]
    numbers = [
        one["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed["serial_number"] for one in found
    ]
    assert len({number.native for number in numbers}) == 10
