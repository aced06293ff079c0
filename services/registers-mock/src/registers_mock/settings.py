"""Settings, from the environment: REGISTERS_MOCK_*."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from egovkit.settings import ServiceSettings


class Settings(ServiceSettings):
    code: ClassVar[str] = "registers-mock"
    model_config = SettingsConfigDict(env_prefix="REGISTERS_MOCK_", extra="ignore", frozen=True)

    port: int = Field(default=8090, ge=0, le=65535)

    # Who may administer. A file, as docker and k8s mount secrets; without one the admin API answers 503.
    admin_token_file: Path | None = None
