"""GATEWAY_SHEP_* settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import model_validator
from pydantic_settings import SettingsConfigDict

from egovgateway.settings import GatewaySettings
from egovkit.settings import Port


class Settings(GatewaySettings):
    """ШЭП's own settings beside those of every member of the bus."""

    code: ClassVar[str] = "gateway-shep"
    model_config = SettingsConfigDict(env_prefix="GATEWAY_SHEP_", extra="ignore", frozen=True)

    port: Port = 8020
    admin_token_file: Path
    sealing_key_file: Path  # 32 bytes in hex: attachments are encrypted with it at rest
    attachments_dir: Path
    force_policy: Literal["historic", "in_force_only"] = "historic"
    time_policy: Literal["normal", "strict"] = "normal"

    @model_validator(mode="before")
    @classmethod
    def _own_files_under_home(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        placed = cls._home_of(data)
        places = {
            "admin_token_file": placed / "secrets" / "gateway-shep.admin",
            "sealing_key_file": placed / "secrets" / "gateway-shep.sealing",
            "attachments_dir": placed / "attachments",
        }
        return {**places, **{name: value for name, value in data.items() if value not in (None, "")}}
