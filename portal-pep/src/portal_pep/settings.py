"""Settings of the portal, from the environment: PORTAL_PEP_*."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from egovorigin.settings import OriginSettings


class PortalPepSettings(OriginSettings):
    code: ClassVar[str] = "portal-pep"
    model_config = SettingsConfigDict(env_prefix="PORTAL_PEP_", extra="ignore", frozen=True)

    port: int = Field(default=8040, ge=0, le=65535)

    session_minutes: int = Field(default=60, ge=1, le=24 * 60)
    confirmation_minutes: int = Field(default=15, ge=1, le=24 * 60)

    registrations_per_hour: int = Field(default=600, ge=1)  # from one address: a family or an office, not a botnet
    verifications_per_hour: int = Field(default=120, ge=1)  # from one address; numbers must not be tried one by one
