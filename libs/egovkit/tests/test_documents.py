"""The one way to verify a person's signature: what is remembered, what is asked, who else signs, what bombs do."""

import hashlib
import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from egovkit.clock import HandClock
from egovkit.errors import EgovError
from egovkit.signatures.agent import add_stamp
from egovkit.signatures.authority import PROFILES, Span, Usage, system_name
from egovkit.signatures.cms import MAX_CMS, sign_cms
from egovkit.signatures.der import BadDer, require_der
from egovkit.signatures.documents import OF_A_SIGNATURE, DocumentSignatures
from egovkit.signatures.keys import SigningKey, der, new_private_key, private_pem, read_key_file, thumbprint
from egovkit.signatures.ocsp import REST_S, OcspClient, OcspUnusable
from egovkit.signatures.stamps import check_token
from egovkit.testing.pki import TestPki
from egovkit.testing.signing import LittleStamps, OcspAnswer
from egovkit.verdict import verdict_of

NOW = datetime(2026, 1, 15, 4, tzinfo=UTC)
IIN, SPOUSE, STRANGER = "991231600012", "991231600022", "991231600032"
DATA = '{"kind":"application","форма":"Тұрғын үй"}'.encode()
NUC = "http://nuc.test"
OFFERS = Usage(PROFILES["person_sign"].ekus, non_repudiation=True, ocsp="http://attacker.test/elsewhere")


