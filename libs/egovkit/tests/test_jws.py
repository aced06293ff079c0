"""Detached and compact JWS: one text, one signer, exactly these bytes - or a refusal."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest

from egovkit.clock import HandClock
from egovkit.errors import EgovError
from egovkit.signatures.jws import (
    peek_payload,
    read_header,
    sign_compact,
    sign_detached,
    verify_compact,
    verify_detached,
)
from egovkit.signatures.keys import SigningKey, b64url, csr, der, new_private_key, public_key_of, thumbprint
from egovkit.testing.pki import TestPki

RAW = '{"id":"1","атауы":"Тұрғын үй кезегі: ӘҒҚҢӨҰҮҺІ"}'.encode()
PKI = TestPki(HandClock(datetime(2026, 1, 15, 4, tzinfo=UTC)))
EC_KEY = PKI.system("portal-pep")
RSA_KEY = PKI.system("provider-arm", key="rsa2048")
OTHER = PKI.system("portal-pep")


def _header(key: SigningKey = EC_KEY, **changes: Any) -> dict[str, Any]:
    members: dict[str, Any] = {"alg": key.alg, "b64": False, "crit": ["b64"], "typ": "egov-envelope+jws"}
    members = {**members, "x5t#S256": key.thumbprint, **changes}
    return {name: value for name, value in members.items() if value is not ...}


def _encoded(header: Any) -> str:
    return b64url(header if isinstance(header, bytes) else json.dumps(header).encode())


def _signed(header: Any, raw: bytes = RAW, key: SigningKey = EC_KEY) -> str:
    """A signature that holds over whatever header: only the header's own form can be refused."""
    segment = _encoded(header)
    prepared = jwt.get_algorithm_by_name(key.alg).prepare_key(key.private_key)
    signature = jwt.get_algorithm_by_name(key.alg).sign(segment.encode() + b"." + raw, prepared)
    return f"{segment}..{b64url(signature)}"


def _code(raw: bytes, signature: str, key: SigningKey = EC_KEY) -> str | None:
    try:
        verify_detached(raw, signature, key.certificate)
    except EgovError as error:
        return error.code
    return None


@pytest.mark.parametrize("key", [EC_KEY, RSA_KEY], ids=["P-256", "RSA-2048"])
def test_a_signature_holds_over_exactly_its_bytes(key: SigningKey) -> None:
    signature = sign_detached(RAW, key)
    assert _code(RAW, signature, key) is None
    assert read_header(signature).alg == key.alg == ("ES256" if key is EC_KEY else "PS256")
    assert read_header(signature).thumbprint == key.thumbprint
    header, payload, _ = signature.split(".")
    assert payload == ""
    assert json.loads(base64.urlsafe_b64decode(header + "==")) == _header(key)


def test_a_signature_made_by_another_library_holds() -> None:
    assert _code(RAW, _signed(_header())) is None
    assert _code(RAW, _signed(_header(RSA_KEY), key=RSA_KEY), RSA_KEY) is None


def test_another_library_verifies_ours() -> None:
    header, _, signature = sign_detached(RAW, EC_KEY).split(".")
    algorithm = jwt.get_algorithm_by_name("ES256")
    public = EC_KEY.private_key.public_key()
    assert algorithm.verify(f"{header}.".encode() + RAW, public, base64.urlsafe_b64decode(signature + "=="))


def test_rs256_is_accepted_for_an_rsa_key() -> None:
    segment = _encoded(_header(RSA_KEY, alg="RS256"))
    made = jwt.get_algorithm_by_name("RS256").sign(f"{segment}.".encode() + RAW, RSA_KEY.private_key)
    assert _code(RAW, f"{segment}..{b64url(made)}", RSA_KEY) is None


def test_every_flipped_byte_of_the_content_is_noticed() -> None:
    signature = sign_detached(RAW, EC_KEY)
    for position in range(len(RAW)):
        changed = bytearray(RAW)
        changed[position] ^= 0x01
        assert _code(bytes(changed), signature) == "signature.invalid", position


def test_a_cut_a_longer_and_an_empty_content_are_noticed() -> None:
    signature = sign_detached(RAW, EC_KEY)
    for raw in (b"", RAW[:-1], RAW + b" ", b"." + RAW, RAW * 2):
        assert _code(raw, signature) == "signature.invalid"


@pytest.mark.parametrize("key", [EC_KEY, RSA_KEY], ids=["P-256", "RSA-2048"])
def test_every_altered_character_of_the_signature_is_noticed(key: SigningKey) -> None:
    signature = sign_detached(RAW, key)
    for position, character in enumerate(signature):
        for other in "AQz_-.= ":
            if other != character:
                changed = signature[:position] + other + signature[position + 1 :]
                code = _code(RAW, changed, key)
                assert code and code.startswith("signature."), (position, other)
        assert _code(RAW, signature[:position] + signature[position + 1 :], key), position


