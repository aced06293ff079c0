"""Settings, from the environment: CON_ARM_*."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from egovkit.settings import ServiceSettings, read_secret


class Settings(ServiceSettings):
    code: ClassVar[str] = "con-arm"
    model_config = SettingsConfigDict(env_prefix="CON_ARM_", extra="ignore", frozen=True)

    port: int = Field(default=8060, ge=0, le=65535)
    # historic: repealed acts run, as history and training; in_force_only: no new application by them (D20).
    policy: Literal["historic", "in_force_only"] = "historic"

    # Who may administer. A file, as docker and k8s mount secrets; without one the admin API answers 503.
    admin_token_file: Path | None = None

    # Sealing of scans and keyed hashes rest on it; replicas need the same one. Made at first start where it is not
    # given, beside the key store.
    secret_file: Path | None = None
    session_hours: int = Field(default=10, ge=1, le=24)  # a shift at the counter

    # argon2id, RFC 9106's second recommended set by the library's defaults; tests lower them.
    argon2_time: int = Field(default=3, ge=1)
    argon2_memory_kib: int = Field(default=65536, ge=8)
    argon2_at_once: int = Field(default=2, ge=1)  # each holds its memory and a core for a fifth of a second

    attachment_timeout_s: float = Field(default=30.0, gt=0)

    def admin_token(self) -> str | None:
        return None if self.admin_token_file is None else read_secret(self.admin_token_file)

    @property
    def secret_path(self) -> Path:
        return self.secret_file or self.keystore.with_name(f"{self.code}.secret")
