"""Sealed bytes open only as they were, where they belong, with their key."""

import pytest

from egovkit.errors import EgovError
from egovkit.signatures.sealing import Sealer

KEY = Sealer.new_key()
PLAIN = "Мектеп анықтамасы.pdf".encode()
AAD = b"case-1/ab12"


@pytest.mark.parametrize("plain", [b"", PLAIN, bytes(1_000_000)], ids=["empty", "text", "1 MB"])
def test_what_is_sealed_opens_again(plain: bytes) -> None:
    sealed = Sealer(KEY).seal(plain, AAD)
    assert Sealer(KEY).open(sealed, AAD) == plain
    assert len(sealed) == len(plain) + 29


def test_the_same_bytes_never_look_the_same() -> None:
    sealer = Sealer(KEY)
    assert len({sealer.seal(PLAIN, AAD) for _ in range(100)}) == 100
    assert PLAIN not in sealer.seal(PLAIN, AAD)


def test_every_flipped_byte_is_noticed() -> None:
    sealed = Sealer(KEY).seal(PLAIN, AAD)
    for position in range(len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 0x80
        with pytest.raises(EgovError, match=r"seal\.broken"):
            Sealer(KEY).open(bytes(changed), AAD)


def test_sealed_bytes_open_nowhere_else() -> None:
    sealed = Sealer(KEY).seal(PLAIN, AAD)
    for sealer, aad in ((Sealer(KEY), b"case-2/ab12"), (Sealer(KEY), b""), (Sealer(Sealer.new_key()), AAD)):
        with pytest.raises(EgovError, match=r"seal\.broken"):
            sealer.open(sealed, aad)


def test_cut_bytes_are_noticed() -> None:
    sealed = Sealer(KEY).seal(PLAIN, AAD)
    for length in range(len(sealed)):
        with pytest.raises(EgovError, match=r"seal\.broken"):
            Sealer(KEY).open(sealed[:length], AAD)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_has_32_bytes(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Sealer(bytes(length))
