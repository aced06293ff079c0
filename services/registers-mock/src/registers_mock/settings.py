"""Settings, from the environment: REGISTERS_MOCK_*."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from egovregister.settings import RegisterSettings


class Settings(RegisterSettings):
    code: ClassVar[str] = "registers-mock"
    model_config = SettingsConfigDict(env_prefix="REGISTERS_MOCK_", extra="ignore", frozen=True)

    port: int = Field(default=8090, ge=0, le=65535)
