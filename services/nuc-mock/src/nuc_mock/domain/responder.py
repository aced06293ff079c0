"""The making of OCSP answers (RFC 6960; nonces by RFC 9654). No clock: all times are given, in whole seconds.

`cryptography` writes the machine's time into an answer, and a sandbox has its own; so the structure is built with
asn1crypto, which also lets one answer speak of several certificates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding

from egovkit.signatures.asn1 import algos, ocsp
from egovkit.signatures.asn1 import x509 as asn1_x509
from nuc_mock.domain.certificates import Authority
from nuc_mock.domain.keys import AuthorityKey
from nuc_mock.domain.rules import Reason

MAX_REQUEST: Final = 4096  # bytes; one certificate with a nonce takes some 120
MAX_ASKED: Final = 20  # certificates in one request
NONCE: Final = range(1, 129)  # octets, RFC 9654, 2.1

Failure = Literal["malformed_request", "internal_error", "try_later", "unauthorized"]


class Refused(Exception):
    """An answer without a word about a certificate (RFC 6960, 2.3)."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked: ids of certificates as they came, with their serial numbers; and the nonce, as it came."""

    ids: Sequence[ocsp.CertId]
    nonce: bytes | None
    generation: int  # of the issuing authority

    @property
    def serials(self) -> list[int]:
        return [one["serial_number"].native for one in self.ids]


@dataclass(frozen=True, slots=True)
class Standing:
    """How a certificate that was issued here stands: good (`at` is None), or on the list since `at`."""

    at: datetime | None = None
    reason: Reason | None = None


def read_request(der: bytes, issuers: Mapping[int, x509.Certificate]) -> Asked:
    """Which of the `issuers` (generations of the issuing authority) is asked about, and which certificates.

    Refused("malformed_request") for what is no request, Refused("unauthorized") for another issuer's certificate or
    those of two issuers in one.
    """
    if len(der) > MAX_REQUEST:
        raise Refused("malformed_request")
    try:
        request = ocsp.OCSPRequest.load(der, strict=True)
        _ = request.native  # asn1crypto reads lazily: everything is read here, or refused here
        ids = [one["req_cert"] for one in request["tbs_request"]["request_list"]]
        nonce = None if request.nonce_value is None else bytes(request.nonce_value)
        critical = request.critical_extensions - {"nonce"}
    except Exception:  # hostile DER raises almost anything
        raise Refused("malformed_request") from None
    if not 1 <= len(ids) <= MAX_ASKED or critical or (nonce is not None and len(nonce) not in NONCE):
        raise Refused("malformed_request")
    for generation, issuer in issuers.items():
        if all(_is_of(issuer, one) for one in ids):
            return Asked(ids, nonce, generation)
    raise Refused("unauthorized")


def _is_of(issuer: x509.Certificate, asked: ocsp.CertId) -> bool:
    name = asked["hash_algorithm"]["algorithm"].native
    if name not in ("sha1", "sha256", "sha384", "sha512"):
        return False
    key = asn1_x509.Certificate.load(issuer.public_bytes(Encoding.DER)).public_key["public_key"]
    expected = [hashlib.new(name, part).digest() for part in (issuer.subject.public_bytes(), bytes(key))]
    return [asked["issuer_name_hash"].native, asked["issuer_key_hash"].native] == expected


def build_answer(
    signer: Authority, asked: Asked, known: Mapping[int, Standing], *, now: datetime, until: datetime
) -> bytes:
    """A signed answer, DER. A serial number that is not `known` was never issued here: unknown."""
    body = asn1_x509.Certificate.load(signer.certificate.public_bytes(Encoding.DER))
    data: dict[str, Any] = {
        "responder_id": ocsp.ResponderId(
            name="by_key", value=hashlib.sha1(bytes(body.public_key["public_key"]), usedforsecurity=False).digest()
        ),
        "produced_at": now,
        "responses": [
            {
                "cert_id": one,
                "cert_status": _status(known.get(one["serial_number"].native)),
                "this_update": now,
                "next_update": until,
            }
            for one in asked.ids
        ],
    }
    if asked.nonce is not None:
        data["response_extensions"] = [{"extn_id": "nonce", "critical": False, "extn_value": asked.nonce}]
    tbs = ocsp.ResponseData(data)
    algorithm, signature = _signed(signer.key, tbs.dump())
    basic = ocsp.BasicOCSPResponse(
        {"tbs_response_data": tbs, "signature_algorithm": algorithm, "signature": signature, "certs": [body]}
    )
    return bytes(
        ocsp.OCSPResponse(
            {
                "response_status": "successful",
                "response_bytes": {"response_type": "basic_ocsp_response", "response": basic},
            }
        ).dump()
    )


def build_refusal(failure: Failure) -> bytes:
    """Unsigned, as the standard has it."""
    return bytes(ocsp.OCSPResponse({"response_status": failure}).dump())


def _status(found: Standing | None) -> ocsp.CertStatus:
    if found is None:
        return ocsp.CertStatus(name="unknown", value=ocsp.StatusUnknown())
    if found.at is None:
        return ocsp.CertStatus(name="good", value=ocsp.StatusGood())
    facts: dict[str, Any] = {"revocation_time": found.at}
    if found.reason not in (None, Reason.UNSPECIFIED):
        facts["revocation_reason"] = x509.ReasonFlags(found.reason.value).name if found.reason else None
    return ocsp.CertStatus(name="revoked", value=ocsp.RevokedInfo(facts))


def _signed(key: AuthorityKey, data: bytes) -> tuple[algos.SignedDigestAlgorithm, bytes]:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}), key.sign(data, ec.ECDSA(hashes.SHA256()))
    signature = key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return algos.SignedDigestAlgorithm({"algorithm": "sha256_rsa"}), signature
