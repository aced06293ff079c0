"""The signature of a call to a partner's webhook: headers and signed content of Standard Webhooks, signed by a JWS.

    webhook-id          the delivery; the same at every attempt, so that its receiver knows what it has had
    webhook-timestamp   seconds since 1970 of this attempt
    webhook-signature   detached JWS (RFC 7797, `typ: egov-webhook+jws`) over `<id>.<timestamp>.<body>`

Standard Webhooks sign by a shared secret (v1) or by Ed25519 (v1a). The system keys of the bus are P-256 and RSA, their
certificates stand in the member list, and a secret would be one more thing to hand over and to lose: so the JWS that
signs envelopes signs here too, under a `typ` of its own, so that neither can pass as the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from egovkit.errors import EgovError
from egovkit.signatures.custody import KeyCustody
from egovkit.signatures.jws import read_header, sign_detached, verify_detached
from egovkit.signatures.keys import Certificate

__all__ = ["ID_HEADER", "SIGNATURE_HEADER", "TIMESTAMP_HEADER", "TOLERANCE_S", "WEBHOOK_TYP", "sign_webhook",
           "verify_webhook"]  # fmt: skip

WEBHOOK_TYP = "egov-webhook+jws"
ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE_S = 300  # what is older was recorded and is played again


def sign_webhook(body: bytes, delivery: str, at: datetime, key: KeyCustody) -> dict[str, str]:
    """The three headers."""
    stamp = str(int(at.timestamp()))
    signature = sign_detached(_content(delivery, stamp, body), key, WEBHOOK_TYP)
    return {ID_HEADER: delivery, TIMESTAMP_HEADER: stamp, SIGNATURE_HEADER: signature}


def verify_webhook(
    body: bytes, headers: Mapping[str, str], certificate_for: Callable[[str], Certificate | None], now: datetime
) -> str:
    """The delivery's id. `certificate_for` finds a gateway's certificate by its thumbprint, and nobody else's.

    EgovError: "signature.missing", "signature.malformed", "signature.unknown_certificate",
    "signature.algorithm_not_of_key", "signature.invalid"; "webhook.stale" when it is signed and not of now.
    """
    given = {name.lower(): value for name, value in headers.items()}
    delivery, stamp, signature = (given.get(name, "") for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER))
    if not (delivery and stamp.isascii() and stamp.isdigit() and signature):
        raise EgovError("signature.missing")
    thumbprint = read_header(signature, WEBHOOK_TYP).thumbprint
    certificate = certificate_for(thumbprint)
    if certificate is None:
        raise EgovError("signature.unknown_certificate", thumbprint=thumbprint)
    verify_detached(_content(delivery, stamp, body), signature, certificate, WEBHOOK_TYP)
    if abs(now.timestamp() - int(stamp)) > TOLERANCE_S:
        raise EgovError("webhook.stale", seconds=TOLERANCE_S)
    return delivery


def _content(delivery: str, stamp: str, body: bytes) -> bytes:
    return f"{delivery}.{stamp}.".encode() + body
