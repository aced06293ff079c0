"""Settings, from the environment: ENIS_MOCK_*."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from egovregister.settings import RegisterSettings


class Settings(RegisterSettings):
    code: ClassVar[str] = "enis-mock"
    model_config = SettingsConfigDict(env_prefix="ENIS_MOCK_", extra="ignore", frozen=True)

    port: int = Field(default=8080, ge=0, le=65535)
