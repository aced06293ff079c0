"""Settings of the workstation, from the environment: PROVIDER_ARM_*."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from egovkit.settings import ServiceSettings


class Settings(ServiceSettings):
    code: ClassVar[str] = "provider-arm"
    model_config = SettingsConfigDict(env_prefix="PROVIDER_ARM_", extra="ignore", frozen=True)

    port: int = Field(default=8050, ge=0, le=65535)
    # historic: repealed acts run, as history and training; in_force_only: no new application by them (D20).
    policy: Literal["historic", "in_force_only"] = "historic"

    # Who may create staff. A file, as docker and k8s mount secrets; without one the admin API answers 503.
    admin_token_file: Path | None = None
    # Keys the hashes of the login throttle, so that its table names nobody; replicas need the same one. Without it
    # each process makes its own, and a restart forgets who was slowed down.
    session_key_file: Path | None = None
    session_hours: float = Field(default=8.0, gt=0, le=24)  # one working day
    # argon2id by the library's defaults (RFC 9106, second recommended set): 0.2 s a login. Tests lower them.
    argon2_time: int = Field(default=3, ge=1)
    argon2_memory_kib: int = Field(default=65536, ge=32)  # 8 for each of its four lanes at least
    argon2_at_once: int = Field(default=2, ge=1)
    register_patience_s: float = Field(default=60.0, gt=0, le=86_400)  # where the act gives the answer no term
    attachment_timeout_s: float = Field(default=20.0, gt=0)  # 10 MB over a slow link; an official is waiting
    deadline_poll_s: float = Field(default=15.0, gt=0)  # finds what another replica set and did not live to fire
