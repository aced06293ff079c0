"""The keys derived from an origin's one secret: a leak of one use tells nothing about another."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keyring:
    sealing: bytes  # encrypts copies of documents at rest
    person: bytes  # hashes ИИН and logins where a record may not name anybody
    throttle: bytes

    @classmethod
    def of(cls, service: str, secret: str) -> Keyring:
        def derive(use: str) -> bytes:
            return hmac.new(secret.encode(), f"{service}/{use}/v1".encode(), hashlib.sha256).digest()

        return cls(derive("sealing"), derive("person"), derive("throttle"))

    def person_hash(self, who: str) -> str:
        """Tells whether two records speak of one person, to those who hold the key, and names nobody (E9)."""
        return hmac.new(self.person, who.encode(), hashlib.sha256).hexdigest()

    def throttle_key(self, what: str, *parts: str) -> str:
        text = "\n".join((what, *parts))
        return hmac.new(self.throttle, text.encode(), hashlib.sha256).hexdigest()
