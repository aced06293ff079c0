"""Which of the keys fit what a page asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

FILES = ("PKCS12", "JKS")
TOKENS = (
    *("AKKaztokenStore", "AKKZIDCardStore", "AKEToken72KStore", "AKEToken5110Store"),
    *("AKJaCartaStore", "AKAKEYStore"),
)
STORAGES = (*FILES, *TOKENS)
# The marks of НУЦ's two kinds of certificates, for keyType; any other word means any key.
KEY_TYPES = {"SIGNATURE": "1.3.6.1.5.5.7.3.4", "AUTHENTICATION": "1.3.6.1.5.5.7.3.2"}


@dataclass(frozen=True, slots=True)
class Card:
    """A key as it is shown to a person: never the key itself."""

    thumbprint: str  # x5t#S256: its name here
    storage: str
    name: str  # of the file
    subject_cn: str
    iin: str | None
    bin: str | None
    serial: int
    ekus: frozenset[str]
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """None: whatever. `ekus`: all of them. `serial`: hexadecimal. `chain`: authorities, one of which issued it."""

    storages: frozenset[str] | None = None
    ekus: frozenset[str] = frozenset()
    iin: str | None = None
    bin: str | None = None
    serial: str | None = None
    chain: tuple[bytes, ...] = ()

    def fits(self, card: Card) -> bool:
        """All but `chain`, which is a matter of certificates."""
        return (
            (self.storages is None or card.storage in self.storages)
            and self.ekus <= card.ekus
            and self.iin in (None, card.iin)
            and self.bin in (None, card.bin)
            and (self.serial is None or _number(self.serial) == card.serial)
        )


def _number(serial: str) -> int | None:
    try:
        return int(serial, 16)
    except ValueError:
        return None


def tokens_among(cards: Sequence[Card]) -> list[str]:
    """Hardware storages that are there; files are never listed, as in NCALayer."""
    there = {card.storage for card in cards}
    return [one for one in TOKENS if one in there]
