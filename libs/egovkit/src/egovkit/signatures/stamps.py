"""Asking for and reading time stamps (RFC 3161): proof that bytes existed at a moment, by who has nothing to gain."""

# mypy: disable-error-code="no-untyped-call"
# classes of ours under untyped ones

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from pyhanko.sign.timestamps import TimeStamper

from egovkit.errors import EgovError
from egovkit.signatures.asn1 import cms, core, tsp
from egovkit.signatures.certificates import Certificate, CertificateFacts, TrustStore, load_certificate
from egovkit.signatures.fetching import TooLong, fetch
from egovkit.signatures.keys import public_key_of

__all__ = ["MAX_STAMP", "OF_A_STAMP", "StampFacts", "StampService", "check_token", "stamp_certificates"]

QUERY_TYPE, REPLY_TYPE = "application/timestamp-query", "application/timestamp-reply"  # RFC 3161, 3.4
MAX_STAMP = 64 * 1024  # a token with its chain takes 6 KB
MAX_INFO = 4096  # bytes of what is stamped in it; it takes 150
MAX_SAID = 200  # characters of a refusal's text
SECONDS = 10.0


class StampService(TimeStamper):
    """A time stamping authority at an address, in the form pyHanko asks: `async_timestamp(digest, "sha256")` gives the
    token as a CMS ContentInfo.

    EgovError stamp.unavailable (nobody answers, or not with a stamp), stamp.refused (its own reason).
    """

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        super().__init__()
        self._http, self._url = http, url

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> Any:
        nonce, query = self.request_cms(message_digest, md_algorithm)
        return await asyncio.to_thread(read_reply, await self._ask(query.dump()), nonce)

    async def token(self, digest: bytes) -> bytes:
        """The DER of a token over a SHA-256."""
        return bytes((await self.async_timestamp(digest, "sha256")).dump())

    async def _ask(self, query: bytes) -> bytes:
        headers = {"Content-Type": QUERY_TYPE}
        try:
            answer, reply = await fetch(
                self._http, self._url, longest=MAX_STAMP, seconds=SECONDS, content=query, headers=headers
            )
        except TooLong:
            raise EgovError("stamp.unavailable", reason="too_long") from None
        except httpx.HTTPError as error:
            raise EgovError("stamp.unavailable", reason="no_answer", technical=type(error).__name__) from None
        kind = answer.headers.get("content-type", "").partition(";")[0]
        if answer.status_code != 200 or kind != REPLY_TYPE:
            raise EgovError("stamp.unavailable", reason="unexpected_answer", technical=f"{answer.status_code} {kind}")
        return reply


class _Reply(core.Sequence):
    """TimeStampResp, whose token asn1crypto takes for required: a refusal has none (RFC 3161, 2.4.2)."""

    _fields = [("status", tsp.PKIStatusInfo), ("time_stamp_token", cms.ContentInfo, {"optional": True})]  # noqa: RUF012


def read_reply(reply: bytes, nonce: int) -> Any:
    """The token (ContentInfo) that a reply to the question of this `nonce` gives. Off the loop: a hostile one takes
    seconds. EgovError stamp.unavailable, stamp.refused.

    It was walked through once: asn1crypto reads lazily, and hostile DER raises almost anything. What is given back has
    not been: to encode what was walked through takes it seconds, and minutes inside of a signature.
    """
    try:
        said = _Reply.load(reply, strict=True).native
        status, token = said["status"], _Reply.load(reply)["time_stamp_token"]
        if status["status"] != "granted":
            raise _refused(*(status["status_string"] or ()), *(status["fail_info"] or ()))
        info = _Reply.load(reply)["time_stamp_token"]["content"]["encap_content_info"]["content"]
        if info.parsed["nonce"].native != nonce:
            raise _refused("a stamp of another question (nonce)")
        return cms.ContentInfo.load(token.dump(), strict=True)
    except EgovError:
        raise
    except Exception as error:
        raise EgovError("stamp.unavailable", reason="unexpected_answer", technical=type(error).__name__) from None


def _refused(*said: object) -> EgovError:
    return EgovError("stamp.refused", reason="authority_refused", technical="; ".join(map(str, said))[:MAX_SAID])


# Every code `StampFacts.refusal` may name beside those of the signer's certificate.
OF_A_STAMP = ("stamp.of_other_data", "stamp.invalid")


