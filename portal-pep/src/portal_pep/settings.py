"""Settings of the portal, from the environment: PORTAL_PEP_*."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from egovkit.settings import ServiceSettings


class PortalPepSettings(ServiceSettings):
    code: ClassVar[str] = "portal-pep"
    model_config = SettingsConfigDict(env_prefix="PORTAL_PEP_", extra="ignore", frozen=True)

    port: int = Field(default=8040, ge=0, le=65535)

    # Sealing of copies and keyed hashes rest on it; replicas need the same one. Made at first start where it is not
    # given, beside the key store.
    secret_file: Path | None = None
    session_minutes: int = Field(default=60, ge=1, le=24 * 60)
    confirmation_minutes: int = Field(default=15, ge=1, le=24 * 60)

    # historic: repealed acts run, as history and training; in_force_only: they are refused by date (D20).
    policy: Literal["historic", "in_force_only"] = "historic"

    # argon2id, RFC 9106's second recommended set by the library's defaults; tests lower them.
    argon2_time: int = Field(default=3, ge=1)
    argon2_memory_kib: int = Field(default=65536, ge=8)
    argon2_at_once: int = Field(default=2, ge=1)  # each holds its memory and a core for a fifth of a second

    registrations_per_hour: int = Field(default=600, ge=1)  # from one address: a family or an office, not a botnet
    verifications_per_hour: int = Field(default=120, ge=1)  # from one address; numbers must not be tried one by one
    attachment_timeout_s: float = Field(default=30.0, gt=0)

    @property
    def secret_path(self) -> Path:
        return self.secret_file or self.keystore.with_name(f"{self.code}.secret")
