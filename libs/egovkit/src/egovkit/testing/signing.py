"""OCSP answers, time stamps and bent signatures for tests: whatever a well-behaved authority or agent never makes.

`cryptography` writes the machine's time into an OCSP answer; tests have a clock of their own, so the structure is
built with asn1crypto here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from egovkit.signatures.keys import Certificate, SigningKey, der

__all__ = ["LittleStamps", "OcspAnswer", "bent", "ocsp_failure", "resigned"]

Said = Literal["good", "revoked", "unknown"]


@dataclass(frozen=True, slots=True)
class OcspAnswer:
    """One answer about `certificate`: what is said, when, and until when."""

    certificate: Certificate
    issuer: Certificate
    at: datetime
    said: Said = "good"
    life: timedelta = timedelta(hours=1)
    since: datetime | None = None  # of "revoked"
    reason: str = "unspecified"

    def signed(self, responder: SigningKey, nonce: bytes | None) -> bytes:
        """The whole reply, DER, with the responder's certificate inside."""
        from egovkit.signatures.asn1 import algos, ocsp
        from egovkit.signatures.asn1 import x509 as asn1_x509

        single = {
            "cert_id": self._id(),
            "cert_status": self._status(),
            "this_update": self.at,
            "next_update": self.at + self.life,
        }
        body = asn1_x509.Certificate.load(der(responder.certificate))
        key_hash = hashlib.sha1(bytes(body.public_key["public_key"]), usedforsecurity=False).digest()
        data: dict[str, Any] = {
            "responder_id": ocsp.ResponderId(name="by_key", value=key_hash),
            "produced_at": self.at,
            "responses": [single],
        }
        if nonce is not None:
            data["response_extensions"] = [{"extn_id": "nonce", "critical": False, "extn_value": nonce}]
        tbs, key = ocsp.ResponseData(data), responder.private_key
        if isinstance(key, ec.EllipticCurvePrivateKey):
            algorithm, signature = "sha256_ecdsa", key.sign(tbs.dump(), ec.ECDSA(hashes.SHA256()))
        else:
            algorithm, signature = "sha256_rsa", key.sign(tbs.dump(), padding.PKCS1v15(), hashes.SHA256())
        basic = ocsp.BasicOCSPResponse(
            {
                "tbs_response_data": tbs,
                "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": algorithm}),
                "signature": signature,
                "certs": [body],
            }
        )
        reply = {"response_type": "basic_ocsp_response", "response": basic}
        return bytes(ocsp.OCSPResponse({"response_status": "successful", "response_bytes": reply}).dump())

    def _id(self) -> Any:
        from egovkit.signatures.asn1 import ocsp
        from egovkit.signatures.asn1 import x509 as asn1_x509

        key = bytes(asn1_x509.Certificate.load(der(self.issuer)).public_key["public_key"])
        return ocsp.CertId(
            {
                "hash_algorithm": {"algorithm": "sha256"},
                "issuer_name_hash": hashlib.sha256(self.issuer.subject.public_bytes()).digest(),
                "issuer_key_hash": hashlib.sha256(key).digest(),
                "serial_number": self.certificate.serial_number,
            }
        )

    def _status(self) -> Any:
        from egovkit.signatures.asn1 import ocsp

        if self.said == "good":
            return ocsp.CertStatus(name="good", value=ocsp.StatusGood())
        if self.said == "unknown":
            return ocsp.CertStatus(name="unknown", value=ocsp.StatusUnknown())
        facts: dict[str, Any] = {"revocation_time": self.since or self.at}
        if self.reason != "unspecified":
            facts["revocation_reason"] = self.reason
        return ocsp.CertStatus(name="revoked", value=ocsp.RevokedInfo(facts))


def ocsp_failure(status: str) -> bytes:
    """An unsigned reply without a word about a certificate: "try_later", "internal_error", "unauthorized"."""
    from egovkit.signatures.asn1 import ocsp

    return bytes(ocsp.OCSPResponse({"response_status": status}).dump())


class LittleStamps:
    """A time stamping authority (RFC 3161) by pyHanko, whose time is told; its key is RSA."""

    def __init__(self, key: SigningKey, at: datetime) -> None:
        from pyhanko.sign.timestamps import DummyTimeStamper
        from pyhanko_certvalidator.registry import SimpleCertificateStore

        from egovkit.signatures.asn1 import keys as asn1_keys
        from egovkit.signatures.asn1 import x509 as asn1_x509

        chain = [asn1_x509.Certificate.load(der(one)) for one in key.chain]
        private = key.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        self._stamper = DummyTimeStamper(
            asn1_x509.Certificate.load(der(key.certificate)),
            asn1_keys.PrivateKeyInfo.load(private),
            certs_to_embed=SimpleCertificateStore.from_certs(chain),
            fixed_dt=at,
        )

    async def token(self, digest: bytes) -> bytes:
        return bytes((await self._stamper.async_timestamp(digest, "sha256")).dump())


def bent(cms: bytes, change: Callable[[Any, Any], None]) -> bytes:
    """A signature with parts replaced: `change(content, signer)` by asn1crypto's names. Nothing is signed anew."""
    from egovkit.signatures.asn1 import cms as asn1_cms

    info = asn1_cms.ContentInfo.load(cms)
    change(info["content"], info["content"]["signer_infos"][0])
    return bytes(info.dump())  # not by force: that writes a value anew twice at each level around it


def resigned(cms: bytes, key: SigningKey, change: Callable[[list[Any]], list[Any]]) -> bytes:
    """A signature with other signed attributes, honestly signed by `key` (P-256): wrong in form alone."""
    from egovkit.signatures.asn1 import cms as asn1_cms

    def put(content: Any, signer: Any) -> None:
        attributes = change([asn1_cms.CMSAttribute.load(one.dump()) for one in signer["signed_attrs"]])
        signer["signed_attrs"] = attributes
        assert isinstance(key.private_key, ec.EllipticCurvePrivateKey), "P-256"
        told = asn1_cms.CMSAttributes.load(b"\x31" + signer["signed_attrs"].dump(force=True)[1:]).dump()
        signer["signature"] = key.private_key.sign(told, ec.ECDSA(hashes.SHA256()))

    return bent(cms, put)
