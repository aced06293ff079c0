"""A gateway's receipt: what it says comes back, and only from a token of its own kind."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from egovkit.clock import HandClock
from egovkit.errors import EgovError
from egovkit.signatures.certificates import Certificate
from egovkit.signatures.jws import peek_payload, sign_compact
from egovkit.signatures.receipt import RECEIPT_TYP, Receipt, issue_receipt, read_receipt
from egovkit.testing.pki import TestPki

NOW = datetime(2026, 1, 15, 4, tzinfo=UTC)
PKI = TestPki(HandClock(NOW))
GATEWAY = PKI.system("gateway-shep")
RECEIPT = Receipt(
    id="019bbf2c-5800-7abc-8def-0123456789ab",
    sha256="ab" * 32,
    gateway="gateway-shep",
    writer="gateway-shep-1",
    position=17,
    head="cd" * 32,
    received=NOW,
    forwarded=NOW + timedelta(milliseconds=12),
    limit_s=60,
    used_s=0.25,
    step="P5",
)


def _certificate_for(print_: str) -> Certificate | None:
    return GATEWAY.certificate if print_ == GATEWAY.thumbprint else None


@pytest.mark.parametrize(
    "receipt",
    [
        RECEIPT,
        dataclasses.replace(RECEIPT, limit_s=None, used_s=None, step=None),
        dataclasses.replace(RECEIPT, refused=(1, 3)),
    ],
    ids=["limit", "no limit", "refused numbers"],
)
def test_a_receipt_says_what_was_said(receipt: Receipt) -> None:
    token = issue_receipt(receipt, GATEWAY)
    assert read_receipt(token, _certificate_for) == receipt
    assert len(token) < 1024  # eight of them fit beside an envelope in 8 KB of headers


def test_the_payload_has_the_names_of_the_architecture() -> None:
    payload = peek_payload(issue_receipt(RECEIPT, GATEWAY), RECEIPT_TYP)
    assert payload["received"] == "2026-01-15T04:00:00.000Z" and payload["forwarded"] == "2026-01-15T04:00:00.012Z"
    assert (payload["limit"], payload["used"], payload["position"]) == (60, 0.25, 17)


def _reason(token: str) -> object:
    with pytest.raises(EgovError) as caught:
        read_receipt(token, _certificate_for)
    assert caught.value.code == "receipt.invalid"
    return caught.value.params["reason"]


def test_every_altered_character_is_noticed() -> None:
    token = issue_receipt(RECEIPT, GATEWAY)
    for position, character in enumerate(token):
        assert _reason(token[:position] + ("B" if character != "B" else "C") + token[position + 1 :])


def test_a_receipt_of_an_unknown_signer_is_refused() -> None:
    assert _reason(issue_receipt(RECEIPT, PKI.system("gateway-shep"))) == "signature.unknown_certificate"


def test_another_kind_of_token_is_no_receipt() -> None:
    payload = peek_payload(issue_receipt(RECEIPT, GATEWAY), RECEIPT_TYP)
    assert _reason(sign_compact(payload, GATEWAY, "egov-access+jwt")) == "signature.malformed"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sha256", "AB" * 32),
        ("sha256", "ab"),
        ("head", None),
        ("position", "17"),
        ("position", True),
        ("limit", "60"),
        ("used", False),
        ("step", 5),
        ("gateway", None),
        ("received", "yesterday"),
        ("received", "2026-01-15T04:00:00"),
        ("forwarded", 0),
        ("more", 1),
        ("id", ...),
        ("step", ...),
    ],
)
def test_a_signed_token_of_another_form_is_refused(name: str, value: Any) -> None:
    payload = peek_payload(issue_receipt(RECEIPT, GATEWAY), RECEIPT_TYP)
    payload[name] = value
    payload = {name: value for name, value in payload.items() if value is not ...}
    assert _reason(sign_compact(payload, GATEWAY, RECEIPT_TYP)) == "form"
