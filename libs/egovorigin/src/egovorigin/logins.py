"""Logging in, as far as every origin does it alike: the throttles of guessing, the errors of a new password."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from egovkit.errors import EgovError, FieldError
from egovkit.guessing import login_wait
from egovorigin.domain.logins import MAX_PASSWORD, MIN_PASSWORD, password_problem
from egovorigin.origin import AnyOrigin

FORGET_ATTEMPTS: Final = timedelta(days=1)  # yesterday's typing errors count for nothing
HOUR: Final = timedelta(hours=1)


async def count_login(origin: AnyOrigin, key: str, now: datetime) -> None:
    """Every attempt counts before it is looked at, so that a hundred at once are a hundred too. EgovError
    request.throttled while the last one's wait runs."""
    async with origin.db.begin() as conn:
        await origin.attempts.forget_old_attempts(conn, now - FORGET_ATTEMPTS)
        count, until = await origin.attempts.attempts_of(conn, key, now)
        if until > now and count > 0:
            raise EgovError("request.throttled", retry_after=_seconds(until - now))
        await origin.attempts.set_attempts(conn, key, count + 1, now + timedelta(seconds=login_wait(count + 1)))


async def count_hourly(origin: AnyOrigin, what: str, address: str, most: int) -> None:
    """Counts one of the `most` that an address may ask for in an hour, whatever comes of it. EgovError
    request.throttled beyond them."""
    key, now = origin.keyring.throttle_key(what, address), origin.clock.now()
    async with origin.db.begin() as conn:
        count, until = await origin.attempts.attempts_of(conn, key, now)
        if until <= now:
            count, until = 0, now + HOUR
        if count >= most:
            raise EgovError("request.throttled", retry_after=_seconds(until - now))
        await origin.attempts.set_attempts(conn, key, count + 1, until)


def _seconds(span: timedelta) -> int:
    """Whole ones, rounded up: what a caller is told to wait."""
    return max(1, int(span.total_seconds() + 0.999))


def password_errors(password: str, *known: str) -> list[FieldError]:
    problem = password_problem(password, *known)
    if problem is None:
        return []
    limit = MIN_PASSWORD if problem == "too_short" else MAX_PASSWORD
    return [FieldError("password", problem, problem, {"limit": limit})]
