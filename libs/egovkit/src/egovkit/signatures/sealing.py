"""Encryption at rest: journal bodies and attachments leave the process only sealed (AES-256-GCM, NIST SP
800-38D)."""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from egovkit.errors import EgovError

__all__ = ["Sealer"]

KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
VERSION = b"\x01"  # the form of what follows; a second cipher would get 2


class Sealer:
    """Seals bytes under one key: version (1 byte), nonce (12), ciphertext with tag (16).

    Random nonces of 96 bits allow 2**32 seals under one key (SP 800-38D, 8.3): a year of 136 a second.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError("a sealing key has 32 bytes")
        self._cipher = AESGCM(key)

    @staticmethod
    def new_key() -> bytes:
        """A fresh key, to be kept where the database is not."""
        return AESGCM.generate_key(KEY_BYTES * 8)

    def seal(self, plain: bytes, aad: bytes) -> bytes:
        """Encrypt; `aad` is what the bytes belong to (say, the case and the hash): they open nowhere else.

        10 MB take some 10 ms: seal big files off the loop.
        """
        # Not from Ids: a nonce must never repeat under a key, not even where a test makes ids repeatable.
        nonce = os.urandom(NONCE_BYTES)
        return VERSION + nonce + self._cipher.encrypt(nonce, plain, VERSION + aad)

    def open(self, sealed: bytes, aad: bytes) -> bytes:
        """Decrypt. EgovError("seal.broken") when a byte or the `aad` differs, or the key is another."""
        if len(sealed) < 1 + NONCE_BYTES + TAG_BYTES or sealed[:1] != VERSION:
            raise EgovError("seal.broken")
        nonce, cipher = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        try:
            return self._cipher.decrypt(nonce, cipher, VERSION + aad)
        except InvalidTag:
            raise EgovError("seal.broken") from None
