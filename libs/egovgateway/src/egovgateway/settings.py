"""Settings that both gateways have."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from egovkit.settings import ServiceSettings


class GatewaySettings(ServiceSettings):
    """What a gateway has beside every member of the bus."""

    # Webhooks go to public addresses by https; with this also to private networks, and by http to this machine.
    webhook_private: bool = False
    webhook_ca: Path | None = None  # PEM: authorities of partners, to be trusted beside the public ones
    webhook_kept_h: int = Field(default=30 * 24, ge=1)  # how long what was delivered stays in the history
