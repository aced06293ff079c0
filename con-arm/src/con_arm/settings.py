"""Settings, from the environment: CON_ARM_*."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from egovkit.settings import read_secret
from egovorigin.settings import OriginSettings


class Settings(OriginSettings):
    code: ClassVar[str] = "con-arm"
    model_config = SettingsConfigDict(env_prefix="CON_ARM_", extra="ignore", frozen=True)

    port: int = Field(default=8060, ge=0, le=65535)
    # Who may administer. A file, as docker and k8s mount secrets; without one the admin API answers 503.
    admin_token_file: Path | None = None

    session_hours: int = Field(default=10, ge=1, le=24)  # a shift at the counter

    def admin_token(self) -> str | None:
        return None if self.admin_token_file is None else read_secret(self.admin_token_file)
