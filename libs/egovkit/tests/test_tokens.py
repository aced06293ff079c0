"""Session tokens by RFC 8725: one kind, one issuer, one audience, one key, until their time is over."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from egovkit.clock import HandClock
from egovkit.errors import EgovError
from egovkit.ids import SystemIds
from egovkit.signatures.jws import sign_compact
from egovkit.signatures.keys import SigningKey
from egovkit.signatures.tokens import TokenClaims, issue_token, verify_token
from egovkit.testing.pki import TestPki

NOW = datetime(2026, 1, 15, 4, tzinfo=UTC)
PKI = TestPki(HandClock(NOW))
KEY = PKI.system("portal-pep")
RSA_KEY = PKI.system("portal-pep", key="rsa2048")
TYP = "portal-session+jwt"


def _issue(clock: HandClock, key: SigningKey = KEY, **changes: Any) -> str:
    settings: dict[str, Any] = {"typ": TYP, "issuer": "portal-pep", "audience": "portal-pep", "subject": "account-1"}
    settings |= {"roles": ["citizen"], "ttl": timedelta(minutes=30), "clock": clock, "ids": SystemIds(clock)}
    return issue_token(key, **{**settings, **changes})


def _verify(token: str, clock: HandClock, key: SigningKey = KEY, **changes: Any) -> TokenClaims:
    settings = {"typ": TYP, "issuer": "portal-pep", "audience": "portal-pep", "clock": clock}
    return verify_token(token, key, **{**settings, **changes})


@pytest.fixture
def hand() -> HandClock:
    return HandClock(NOW)


@pytest.mark.parametrize("key", [KEY, RSA_KEY], ids=["ES256", "PS256"])
def test_a_token_says_who_is_signed_in(hand: HandClock, key: SigningKey) -> None:
    claims = _verify(_issue(hand, key, roles=["b", "a"]), hand, key)
    assert claims.subject == "account-1" and claims.roles == frozenset({"a", "b"})
    assert claims.expires == NOW + timedelta(minutes=30)


def test_each_token_has_its_own_id(hand: HandClock) -> None:
    ids = SystemIds(hand)
    first, second = (_verify(_issue(hand, ids=ids), hand) for _ in range(2))
    assert first.id != second.id


async def test_it_ends_by_our_clock_to_the_second(hand: HandClock) -> None:
    token = _issue(hand)
    await hand.advance(30 * 60 - 1)
    assert _verify(token, hand).subject == "account-1"
    await hand.advance(1)
    with pytest.raises(EgovError, match=r"session\.expired"):
        _verify(token, hand)


def _refused(token: str, clock: HandClock, **changes: Any) -> None:
    with pytest.raises(EgovError) as caught:
        _verify(token, clock, **changes)
    assert caught.value.code == "session.invalid"


def test_it_is_good_for_nothing_else(hand: HandClock) -> None:
    token = _issue(hand)
    _refused(token, hand, typ="arm-session+jwt")
    _refused(token, hand, issuer="provider-arm")
    _refused(token, hand, audience="provider-arm")
    _refused(token, hand, key=PKI.system("portal-pep"))


def test_every_altered_character_is_noticed(hand: HandClock) -> None:
    token = _issue(hand)
    # the last one holds spare bits that PyJWT doesn't look at
    for position, character in enumerate(token[:-1]):
        _refused(token[:position] + ("B" if character != "B" else "C") + token[position + 1 :], hand)


CLAIMS = {
    "iss": "portal-pep",
    "sub": "account-1",
    "aud": "portal-pep",
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 60,
    "jti": "1",
    "roles": ["citizen"],
}


def _made(claims: dict[str, Any], alg: str = "ES256", key: Any = KEY.private_key, **header: Any) -> str:
    return jwt.encode(claims, key, algorithm=alg, headers={"typ": TYP, "kid": KEY.thumbprint, **header})


def test_unsigned_and_shared_secret_tokens_are_refused(hand: HandClock) -> None:
    assert _verify(_made(CLAIMS), hand).subject == "account-1"
    _refused(_made(CLAIMS, "none", None), hand)
    _refused(_made(CLAIMS, "HS256", "x" * 32), hand)


@pytest.mark.parametrize("name", sorted(CLAIMS))
def test_every_claim_is_required(hand: HandClock, name: str) -> None:
    _refused(_made({key: value for key, value in CLAIMS.items() if key != name}), hand)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("roles", "citizen"),
        ("roles", [1]),
        ("exp", 1e12),
        ("exp", "soon"),
        ("exp", True),
        ("aud", ["other"]),
        ("sub", 5),
    ],
)
def test_every_claim_has_its_type(hand: HandClock, name: str, value: Any) -> None:
    _refused(_made({**CLAIMS, name: value}), hand)


def test_a_header_with_more_or_other_names_is_refused(hand: HandClock) -> None:
    _refused(_made(CLAIMS, jku="http://example.org"), hand)
    _refused(_made(CLAIMS, kid="other"), hand)
    _refused(_made(CLAIMS, typ="JWT"), hand)


def test_other_tokens_and_texts_are_refused(hand: HandClock) -> None:
    for token in ("", "a.b.c", "ә.ә.ә", "A" * 5000, sign_compact(CLAIMS, KEY, TYP)):
        _refused(token, hand)
