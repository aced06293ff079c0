"""REGIONAL_GATEWAY_RSHEP_* settings."""

from __future__ import annotations

from typing import ClassVar

from pydantic_settings import SettingsConfigDict

from egovgateway.settings import GatewaySettings
from egovkit.settings import Port


class Settings(GatewaySettings):
    """РШЭП's own settings beside those of every member of the bus. Its regions are those of the member list."""

    code: ClassVar[str] = "regional-gateway-rshep"
    model_config = SettingsConfigDict(env_prefix="REGIONAL_GATEWAY_RSHEP_", extra="ignore", frozen=True)

    port: Port = 8030
