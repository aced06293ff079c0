"""The how-to's own code verifies a gateway's call, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature

from egovkit.clock import HandClock
from egovkit.membership import Member, MemberCertificate, Members, sign_members
from egovkit.signatures.jws import sign_detached
from egovkit.signatures.webhook import sign_webhook
from egovkit.testing.pki import TestPki

HOW_TO = Path(__file__).resolve().parents[1] / "docs" / "howto" / "receive-by-webhook.md"
GATEWAY, BODY, DELIVERY = "gateway-shep", '{"қ":1}'.encode(), "01990000-0000-7000-8000-000000000001"


def member(pki: TestPki, code: str) -> tuple[Member, Any]:
    key = pki.system(code)
    certificates = (MemberCertificate.of(key.certificate),)
    named = (code, "national_gateway", code, code, "999940000010", "230000000")
    return Member(*named, (), ("*",), "active", "amqp", certificates), key


def test_the_python_of_the_how_to_verifies_a_call_of_the_gateway_alone(pki: TestPki, clock: HandClock) -> None:
    code: dict[str, Any] = {}
    blocks = re.findall(r"^```python \w+\n(.*?)^```$", HOW_TO.read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) == 2
    for block in blocks:
        exec(block, code)
    (shep, key), (other, theirs) = member(pki, GATEWAY), member(pki, "portal-pep")
    certificates = code["certificates_of"](GATEWAY, sign_members(Members(1, (shep, other)), key))
    now = clock.now().timestamp()
    headers = sign_webhook(BODY, DELIVERY, clock.now(), key)
    assert code["verify"](headers, BODY, certificates, now) == DELIVERY
    with pytest.raises(InvalidSignature):
        code["verify"](headers, BODY + b" ", certificates, now)
    with pytest.raises(InvalidSignature):
        code["verify"]({**headers, "webhook-id": DELIVERY[:-1] + "2"}, BODY, certificates, now)
    with pytest.raises(ValueError, match="again"):
        code["verify"](headers, BODY, certificates, now + 301)
    with pytest.raises(KeyError):  # another member's key
        code["verify"](sign_webhook(BODY, DELIVERY, clock.now(), theirs), BODY, certificates, now)
    with pytest.raises(ValueError, match="signature of a call"):  # the gateway's signature of an envelope
        code["verify"]({**headers, "webhook-signature": sign_detached(BODY, key)}, BODY, certificates, now)