def test_spare_bits_of_the_last_character_are_noticed() -> None:
    """64 bytes are 86 characters with 4 spare bits: 16 texts would decode to the same signature."""
    signature = sign_detached(RAW, EC_KEY)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    held = [last for last in alphabet if _code(RAW, signature[:-1] + last) is None]
    assert held == [signature[-1]]


@pytest.mark.parametrize(
    "header",
    [
        _header(crit=...),
        _header(crit=[]),
        _header(crit=["b64", "b64"]),
        _header(crit=["exp"]),
        _header(crit="b64"),
        _header(b64=...),
        _header(b64=True),
        _header(b64=0),
        _header(b64="false"),
        _header(typ=...),
        _header(typ="JWT"),
        _header(typ="egov-receipt+jws"),
        _header(typ="EGOV-ENVELOPE+JWS"),
        _header(alg=...),
        _header(alg="none"),
        _header(alg="None"),
        _header(alg="HS256"),
        _header(alg="ES384"),
        _header(alg="EdDSA"),
        _header(alg=["ES256"]),
        _header(alg=None),
        {name: value for name, value in _header().items() if name != "x5t#S256"},
        {**_header(), "x5t#S256": "short"},
        {**_header(), "x5t#S256": EC_KEY.thumbprint + "="},
        {**_header(), "x5t#S256": None},
        _header(kid="1"),
        _header(jku="http://example.org/keys"),
        _header(jwk={}),
        _header(x5c=["MII"]),
        _header(exp=0, crit=["b64", "exp"]),
        [],
        "text",
        b"",
        b"\xff\xfe",
        b'{"alg":"ES256","alg":"ES256",' + json.dumps(_header()).encode()[1:],
        json.dumps(_header()).encode() + b"{}",
    ],
)
def test_a_header_of_another_form_is_malformed_even_where_the_signature_holds(header: Any) -> None:
    signature = _signed(header)
    assert _code(RAW, signature) == "signature.malformed"
    with pytest.raises(EgovError, match=r"signature\.malformed"):
        read_header(signature)


def test_every_member_of_the_header_is_protected() -> None:
    """Swapping the header for another valid one breaks the signature: it covers the header's text."""
    _, _, signature = sign_detached(RAW, EC_KEY).split(".")
    reordered = dict(reversed(list(_header().items())))
    spaced = json.dumps(_header(), indent=1).encode()
    for header in (reordered, spaced):
        assert _code(RAW, f"{_encoded(header)}..{signature}") == "signature.invalid"
    for changed in (_header(alg="PS256"), _header(alg="RS256")):
        assert _code(RAW, f"{_encoded(changed)}..{signature}") == "signature.algorithm_not_of_key"
    other_print = {**_header(), "x5t#S256": OTHER.thumbprint}
    assert _code(RAW, f"{_encoded(other_print)}..{signature}") == "signature.invalid"


@pytest.mark.parametrize(
    ("key", "alg"), [(EC_KEY, "PS256"), (EC_KEY, "RS256"), (RSA_KEY, "ES256")], ids=["PS256", "RS256", "ES256"]
)
def test_the_algorithm_must_be_one_of_the_certificates_key(key: SigningKey, alg: str) -> None:
    _, _, made = sign_detached(RAW, key).split(".")
    header = _encoded(_header(key, alg=alg))
    assert _code(RAW, f"{header}..{made}", key) == "signature.algorithm_not_of_key"


def test_the_public_key_is_no_shared_secret() -> None:
    """RFC 8725, 2.1: HS256 with the certificate as its secret is the classic forgery."""
    segment = _encoded(_header(alg="HS256"))
    made = hmac.new(der(EC_KEY.certificate), f"{segment}.".encode() + RAW, hashlib.sha256).digest()
    assert _code(RAW, f"{segment}..{b64url(made)}") == "signature.malformed"


def test_the_same_name_with_another_key_is_another_signer() -> None:
    assert _code(RAW, sign_detached(RAW, OTHER)) == "signature.invalid"
    forged = _signed({**_header(), "x5t#S256": EC_KEY.thumbprint}, key=OTHER)
    assert _code(RAW, forged) == "signature.invalid"


