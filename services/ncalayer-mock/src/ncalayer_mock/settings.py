"""NCALAYER_MOCK_*: where it listens, which pages it serves, whose keys it holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from egovkit.settings import LogLevel, Port, read_secret

HOST = "127.0.0.1"  # no setting: whoever reaches it from elsewhere would have the citizen's hand
SHORTEST_TOKEN = 16

Origin = Annotated[str, Field(pattern=r"^https?://[a-z0-9.\-\[\]:]{1,253}$")]


class Settings(BaseSettings):
    """Not a service of the bus: no database, no broker, no certificate of its own there."""

    code: ClassVar[str] = "ncalayer-mock"
    model_config = SettingsConfigDict(env_prefix="NCALAYER_MOCK_", extra="ignore", frozen=True)

    home: Path
    port: Port = 13579  # NCALayer's own: every page knows it
    control_port: Port = 13580
    log_level: LogLevel = "info"
    contracts: Path | None = None

    tls: bool = True  # wss by an authority of this installation alone; else ws
    # Pages that may ask: scheme, host, port. A program that is no browser names none and is let in.
    origins: tuple[Origin, ...] = ("http://127.0.0.1:8040", "http://localhost:8040")
    keys: tuple[Path, ...] = ()  # PKCS#12 files
    password_file: Path | None = None  # one password for all of them
    yes: bool = False  # sign whatever is asked, with the first key that fits
    patience_s: float = Field(default=600.0, gt=0)  # a question nobody answers is cancelled then
    nuc_url: str = "http://127.0.0.1:8010"  # whose time stamps: {nuc_url}/tsp
    tls_ca: Path | None = None  # the authority its certificate has to come from where that is https, PEM

    max_message_mb: int = Field(default=32, ge=1, le=256)
    max_connections: int = Field(default=8, ge=1, le=100)
    control_token_file: Path | None = None  # else one is made, readable by its owner alone

    @model_validator(mode="before")
    @classmethod
    def _default_home(cls, data: Any) -> Any:
        if isinstance(data, dict) and not data.get("home"):
            return {**data, "home": Path(os.environ.get("EGOV_HOME") or ".egov")}
        return data

    @field_validator("control_token_file", "password_file")
    @classmethod
    def _readable(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError(f"there is no file {path}")
        return path

    @property
    def folder(self) -> Path:
        return self.home / self.code

    @property
    def control_token_path(self) -> Path:
        return self.control_token_file or self.folder / "control-token"

    @property
    def password(self) -> str | None:
        return None if self.password_file is None else read_secret(self.password_file)

    @property
    def stamps_url(self) -> str:
        return f"{self.nuc_url.rstrip('/')}/tsp"
