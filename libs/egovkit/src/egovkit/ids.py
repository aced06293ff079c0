"""The door to identifiers and randomness: everything that needs a new id or a secret holds an `Ids`.

Ids are UUIDs of version 7 (RFC 9562, 5.7): they sort by the time they were made, so that they are good keys
of journals and inboxes, and their time comes from the `Clock`, so that a replay gets ids of its own time.
"""

from __future__ import annotations

import re
import secrets  # noqa: TID251 - this is the door
import threading
import uuid
from typing import Protocol

from egovkit.clock import Clock

__all__ = ["Ids", "SystemIds", "is_uuid7"]

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def is_uuid7(text: str) -> bool:
    """Whether `text` is a UUIDv7 in canonical form: lower case, hyphens, variant 10 (RFC 9562, 4 and 5.7)."""
    return UUID7.fullmatch(text) is not None


class Ids(Protocol):
    """New identifiers and unguessable tokens."""

    def new(self) -> str:
        """A UUIDv7 in canonical text, later than every one this source gave before."""
        ...

    def token(self, nbytes: int = 32) -> str:
        """`nbytes` random bytes as base64url without padding."""
        ...


class SystemIds:
    """Ids from the clock's milliseconds, a 12-bit counter within one millisecond, and 62 random bits.

    The counter (RFC 9562, 6.2, method 1) keeps order when many ids are made in one millisecond or while a
    hand-moved clock stands still; a full counter borrows the next millisecond. Safe to share between threads.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._ms = -1
        self._counter = 0

    def new(self) -> str:
        ms, counter = self._tick(int(self._clock.now().timestamp() * 1000))
        value = (ms & 0xFFFF_FFFF_FFFF) << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | secrets.randbits(62)
        return str(uuid.UUID(int=value))

    def token(self, nbytes: int = 32) -> str:
        return secrets.token_urlsafe(nbytes)

    def _tick(self, now_ms: int) -> tuple[int, int]:
        with self._lock:
            if now_ms > self._ms:
                self._ms, self._counter = now_ms, secrets.randbits(11)  # the top bit left free: room to count
            elif self._counter < 0xFFF:
                self._counter += 1
            else:
                self._ms, self._counter = self._ms + 1, secrets.randbits(11)
            return self._ms, self._counter