@pytest.mark.parametrize(
    "signature",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        "a..b",
        "ә..ә",
        f"{_encoded(_header())}..",
        f"{_encoded(_header())}..!!!!",
        f"{_encoded(_header())}..{b64url(bytes(63))}",
        f"{_encoded(_header())}..{b64url(bytes(65))}",
        f"{_encoded(_header())}.{b64url(RAW)}.{b64url(bytes(64))}",
        f"{_encoded(_header())}..{'A' * 5000}",
    ],
)
def test_other_texts_are_malformed(signature: str) -> None:
    assert _code(RAW, signature) == "signature.malformed"


def test_zeros_and_the_groups_order_sign_nothing() -> None:
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for r, s in ((0, 0), (0, 1), (1, 0), (order, order), (1, order), (2**256 - 1, 1)):
        made = b64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        assert _code(RAW, f"{_encoded(_header())}..{made}") == "signature.invalid"


def test_a_compact_token_comes_back() -> None:
    payload = {"id": "1", "атауы": "Қазақ", "n": [1, 2.5, None]}
    token = sign_compact(payload, EC_KEY, "egov-receipt+jws")
    assert verify_compact(token, _certificate_for, "egov-receipt+jws") == payload
    assert peek_payload(token, "egov-receipt+jws") == payload


def _certificate_for(print_: str) -> Any:
    return {EC_KEY.thumbprint: EC_KEY.certificate}.get(print_)


def _compact_code(token: str, typ: str = "t+jws") -> str | None:
    try:
        verify_compact(token, _certificate_for, typ)
    except EgovError as error:
        return error.code
    return None


def test_a_token_of_one_kind_is_none_of_another() -> None:
    assert _compact_code(sign_compact({}, EC_KEY, "egov-receipt+jws")) == "signature.malformed"
    header, _, signature = sign_detached(RAW, EC_KEY).split(".")
    assert _compact_code(f"{header}.{b64url(RAW)}.{signature}", "egov-envelope+jws") == "signature.malformed"


def test_a_token_of_an_unknown_certificate_is_refused() -> None:
    assert _compact_code(sign_compact({}, OTHER, "t+jws")) == "signature.unknown_certificate"


def test_every_altered_character_of_a_token_is_noticed() -> None:
    token = sign_compact({"sub": "1"}, EC_KEY, "t+jws")
    for position, character in enumerate(token):
        other = "B" if character != "B" else "C"
        code = _compact_code(token[:position] + other + token[position + 1 :])
        assert code and code.startswith("signature."), position


@pytest.mark.parametrize("payload", [b"[]", b"1", b'{"a":1,"a":2}', b"\xff", b""])
def test_a_payload_that_is_not_one_object_is_malformed_though_signed(payload: bytes) -> None:
    header = _encoded({"alg": "ES256", "typ": "t+jws", "x5t#S256": EC_KEY.thumbprint})
    algorithm = jwt.get_algorithm_by_name("ES256")
    made = algorithm.sign(f"{header}.{b64url(payload)}".encode(), EC_KEY.private_key)
    assert _compact_code(f"{header}.{b64url(payload)}.{b64url(made)}") == "signature.malformed"


def test_a_token_with_foreign_characters_or_too_long_is_malformed() -> None:
    header = _encoded({"alg": "ES256", "typ": "t+jws", "x5t#S256": EC_KEY.thumbprint})
    for token in (f"{header}.ә.AA", f"{header}.", "x", f"{header}.{'A' * 1_100_000}.AA"):
        assert _compact_code(token) == "signature.malformed"


def test_a_key_survives_pkcs12_with_its_chain() -> None:
    for password in ("Сынақ-1", None):
        again = SigningKey.load(EC_KEY.to_pkcs12(password, "portal-pep"), password)
        assert again.certificate == EC_KEY.certificate and again.chain == (PKI.issuing,)
        assert _code(RAW, sign_detached(RAW, again)) is None


def test_a_wrong_password_or_a_foreign_key_is_refused() -> None:
    with pytest.raises(ValueError):
        SigningKey.load(EC_KEY.to_pkcs12("right", "x"), "wrong")
    with pytest.raises(ValueError):
        SigningKey.load(b"not a keystore", None)
    with pytest.raises(ValueError, match="not the certificate's"):
        SigningKey(OTHER.private_key, EC_KEY.certificate)


def test_a_request_names_only_its_subject() -> None:
    pem = csr(new_private_key(), "portal-pep")
    assert pem.startswith(b"-----BEGIN CERTIFICATE REQUEST-----")


def test_a_thumbprint_is_43_characters_and_a_key_is_cached() -> None:
    assert len(thumbprint(EC_KEY.certificate)) == 43
    assert public_key_of(EC_KEY.certificate) is public_key_of(EC_KEY.certificate)
