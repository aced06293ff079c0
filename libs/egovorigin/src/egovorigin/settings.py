"""What every origin reads from its environment."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from egovkit.settings import ServiceSettings


class OriginSettings(ServiceSettings):
    # historic: repealed acts run, as history and training; in_force_only: no new application by them (D20).
    policy: Literal["historic", "in_force_only"] = "historic"

    # Sealing of files and keyed hashes rest on it; replicas need the same one. Made at first start where it is not
    # given, beside the key store.
    secret_file: Path | None = None

    # argon2id, RFC 9106's second recommended set by the library's defaults; tests lower them.
    argon2_time: int = Field(default=3, ge=1)
    argon2_memory_kib: int = Field(default=65536, ge=8)
    argon2_at_once: int = Field(default=2, ge=1)  # each holds its memory and a core for a fifth of a second

    attachment_timeout_s: float = Field(default=30.0, gt=0)

    @property
    def secret_path(self) -> Path:
        return self.secret_file or self.keystore.with_name(f"{self.code}.secret")
