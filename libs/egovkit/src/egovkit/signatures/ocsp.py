"""Asking НУЦ about one certificate (OCSP: RFC 6960, nonces by RFC 9654).

Only the deployment's own authority is ever asked, at `{nuc_url}/ocsp`: the address inside a certificate says that its
authority answers at all, and is never called. An answer is kept until its nextUpdate, and says how old it is; whoever
judges by it has it as evidence (`RevocationStatus.answer`), which `read_answer` reads again years later.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import httpx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from egovkit.clock import Clock
from egovkit.signatures.der import BadDer, require_der
from egovkit.signatures.keys import UNREADABLE, Certificate, public_key_of, thumbprint
from egovkit.signatures.revocation import SKEW, RevocationStatus

__all__ = ["MAX_REPLY", "OcspClient", "OcspSaid", "OcspUnusable", "names_responder", "read_answer"]

QUERY_TYPE, REPLY_TYPE = "application/ocsp-request", "application/ocsp-response"  # RFC 6960, A.1
MAX_REPLY = 16 * 1024  # an answer with its responder's certificate takes 1.5 KB
SECONDS = 3.0  # for the whole answer: a signature waits for it, and the list is there besides
REST_S = 5.0  # after no answer at all; the list serves meanwhile
MAX_KEPT = 20_000
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


class OcspUnusable(Exception):
    """There is no answer to rely on; the text is the reason, a few plain words."""


@dataclass(frozen=True, slots=True)
class OcspSaid:
    """What a kept answer says, as its bytes have it; nothing about whom to believe. `serial` is the certificate's,
    lower-case hexadecimal."""

    serial: str
    revoked: bool
    this_update: datetime
    issuer_key_sha256: bytes

    def of(self, issuer: Certificate) -> bool:
        """Whether it is about a certificate of this authority."""
        return self.issuer_key_sha256 == _key_hash(issuer)


class OcspClient:
    """`nonce` is for replaying recorded answers; elsewhere each question has a fresh one."""

    def __init__(
        self, http: httpx.AsyncClient, clock: Clock, nuc_url: str, *, nonce: Callable[[], bytes] | None = None
    ) -> None:
        self._http, self._clock, self._url = http, clock, f"{nuc_url.rstrip('/')}/ocsp"
        self._nonce = nonce or (lambda: os.urandom(32))
        self._kept: dict[Certificate, RevocationStatus] = {}
        self._rests_until = float("-inf")

    async def status(self, certificate: Certificate, issuer: Certificate) -> RevocationStatus:
        """What the authority says about `certificate`, which `issuer` has signed; OcspUnusable without an answer."""
        now = self._clock.now()
        kept = self._kept.get(certificate)
        if kept is not None and kept.speaks(now) and kept.this_update - SKEW <= now:
            return kept
        if not names_responder(certificate):
            raise OcspUnusable("the certificate names no responder")
        if self._clock.monotonic() < self._rests_until:
            raise OcspUnusable("did not answer a moment ago")
        nonce = self._nonce()
        builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA256())
        query = builder.add_extension(x509.OCSPNonce(nonce), critical=False).build()
        reply = await self._ask(query.public_bytes(Encoding.DER))
        status = _read(reply, certificate, issuer, nonce)
        now = self._clock.now()
        produced = status.produced_at or status.this_update
        if max(status.this_update, produced) - SKEW > now:
            raise OcspUnusable("an answer from the future")
        if not status.speaks(now):
            raise OcspUnusable("a stale answer")
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()  # under attack by ever new certificates forget rather than grow
        self._kept[certificate] = status
        return status

    async def _ask(self, query: bytes) -> bytes:
        """No redirect is followed, no more is read than an answer can be long, and no longer than SECONDS."""
        try:
            async with asyncio.timeout(SECONDS):
                return await self._post(query)
        except (httpx.HTTPError, TimeoutError) as error:
            self._rests_until = self._clock.monotonic() + REST_S
            raise OcspUnusable(f"no answer: {type(error).__name__}") from None

    async def _post(self, query: bytes) -> bytes:
        headers, got = {"Content-Type": QUERY_TYPE}, bytearray()
        async with self._http.stream(
            "POST", self._url, content=query, headers=headers, timeout=SECONDS, follow_redirects=False
        ) as response:
            kind = response.headers.get("content-type", "").partition(";")[0]
            if response.is_redirect:
                raise OcspUnusable("a redirect, which is not followed")
            if response.status_code != 200 or kind != REPLY_TYPE:
                raise OcspUnusable(f"answered {response.status_code}")
            async for part in response.aiter_bytes():
                got += part
                if len(got) > MAX_REPLY:
                    raise OcspUnusable("longer than any answer")
        return bytes(got)


def read_answer(answer: bytes) -> OcspSaid:
    """What an answer, DER, says. OcspUnusable for what is not an answer about exactly one certificate."""
    try:
        require_der(answer, longest=MAX_REPLY)
        found = ocsp.load_der_ocsp_response(answer)
        [one] = found.responses
        return OcspSaid(
            serial=format(one.serial_number, "x"),
            revoked=one.certificate_status is ocsp.OCSPCertStatus.REVOKED,
            this_update=one.this_update_utc,
            issuer_key_sha256=one.issuer_key_hash,
        )
    except ValueError as error:
        raise OcspUnusable(f"not an answer: {error}") from None


def names_responder(certificate: Certificate) -> bool:
    """Whether its authority offers OCSP for it (RFC 5280, 4.2.2.1)."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return any(one.access_method == AuthorityInformationAccessOID.OCSP for one in access)


