"""Session tokens: short JWTs by the best current practices of RFC 8725, made and read by PyJWT.

Each kind has its own `typ` (3.11), so that one service's token, or another kind of JWS, never passes as this
one; the algorithm is the key's (3.1), issuer and audience are checked (3.8, 3.9), time is the `Clock`'s.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import jwt

from egovkit.clock import Clock
from egovkit.errors import EgovError
from egovkit.ids import Ids
from egovkit.signatures.custody import KeyCustody

if TYPE_CHECKING:
    from jwt.types import Options

__all__ = ["TokenClaims", "issue_token", "verify_token"]

MAX_TOKEN = 4096  # ours have some 500 characters; PyJWT walks every one of them in Python
_REQUIRED = ["iss", "sub", "aud", "iat", "exp", "jti"]
_OPTIONS: Options = {
    "require": _REQUIRED,
    "verify_signature": True,
    "verify_exp": False,  # by our clock, below: PyJWT asks the machine's
    "verify_iat": False,
    "verify_nbf": False,
}


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """Who is signed in: `subject` as the service knows them, `roles`, until when, and the token's own id."""

    subject: str
    roles: frozenset[str]
    expires: datetime
    id: str


def issue_token(
    custody: KeyCustody,
    *,
    typ: str,
    issuer: str,
    subject: str,
    audience: str,
    roles: Collection[str],
    ttl: timedelta,
    clock: Clock,
    ids: Ids,
) -> str:
    """A token valid from now for `ttl`. Put no personal data into `subject`: the token is signed, not
    secret."""
    now = clock.now()
    claims = {
        "iss": issuer,
        "sub": subject,
        "aud": audience,
        "iat": int(now.timestamp()),
        "exp": int((now + ttl).timestamp()),
        "jti": ids.new(),
        "roles": sorted(roles),
    }
    key = custody.signing_key()
    return jwt.encode(claims, key.private_key, algorithm=key.alg, headers={"typ": typ, "kid": key.thumbprint})


def verify_token(token: str, custody: KeyCustody, *, typ: str, issuer: str, audience: str, clock: Clock) -> TokenClaims:
    """The claims of a token that a key of ours, present or former, signed for this `typ`, issuer and audience.

    EgovError("session.expired") for a good one whose time is over, EgovError("session.invalid") for all else.
    """
    if len(token) > MAX_TOKEN:
        raise EgovError("session.invalid")
    try:
        header = jwt.get_unverified_header(token)
        key = custody.key_of(str(header.get("kid", "")))
        if key is None or header != {"alg": key.alg, "typ": typ, "kid": key.thumbprint}:
            raise EgovError("session.invalid")
        claims = jwt.decode(
            token,
            key.private_key.public_key(),
            algorithms=[key.alg],
            issuer=issuer,
            audience=audience,
            options=_OPTIONS,
        )
    except jwt.PyJWTError:
        raise EgovError("session.invalid") from None
    return _claims(claims, clock)


def _claims(claims: Mapping[str, Any], clock: Clock) -> TokenClaims:
    roles, expires = claims.get("roles"), claims["exp"]
    if type(expires) is not int or not isinstance(roles, list) or not all(isinstance(one, str) for one in roles):
        raise EgovError("session.invalid")
    moment = datetime.fromtimestamp(expires, UTC)
    if clock.now() >= moment:
        raise EgovError("session.expired")
    return TokenClaims(claims["sub"], frozenset(roles), moment, claims["jti"])
