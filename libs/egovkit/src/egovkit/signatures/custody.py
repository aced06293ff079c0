"""Who holds a system's private key: one port, asked anew for every signature, so that a key can be changed while the
system works.

    custody.signing_key()    the key to sign with now
    custody.key_of(print)    a key held, also a former one: what it signed is still to be verified
    custody.reload()         look at the source again

`KeyFile` keeps it in an encrypted PKCS#12 file (RFC 7292) beside a file with its password. A `SigningKey` is a custody
of itself: one key, for ever. A hardware module would be a third of equal rank.

A rotation without a pause: the file is replaced; the new key signs from the moment `usable` says so (ШЭП's member list
has its certificate), until then the old one does; the old one is kept for what it has signed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from egovkit.errors import EgovError
from egovkit.private_files import read_private
from egovkit.signatures.keys import Certificate, SigningKey, lies_open, thumbprint

__all__ = ["ALARM_DAYS", "KeyCustody", "KeyFacts", "KeyFile", "KeyState", "alarm", "facts_about", "facts_of"]

UNREADABLE = "custody.unreadable"
ALARM_DAYS = (60, 30, 7)  # before a certificate ends; the next one takes an operator and a day of the week
KEPT = 3  # keys of a process: the one in use, the next, the one before
Usable = Callable[[str], bool]


class KeyCustody(Protocol):
    """See the module."""

    def signing_key(self) -> SigningKey: ...

    def key_of(self, print_: str) -> SigningKey | None: ...


class KeyState(StrEnum):
    SIGNING = "signing"  # every new signature is its
    WAITING = "waiting"  # in the file, and not yet in ШЭП's list
    FORMER = "former"  # signs no more; what it signed is still verified
    SERVING = "serving"  # signs no messages: TLS clients are shown its certificate


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """What may be told about a key: nothing secret. `alarm`: within so many days its certificate ends (0: it has
    ended), None when there is time, and for a former key."""

    thumbprint: str
    serial: str
    not_before: datetime
    not_after: datetime
    state: KeyState
    alarm: int | None


class KeyFile:
    """An encrypted PKCS#12 file and its password's file, both private (`egovkit.private_files`).

    EgovError("custody.open_to_others"), ("custody.of_another_owner"), ("custody.unreadable"); FileNotFoundError.
    """

    def __init__(self, path: Path, password_path: Path, usable: Usable = lambda _: True) -> None:
        self._path = path
        self._password_path = password_path
        self._usable = usable
        self._stamp = self._stamped()
        self._held: tuple[SigningKey, ...] = (self._read(),)  # newest first
        self._current = self._held[0]

    def use_when(self, usable: Usable) -> None:
        """From now on a key signs only if `usable` says so of its thumbprint, where another can."""
        self._usable = usable

    def signing_key(self) -> SigningKey:
        """The newest usable one. Where none is (before the first member list) the one that signed last."""
        if len(self._held) > 1:
            self._current = next((one for one in self._held if self._usable(one.thumbprint)), self._current)
        return self._current

    def key_of(self, print_: str) -> SigningKey | None:
        return next((one for one in self._held if one.thumbprint == print_), None)

    def is_replaced(self) -> bool:
        """Whether the file is another than the one that was read: its inode, time or size. FileNotFoundError."""
        return self._stamped() != self._stamp

    def reload(self) -> bool:
        """True when the file has another key than before: it is held beside those before it. Errors as at the start;
        what is held stays then."""
        stamp = self._stamped()
        if stamp == self._stamp:
            return False
        fresh = self._read()
        self._stamp = stamp  # only now: a file that cannot be read is tried again, and complained of again
        before = [one for one in self._held if one.thumbprint != fresh.thumbprint]
        known = len(before) < len(self._held)
        current = self.signing_key()
        kept = [one for one in before if one is current] + [one for one in before if one is not current]
        self._held = (fresh, *kept[: KEPT - 1])
        return not known

    def facts(self, at: datetime) -> tuple[KeyFacts, ...]:
        return facts_of(self._held, self.signing_key(), at)

    def _stamped(self) -> tuple[int, int, int]:
        found = self._path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> SigningKey:
        content, password = read_private(self._path), read_private(self._password_path)
        with _told(self._path):
            key = SigningKey.load(content, password.decode("utf-8").rstrip("\r\n"))
            if lies_open(content):
                raise ValueError("the key in it is not encrypted")
        return key


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """The library's many words for "this does not open" as one of ours, with nothing of the content."""
    try:
        yield
    except ValueError as error:
        raise EgovError(UNREADABLE, path=str(path), technical=str(error)) from None


def facts_of(held: tuple[SigningKey, ...], current: SigningKey, at: datetime) -> tuple[KeyFacts, ...]:
    """Of keys given newest first. Pure."""
    found: list[KeyFacts] = []
    state = KeyState.WAITING
    for one in held:
        if one.thumbprint == current.thumbprint:
            state = KeyState.SIGNING
        elif state is KeyState.SIGNING:
            state = KeyState.FORMER
        found.append(facts_about(one.certificate, state, at))
    return tuple(found)


def facts_about(certificate: Certificate, state: KeyState, at: datetime) -> KeyFacts:
    ends = certificate.not_valid_after_utc
    return KeyFacts(
        thumbprint=thumbprint(certificate),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=ends,
        state=state,
        alarm=None if state is KeyState.FORMER else alarm(ends, at),
    )


def alarm(ends: datetime, at: datetime) -> int | None:
    """60, 30 or 7: the narrowest span before `ends` that `at` has entered; 0 once it has passed; None before all."""
    left = ends - at
    if left <= timedelta():
        return 0
    return min((days for days in ALARM_DAYS if left <= timedelta(days=days)), default=None)