def _read(reply: bytes, certificate: Certificate, issuer: Certificate, nonce: bytes) -> RevocationStatus:
    """RFC 6960, 3.2, in its order: 1 it is an answer, 2 about this certificate and this question, 3 signed by whom
    the certificate's own issuer has authorised, 4 with a status and an end."""
    try:
        require_der(reply, longest=MAX_REPLY)
        answer = ocsp.load_der_ocsp_response(reply)
        if answer.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise OcspUnusable(f"said {answer.response_status.name.lower()}")
        said = [one for one in answer.responses if _is_about(one, certificate, issuer)]
        if len(said) != 1:
            raise OcspUnusable("not about this certificate")
        if not _repeats(answer, nonce):
            raise OcspUnusable("not to this question (nonce)")
        responder = _responder(answer, issuer)
        return replace(_status(answer, said[0], responder), answer=reply)
    except UNREADABLE as error:
        reason = str(error) if isinstance(error, BadDer) else type(error).__name__
        raise OcspUnusable(f"not an answer: {reason}") from None


def _is_about(one: ocsp.OCSPSingleResponse, certificate: Certificate, issuer: Certificate) -> bool:
    if not isinstance(one.hash_algorithm, hashes.SHA256) or one.serial_number != certificate.serial_number:
        return False
    named = hashlib.sha256(issuer.subject.public_bytes()).digest()
    return one.issuer_name_hash == named and one.issuer_key_hash == _key_hash(issuer)


def _key_hash(certificate: Certificate) -> bytes:
    """SHA-256 of the bits of subjectPublicKey alone (RFC 6960, 4.1.1)."""
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        bits = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    else:
        bits = key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return hashlib.sha256(bits).digest()


def _repeats(answer: ocsp.OCSPResponse, nonce: bytes) -> bool:
    try:
        return answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == nonce
    except x509.ExtensionNotFound:
        return False


def _responder(answer: ocsp.OCSPResponse, issuer: Certificate) -> Certificate:
    """RFC 6960, 4.2.2.2: the issuer itself, or who carries the issuer's own certificate for it."""
    for one in (issuer, *answer.certificates):
        if not _signed(answer, one):
            continue
        if one == issuer or _authorised(one, issuer, answer):
            return one
        raise OcspUnusable("signed by one who may not answer for this authority")
    raise OcspUnusable("not signed by a responder of this authority")


def _signed(answer: ocsp.OCSPResponse, by: Certificate) -> bool:
    algorithm, key = answer.signature_hash_algorithm, public_key_of(by)
    if not isinstance(algorithm, _HASHES) or key is None:
        return False
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(algorithm))
        else:
            key.verify(answer.signature, answer.tbs_response_bytes, padding.PKCS1v15(), algorithm)
    except InvalidSignature:
        return False
    return True


def _authorised(one: Certificate, issuer: Certificate, answer: ocsp.OCSPResponse) -> bool:
    """Issued by the very authority, for OCSP signing, in date when it signed, and not to be asked about in turn."""
    if not isinstance(one.signature_hash_algorithm, _HASHES):
        return False
    try:
        one.verify_directly_issued_by(issuer)
        usages = one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        one.extensions.get_extension_for_class(x509.OCSPNoCheck)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    in_date = one.not_valid_before_utc <= answer.produced_at_utc <= one.not_valid_after_utc
    return in_date and ExtendedKeyUsageOID.OCSP_SIGNING in usages


def _status(answer: ocsp.OCSPResponse, one: ocsp.OCSPSingleResponse, responder: Certificate) -> RevocationStatus:
    if one.next_update_utc is None:
        raise OcspUnusable("an answer without an end")
    if one.certificate_status is ocsp.OCSPCertStatus.UNKNOWN:
        raise OcspUnusable("does not know the certificate")
    return RevocationStatus(
        source="ocsp",
        this_update=one.this_update_utc,
        next_update=one.next_update_utc,
        revoked_at=one.revocation_time_utc,
        produced_at=answer.produced_at_utc,
        reason=None if one.revocation_reason is None else one.revocation_reason.value,
        responder=thumbprint(responder),
    )