@dataclass(frozen=True, slots=True)
class StampFacts:
    """What is known about a token; `refusal` is the verdict.

    moment         when the authority says it saw the digest (genTime), aware
    serial         the token's number at its authority, lower-case hexadecimal
    policy         the authority's policy, dotted
    digest_ok      it is the digest asked about, SHA-256
    signature_ok   the signature is the signer's, over this content
    signer         facts about the stamping certificate: in date and chained at `moment`, revoked as known at `at`,
                   digitalSignature or nonRepudiation, timeStamping critical and the only extended usage
    certificate    the stamping certificate itself
    """

    moment: datetime
    serial: str
    policy: str
    digest_ok: bool
    signature_ok: bool
    signer: CertificateFacts
    certificate: Certificate

    @property
    def refusal(self) -> str | None:
        """The code of the first reason to refuse, or None."""
        if not self.signature_ok:
            return "stamp.invalid"
        if not self.digest_ok:
            return "stamp.of_other_data"
        return self.signer.refusal


def check_token(token: bytes, digest: bytes, trust: TrustStore, at: datetime) -> StampFacts:
    """Facts about a token (the DER of a CMS ContentInfo) over a SHA-256, at the moment `at`. No network.

    1. one CMS SignedData over a TSTInfo, of exactly one signer whose certificate is inside (RFC 3161, 2.4.2)
    2. its imprint is a SHA-256 and is `digest`
    3. the signed attributes name the certificate (signing-certificate or its second version), the signature holds
    4. the certificate may stamp (RFC 3161, 2.3), was in date with its chain at the token's moment, and is not revoked
       at `at`: our lists keep no reason codes, and without one every token of a revoked key falls (RFC 3161, 4 1)

    EgovError("stamp.malformed", reason) when there is nothing to have facts about.
    """
    if len(token) > MAX_STAMP:
        raise EgovError("stamp.malformed", reason="too_long")
    try:
        return _facts(token, digest, trust, at)
    except EgovError:
        raise
    except Exception as error:  # asn1crypto reads lazily: hostile DER raises almost anything, almost anywhere
        raise EgovError("stamp.malformed", reason="damaged", technical=type(error).__name__) from None


def stamp_certificates(token: bytes) -> tuple[Certificate, ...]:
    """The certificates a token carries, its signer's among them; nothing is verified. EgovError("stamp.malformed")."""
    try:
        carried = cms.ContentInfo.load(token, strict=True)["content"]["certificates"]
        return tuple(load_certificate(one.chosen.dump()) for one in carried)
    except Exception as error:
        raise EgovError("stamp.malformed", reason="damaged", technical=type(error).__name__) from None


def _facts(token: bytes, digest: bytes, trust: TrustStore, at: datetime) -> StampFacts:
    from pyhanko.sign.general import extract_certificate_info
    from pyhanko.sign.validation.generic_cms import validate_sig_integrity

    info = cms.ContentInfo.load(token, strict=True)
    if info["content_type"].native != "signed_data":
        raise EgovError("stamp.malformed", reason="not_signed_data")
    signed = info["content"]
    content = signed["encap_content_info"]
    if content["content_type"].native != "tst_info" or len(signed["signer_infos"]) != 1:
        raise EgovError("stamp.malformed", reason="not_one_authority")
    if len(content["content"].contents) > MAX_INFO:  # identifiers are read in the square of their length
        raise EgovError("stamp.malformed", reason="too_long")
    signer, tst = signed["signer_infos"][0], content["content"].parsed
    named = {one["type"].native for one in signer["signed_attrs"]}
    if not named & {"signing_certificate", "signing_certificate_v2"}:
        raise EgovError("stamp.malformed", reason="names_no_certificate")
    algorithm = str(signer["digest_algorithm"]["algorithm"].native)
    if algorithm not in ("sha256", "sha384", "sha512"):
        raise EgovError("stamp.malformed", reason="unknown_digest")
    found = extract_certificate_info(signed).signer_cert
    certificate = load_certificate(found.dump())
    if public_key_of(certificate) is None:
        raise EgovError("stamp.malformed", reason="unknown_key")
    actual = hashlib.new(algorithm, content["content"].contents).digest()
    intact, signature_ok = validate_sig_integrity(signer, found, "tst_info", actual)
    imprint = tst["message_imprint"]
    is_digest = imprint["hash_algorithm"]["algorithm"].native == "sha256" and imprint["hashed_message"].native == digest
    moment: datetime = tst["gen_time"].native
    return StampFacts(
        moment=moment.astimezone(UTC),
        serial=format(tst["serial_number"].native, "x"),
        policy=str(tst["policy"].dotted),
        digest_ok=bool(is_digest),
        signature_ok=intact and signature_ok,
        signer=trust.check_stamper(certificate, moment.astimezone(UTC), at),
        certificate=certificate,
    )