class Authority:
    """НУЦ with a responder whose answers are counted and can be bent."""

    def __init__(self) -> None:
        self.clock = HandClock(NOW)
        self.pki = TestPki(self.clock)
        self.responder = self.pki.responder()
        self.asked: list[str] = []
        self.how: dict[str, Any] = {}
        self.answers: Callable[[httpx.Request], httpx.Response] = self.answer
        self.person = self.pki.person(IIN, usage=OFFERS)
        self.http = httpx.AsyncClient(transport=httpx.MockTransport(self._take))
        self.trust = self.pki.trust()
        self.client = OcspClient(self.http, self.clock, NUC)
        self.signatures = DocumentSignatures(self.trust, self.client)

    def _take(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        return self.answers(request)

    def answer(self, request: httpx.Request) -> httpx.Response:
        from egovkit.signatures.asn1 import ocsp

        nonce = ocsp.OCSPRequest.load(request.content).nonce_value.native
        said = OcspAnswer(self.person.certificate, self.pki.issuing, self.clock.now(), **self.how)
        return httpx.Response(
            200,
            content=said.signed(self.responder, nonce),
            headers={"content-type": "application/ocsp-response"},
        )

    def signed(self, key: SigningKey | None = None) -> bytes:
        return sign_cms(DATA, key or self.person, self.clock.now())

    def stamps(self) -> LittleStamps:
        key = new_private_key("rsa2048")
        issued = self.pki.issuing_authority.issue(
            system_name("tsa"), key.public_key(), PROFILES["stamping"], self.pki.span()
        )
        return LittleStamps(SigningKey(key, issued, (self.pki.issuing,)), self.clock.now())


@pytest.fixture
def nuc() -> Authority:
    return Authority()


async def test_a_signer_who_comes_again_is_not_asked_about_again(nuc: Authority) -> None:
    for _ in range(3):
        facts = await nuc.signatures.verify(DATA, nuc.signed(), nuc.clock.now(), IIN)
        assert facts.refusal is None and facts.revocation is not None and facts.revocation.source == "ocsp"
    assert len(nuc.asked) == 1


async def test_only_the_deployments_own_authority_is_asked_whatever_the_certificate_says(nuc: Authority) -> None:
    await nuc.signatures.verify(DATA, nuc.signed(), NOW, IIN)
    assert nuc.asked == [f"{NUC}/ocsp"]


async def test_nobody_is_asked_about_a_certificate_that_is_not_ours_or_a_signature_that_is_not_good(
    nuc: Authority,
) -> None:
    stranger = TestPki(nuc.clock).person(IIN, usage=OFFERS)
    assert (await nuc.signatures.verify(DATA, nuc.signed(stranger), NOW, IIN)).refusal == "certificate.untrusted"
    assert (await nuc.signatures.verify(b"x", nuc.signed(), NOW, IIN)).refusal == "signature.of_other_data"
    assert nuc.asked == []


async def test_the_facts_say_how_old_the_answer_is(nuc: Authority) -> None:
    await nuc.signatures.verify(DATA, nuc.signed(), NOW, IIN)
    await nuc.clock.advance(timedelta(minutes=40))
    facts = await nuc.signatures.verify(DATA, nuc.signed(), nuc.clock.now(), IIN)
    told = facts.as_data()
    assert told["revocation_age_s"] == 2400 and told["revocation"]["produced_at"] == NOW.isoformat()
    assert len(nuc.asked) == 1


async def test_an_answer_serves_until_its_end_and_no_longer(nuc: Authority) -> None:
    await nuc.signatures.verify(DATA, nuc.signed(), NOW, IIN)
    await nuc.clock.advance(timedelta(hours=1, seconds=1))
    nuc.how = {"said": "revoked", "since": NOW}
    facts = await nuc.signatures.verify(DATA, nuc.signed(), nuc.clock.now(), IIN)
    assert facts.refusal == "certificate.revoked" and len(nuc.asked) == 2


async def test_a_kept_answer_never_hides_what_a_younger_list_tells(nuc: Authority) -> None:
    assert (await nuc.signatures.verify(DATA, nuc.signed(), NOW, IIN)).refusal is None
    await nuc.clock.advance(timedelta(seconds=5))
    nuc.pki.revoke(nuc.person.certificate)
    facts = await nuc.signatures.verify(DATA, nuc.signed(), nuc.clock.now(), IIN)
    assert facts.refusal == "certificate.revoked" and facts.revocation is not None
    assert facts.revocation.source == "crl" and len(nuc.asked) == 1


async def test_after_silence_the_authority_is_left_alone_for_a_while(nuc: Authority) -> None:
    def silent(_: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("silence")

    nuc.answers = silent
    for _ in range(3):
        facts = await nuc.signatures.verify(DATA, nuc.signed(), nuc.clock.now(), IIN)
        assert facts.refusal is None and facts.ocsp is not None  # the list serves
    assert len(nuc.asked) == 1
    nuc.answers = nuc.answer
    await nuc.clock.advance(timedelta(seconds=REST_S + 1))
    facts = await nuc.signatures.verify(DATA, nuc.signed(), nuc.clock.now(), IIN)
    assert facts.ocsp is None and len(nuc.asked) == 2


async def test_no_more_is_read_than_an_answer_can_be_long(nuc: Authority) -> None:
    read = 0

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            nonlocal read
            while True:
                read += 1
                yield bytes(4096)

    headers = {"content-type": "application/ocsp-response"}
    nuc.answers = lambda _: httpx.Response(200, stream=Endless(), headers=headers)
    with pytest.raises(OcspUnusable, match="longer than any answer"):
        await nuc.client.status(nuc.person.certificate, nuc.pki.issuing)
    assert read <= 6


async def test_each_question_has_a_nonce_of_its_own(nuc: Authority) -> None:
    from egovkit.signatures.asn1 import ocsp

    seen = []

    def remembered(request: httpx.Request) -> httpx.Response:
        seen.append(ocsp.OCSPRequest.load(request.content).nonce_value.native)
        return nuc.answer(request)

    nuc.answers, nuc.how = remembered, {"life": timedelta(seconds=1)}
    for _ in range(3):
        await nuc.client.status(nuc.person.certificate, nuc.pki.issuing)
        await nuc.clock.advance(timedelta(seconds=2))
    assert len(set(seen)) == 3 and {len(one) for one in seen} == {32}


async def test_the_checks_are_numbered_and_the_facts_fit_into_json(nuc: Authority) -> None:
    facts = await nuc.signatures.verify(DATA, nuc.signed(), NOW, SPOUSE)
    assert [one.number for one in facts.checks] == list(range(4, 12))
    told = json.loads(json.dumps(facts.as_data()))
    assert told["verdict"] == "certificate.of_another_person" and told["checks"][-1]["code"] == told["verdict"]
    assert IIN not in json.dumps(told) and SPOUSE not in json.dumps(told)
    with pytest.raises(AttributeError):
        facts.ocsp = "changed"  # type: ignore[misc]


async def test_the_facts_are_what_apis_show_word_for_word(nuc: Authority) -> None:
    """By OCSP with a stamp, and by the list without one: `SignatureVerdict` knows every field and adds none."""
    stamped = await nuc.signatures.verify(DATA, await add_stamp(nuc.signed(), nuc.stamps()), NOW, IIN)
    broken = await DocumentSignatures(nuc.trust).verify(b"x", nuc.signed(), NOW, IIN)
    for facts in (stamped, broken):
        told = json.loads(json.dumps(facts.as_data()))
        shown = verdict_of(told)
        assert shown is not None
        again = json.loads(shown.model_dump_json().replace('Z"', '+00:00"'))
        assert again == told
    told = stamped.as_data()
    assert told["document"] == hashlib.sha256(DATA).hexdigest() and told["stamp"]["moment"] == NOW.isoformat()
    assert told["signer"]["certificate"] == nuc.person.thumbprint and told["signer"]["bin"] is None
    assert told["root"] == thumbprint(nuc.pki.root) == told["chain"][-1]
    assert told["revocation"]["source"] == "ocsp" and told["revocation"]["this_update"] == NOW.isoformat()
    assert [one["code"] for one in broken.as_data()["checks"]][:2] == [None, "signature.of_other_data"]
    assert verdict_of(None) is None


async def test_a_stamp_proves_the_moment_for_a_revocation_that_came_later(nuc: Authority) -> None:
    bare = nuc.signed()
    stamped = await add_stamp(bare, nuc.stamps())
    await nuc.clock.advance(timedelta(hours=2))
    nuc.pki.revoke(nuc.person.certificate)
    nuc.how = {"said": "revoked", "since": nuc.clock.now()}
    with_stamp = await nuc.signatures.verify(DATA, stamped, nuc.clock.now(), IIN)
    without = await nuc.signatures.verify(DATA, bare, nuc.clock.now(), IIN)
    assert (with_stamp.refusal, with_stamp.level) == (None, "CAdES-T")
    assert (without.refusal, without.level) == ("certificate.revoked", "CAdES-BES")
    assert with_stamp.judged_at == NOW and without.judged_at == nuc.clock.now()


async def test_both_spouses_sign_each_in_a_file_of_their_own(nuc: Authority) -> None:
    mine, spouse = nuc.signed(nuc.pki.person(IIN)), nuc.signed(nuc.pki.person(SPOUSE))
    stranger = nuc.signed(nuc.pki.person(STRANGER))
    expired = nuc.signed(nuc.pki.person(SPOUSE, span=Span(NOW - timedelta(days=2), NOW - timedelta(days=1))))
    found = {}
    for name, files in {
        "both": (mine, spouse),
        "other order": (spouse, mine),
        "one": (mine,),
        "twice": (mine, nuc.signed(nuc.pki.person(IIN))),
        "stranger": (mine, stranger),
        "expired": (mine, expired),
    }.items():
        facts = await nuc.signatures.verify_each(DATA, files, NOW, (IIN, SPOUSE))
        found[name] = (facts.refusal, facts.missing)
    assert found == {
        "both": (None, ()),
        "other order": (None, ()),
        "one": ("signature.signer_missing", (SPOUSE,)),
        "twice": ("signature.signer_twice", (SPOUSE,)),
        "stranger": ("signature.of_a_stranger", (SPOUSE,)),
        "expired": ("certificate.expired", (SPOUSE,)),
    }
    with pytest.raises(EgovError, match=r"signature\.too_many"):
        await nuc.signatures.verify_each(DATA, [mine] * 9, NOW, (IIN, SPOUSE))


async def test_a_hundred_megabytes_and_other_bombs_are_refused_unread(nuc: Authority) -> None:
    signed = nuc.signed()
    deep = b"\x30\x84\x05\xf5\xe1\x00" * 5000
    for bomb in (bytes(100_000_000), b"-----BEGIN CMS-----\n" + b"A" * 100_000_000, deep, signed + bytes(MAX_CMS)):
        with pytest.raises(EgovError, match=r"signature\.cms_malformed"):
            await nuc.signatures.verify(DATA, bomb, NOW, IIN)


def test_the_walk_through_der_takes_what_is_der_and_nothing_else(nuc: Authority) -> None:
    require_der(nuc.signed(), longest=MAX_CMS)
    require_der(der(nuc.person.certificate), longest=MAX_CMS)
    for bad in (b"", b"\x30", b"\x30\x80\x00\x00", b"\x30\x03\x02\x02\x01", b"\x30\x00\x00", b"\x30\x88" + b"\xff" * 8):
        with pytest.raises(BadDer):
            require_der(bad, longest=MAX_CMS)


def test_a_key_file_is_opened_by_its_password_alone(nuc: Authority) -> None:
    file = nuc.person.to_pkcs12("right", "person")
    assert read_key_file(file, "right").thumbprint == nuc.person.thumbprint
    with pytest.raises(EgovError, match=r"signature\.key_file_locked"):
        read_key_file(file, "wrong")
    for broken in (file[:-1], b"", bytes(1_000_000), b"\x30\x00", nuc.signed()):
        with pytest.raises(EgovError, match=r"signature\.key_file_unusable"):
            read_key_file(broken, "right")


def test_a_key_file_that_asks_for_endless_work_is_refused_before_it_starts(nuc: Authority) -> None:
    from egovkit.signatures.asn1 import core, pkcs12

    def file() -> Any:
        return pkcs12.Pfx.load(nuc.person.to_pkcs12("right", "person"))

    by_mac, by_pbmac1, by_both = file(), file(), file()
    by_mac["mac_data"]["iterations"] = 2**31 - 1
    by_pbmac1["mac_data"]["mac"]["digest_algorithm"] = {
        "algorithm": "1.2.840.113549.1.5.14",  # RFC 9579
        "parameters": core.Any(endless_pbkdf2()),
    }
    by_both["mac_data"]["iterations"] = 600_000
    safe = by_both.authenticated_safe
    algorithm = safe[0]["content"]["encrypted_content_info"]["content_encryption_algorithm"]
    algorithm["parameters"]["key_derivation_func"]["parameters"]["iteration_count"] = 600_000
    by_both["auth_safe"]["content"] = core.OctetString(safe.dump(force=True))
    for bomb in (by_mac, by_pbmac1, by_both):
        with pytest.raises(EgovError) as caught:
            read_key_file(bomb.dump(force=True), "right")
        assert caught.value.params["reason"] == "too_many_rounds"


def endless_pbkdf2() -> Any:
    from egovkit.signatures.asn1 import algos

    salt = algos.Pbkdf2Salt("specified", b"salt")
    derivation = {"algorithm": "pbkdf2", "parameters": {"salt": salt, "iteration_count": 2**31 - 1}}
    hmac = {"algorithm": "1.2.840.113549.2.9"}
    return algos.Pbes2Params({"key_derivation_func": derivation, "encryption_scheme": hmac})


def test_a_key_file_without_a_password_or_a_mac_is_opened_as_well(nuc: Authority, tmp_path: Path) -> None:
    assert read_key_file(nuc.person.to_pkcs12(None, "person"), None).thumbprint == nuc.person.thumbprint
    (tmp_path / "key.pem").write_bytes(private_pem(nuc.person.private_key))
    (tmp_path / "signer.der").write_bytes(der(nuc.person.certificate))
    openssl("x509", "-inform", "DER", "-in", tmp_path / "signer.der", "-out", tmp_path / "signer.pem")
    files = ("-inkey", tmp_path / "key.pem", "-in", tmp_path / "signer.pem", "-out", tmp_path / "signer.p12")
    openssl("pkcs12", "-export", "-nomac", *files, "-passout", "pass:right")
    assert read_key_file((tmp_path / "signer.p12").read_bytes(), "right").thumbprint == nuc.person.thumbprint


def openssl(*words: str | Path) -> str:
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


async def test_openssl_accepts_signature_and_stamp(nuc: Authority, tmp_path: Path) -> None:
    from egovkit.signatures.asn1 import cms

    signed = await add_stamp(nuc.signed(), nuc.stamps())
    signer = cms.ContentInfo.load(signed)["content"]["signer_infos"][0]
    files = {
        "root.der": der(nuc.pki.root),
        "issuing.der": der(nuc.pki.issuing),
        "data.bin": DATA,
        "signature.der": signed,
        "value.bin": signer["signature"].native,
        "token.der": signer["unsigned_attrs"][0]["values"][0].dump(),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    for name in ("root", "issuing"):
        openssl("x509", "-inform", "DER", "-in", tmp_path / f"{name}.der", "-out", tmp_path / f"{name}.pem")
    trusted = ("-CAfile", tmp_path / "root.pem", "-attime", str(int(NOW.timestamp())))
    signature = ("-inform", "DER", "-in", tmp_path / "signature.der", "-content", tmp_path / "data.bin", "-binary")
    cms_said = openssl("cms", "-verify", "-cades", *signature, *trusted, "-purpose", "any", "-out", tmp_path / "out")
    assert "CAdES Verification successful" in cms_said, cms_said
    token = ("-in", tmp_path / "token.der", "-token_in", "-data", tmp_path / "value.bin")
    assert "Verification: OK" in openssl("ts", "-verify", *token, *trusted, "-untrusted", tmp_path / "issuing.pem")
    (tmp_path / "data.bin").write_bytes(DATA + b" ")
    assert "uccessful" not in openssl("cms", "-verify", *signature, *trusted, "-purpose", "any")


async def test_every_code_of_a_refusal_is_declared(nuc: Authority) -> None:
    stamped = await add_stamp(nuc.signed(), nuc.stamps())
    facts = await nuc.signatures.verify(DATA, stamped, NOW, IIN)
    assert facts.stamp is not None and facts.refusal is None
    token, imprint = facts.reading.stamp, facts.reading.imprint
    assert token is not None and check_token(token, imprint, nuc.trust, NOW).refusal is None
    assert check_token(token, bytes(32), nuc.trust, NOW).refusal in OF_A_SIGNATURE
