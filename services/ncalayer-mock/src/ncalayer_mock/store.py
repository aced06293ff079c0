"""The keys the agent holds, in memory only; and the files of the agent itself: certificate of its server, token."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from egovkit.errors import EgovError
from egovkit.signatures.agent import facts_of, is_issued_by
from egovkit.signatures.authority import Span
from egovkit.signatures.certificates import load_certificate
from egovkit.signatures.keys import SigningKey, read_key_file
from egovkit.signatures.tls import server_certificates
from ncalayer_mock.domain.choosing import Card, Wanted

MAX_KEYS = 50
AUTHORITY = "NCALAYER LOCAL (TWIN)"
LIFE = timedelta(days=5 * 365)  # its key is thrown away: a new one has to be trusted anew
RENEWED_BEFORE = timedelta(days=30)


class KeyUnusable(Exception):
    """A file the agent cannot take, in words for who started it; `reason` is one of contracts/words.yaml."""

    def __init__(self, told: str, reason: str = "no_usable_key") -> None:
        super().__init__(told)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Held:
    card: Card
    key: SigningKey


class KeyRing:
    """Opened keys by thumbprint, in the order in which they came. Threads add to it: whoever looks takes a copy."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}

    @property
    def cards(self) -> list[Card]:
        return [one.card for one in tuple(self._held.values())]

    def add(self, p12: bytes, password: str | None, *, name: str, storage: str = "PKCS12") -> Card:
        """Open a PKCS#12 file and hold its key. Slow (the password's derivation): call it in a thread.

        KeyUnusable: a wrong password, no PKCS#12 of reasonable work, not P-256 or RSA from 2048, or too many keys.
        """
        try:
            key = read_key_file(p12, password)
            card = card_of(key, name, storage)
        except EgovError as error:
            if error.code == "signature.key_file_locked":
                raise KeyUnusable("wrong password or damaged file", "password_or_damage") from None
            reason = str(error.params["reason"])
            raise KeyUnusable(f"no usable key: {error.params.get('technical', reason)}", reason) from None
        except ValueError as error:  # a certificate whose extensions cannot be read
            raise KeyUnusable(f"no usable key: {error}") from None
        if len(self._held) >= MAX_KEYS and key.thumbprint not in self._held:
            raise KeyUnusable(f"more than {MAX_KEYS} keys", "too_many_keys")
        self._held[card.thumbprint] = Held(card, key)
        return card

    def remove(self, thumbprint: str) -> bool:
        return self._held.pop(thumbprint, None) is not None

    def fitting(self, wanted: Wanted) -> list[Held]:
        """ValueError when the page's `chain` holds no certificates."""
        found = [one for one in tuple(self._held.values()) if wanted.fits(one.card)]
        return [one for one in found if is_issued_by(one.key, wanted.chain)] if wanted.chain else found


def card_of(key: SigningKey, name: str, storage: str) -> Card:
    facts = facts_of(key)
    said = facts.profile
    return Card(
        thumbprint=said.thumbprint,
        storage=storage,
        name=name,
        subject_cn=said.subject_cn,
        iin=said.iin,
        bin=said.bin,
        serial=facts.serial,
        ekus=said.ekus,
        not_before=said.not_before,
        not_after=said.not_after,
    )


# ---- the agent's own files


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """PEM: the authority that a browser has to trust, the server's certificate, its key (0600)."""

    authority: Path
    certificate: Path
    key: Path

    @staticmethod
    def within(folder: Path) -> ServerFiles:
        return ServerFiles(folder / "authority.pem", folder / "server.pem", folder / "server.key")

    def context(self) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.load_cert_chain(self.certificate, self.key)
        return made


def server_files(folder: Path, host: str, now: datetime) -> ServerFiles:
    """Those of the folder; made at the first start and when their time is nearly over. Blocking."""
    files = ServerFiles.within(folder)
    if _good_until(files) > now + RENEWED_BEFORE:
        return files
    made = server_certificates(AUTHORITY, [host], Span(now - timedelta(days=1), now + LIFE))
    write_private(files.certificate, made.certificates[host])
    write_private(files.authority, made.authority)
    write_private(files.key, made.keys[host])  # last: whoever is stopped before it leaves a key of another certificate
    return files


def _good_until(files: ServerFiles) -> datetime:
    """Never, when one of them is missing or unreadable, or the key is another certificate's."""
    try:
        files.context()
        certificates = [load_certificate(one.read_bytes()) for one in (files.authority, files.certificate)]
    except (OSError, ValueError):
        return datetime.min.replace(tzinfo=UTC)
    return min(one.not_valid_after_utc for one in certificates)


def control_token(path: Path, make: Callable[[], str], *, may_make: bool, shortest: int) -> str:
    """What the file holds; made at the first start. OSError, and KeyUnusable when it is too short to be a secret."""
    if may_make and not path.exists():
        write_private(path, make().encode())
    token = path.read_text(encoding="utf-8").strip()
    if len(token) < shortest:
        raise KeyUnusable(f"the token in {path} is shorter than {shortest} characters")
    return token


def write_private(path: Path, content: bytes) -> None:
    """A file only its owner can read, complete or not there."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    scratch = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    scratch.replace(path)
