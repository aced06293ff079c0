"""How a member calls ШЭП by HTTP: with a token of its own system key, made for each call."""

from __future__ import annotations

from typing import Final

import httpx

from egovkit.clock import Clock
from egovkit.ids import Ids
from egovkit.membership import NATIONAL_GATEWAY
from egovkit.signatures.custody import KeyCustody
from egovkit.signatures.jws import sign_compact

ACCESS_TYP: Final = "egov-access+jwt"
ACCESS_SECONDS: Final = 60  # the longest a gateway accepts


def access_token(key: KeyCustody, clock: Clock, ids: Ids, *, source: str) -> str:
    """Who calls, for one call to ШЭП."""
    now = int(clock.now().timestamp())
    claims = {"iss": source, "aud": NATIONAL_GATEWAY, "iat": now, "exp": now + ACCESS_SECONDS, "jti": ids.new()}
    return sign_compact(claims, key, ACCESS_TYP)


def code_of(answer: httpx.Response) -> str:
    """Why ШЭП refused: the code of its problem, or the status of an answer that is none."""
    try:
        return str(answer.json()["code"])[:100]
    except (ValueError, KeyError, TypeError):
        return str(answer.status_code)
