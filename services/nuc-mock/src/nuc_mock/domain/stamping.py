"""The making of time stamps (RFC 3161). No clock, no counter: moment and serial number are given."""

# mypy: disable-error-code="no-untyped-call"
# classes of ours under untyped ones

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from egovkit.signatures.asn1 import cms, core, keys, tsp
from egovkit.signatures.asn1 import x509 as asn1_x509
from nuc_mock.domain.certificates import Authority

MAX_QUERY: Final = 4096  # bytes; a digest with a nonce takes some 70
# Our own policy, below НУЦ's arc by form alone: what a stamp of the twin is worth, it says itself ("test").
POLICY: Final = "1.2.398.3.3.2.999.1"
DIGESTS: Final = {"sha256": 32, "sha384": 48, "sha512": 64}
ACCURACY_S: Final = 1

Fault = Literal[
    "bad_alg", "bad_request", "bad_data_format", "unaccepted_policy", "unaccepted_extensions", "system_failure"
]


class Rejected(Exception):
    """No stamp; `fault` is PKIFailureInfo's name, `text` says it in words."""

    def __init__(self, fault: Fault, text: str) -> None:
        super().__init__(text)
        self.fault, self.text = fault, text


@dataclass(frozen=True, slots=True)
class Query:
    imprint: tsp.MessageImprint
    nonce: int | None
    with_certificates: bool

    @property
    def digest(self) -> str:
        return str(self.imprint["hash_algorithm"]["algorithm"].native)

    @property
    def hashed(self) -> bytes:
        return bytes(self.imprint["hashed_message"].native)


def read_query(der: bytes) -> Query:
    """Rejected for what is no query, or one this authority does not answer."""
    if len(der) > MAX_QUERY:
        raise Rejected("bad_data_format", "longer than any query")
    try:
        asked = tsp.TimeStampReq.load(der, strict=True)
        _ = asked.native  # asn1crypto reads lazily: everything is read here, or refused here
        imprint, policy, nonce = asked["message_imprint"], asked["req_policy"].native, asked["nonce"].native
        found = Query(imprint, nonce, bool(asked["cert_req"].native))
        version, extensions = asked["version"].native, asked["extensions"].native
        digest, length = found.digest, len(found.hashed)
    except Exception:  # hostile DER raises almost anything
        raise Rejected("bad_data_format", "not a TimeStampReq") from None
    if version != "v1":
        raise Rejected("bad_request", "another version than 1")
    if digest not in DIGESTS:
        raise Rejected("bad_alg", f"{', '.join(DIGESTS)} are accepted")
    if length != DIGESTS[digest]:
        raise Rejected("bad_data_format", f"not as long as a {digest}")
    if policy is not None and policy != POLICY:
        raise Rejected("unaccepted_policy", f"the policy is {POLICY}")
    if extensions:
        raise Rejected("unaccepted_extensions", "no extension is known here")
    return found


async def build_stamp(
    signer: Authority, chain: list[x509.Certificate], query: Query, serial: int, now: datetime
) -> bytes:
    """A reply with a token, DER: the genTime is `now`, to the second; `chain` is who stands above the signer."""
    # pyHanko takes 0.3 s to import: the first stamp pays, not every start.
    from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes, SimpleSigner
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    own = _asn1(signer.certificate)
    facts = {
        "version": "v1",
        "policy": POLICY,
        "message_imprint": query.imprint,
        "serial_number": serial,
        "gen_time": now,
        "accuracy": {"seconds": ACCURACY_S},
        "tsa": asn1_x509.GeneralName(name="directory_name", value=own.subject),
    }
    if query.nonce is not None:
        facts["nonce"] = query.nonce
    others = [_asn1(one) for one in chain] if query.with_certificates else []
    private = signer.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    made = await SimpleSigner(
        signing_cert=own,
        signing_key=keys.PrivateKeyInfo.load(private),
        cert_registry=SimpleCertificateStore.from_certs(others),
        embed_roots=False,
    ).async_sign_general_data(
        cms.EncapsulatedContentInfo(
            {"content_type": "tst_info", "content": core.ParsableOctetString(tsp.TSTInfo(facts).dump())}
        ),
        "sha256",
        detached=False,
        use_cades=True,
        signed_attr_settings=PdfCMSSignedAttributes(signing_time=now),
    )
    if not query.with_certificates:
        made["content"]["certificates"] = None
    return bytes(tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": made}).dump())


class _Rejection(core.Sequence):
    """TimeStampResp without a token, which asn1crypto holds to be obligatory."""

    _fields = [("status", tsp.PKIStatusInfo)]  # noqa: RUF012 - asn1crypto's own form


def build_rejection(rejected: Rejected) -> bytes:
    status = {"status": "rejection", "status_string": [rejected.text], "fail_info": {rejected.fault}}
    return bytes(_Rejection({"status": status}).dump())


def _asn1(certificate: x509.Certificate) -> asn1_x509.Certificate:
    found: asn1_x509.Certificate = asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))
    return found
