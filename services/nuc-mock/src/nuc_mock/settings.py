"""NUC_MOCK_*: where the authority lives and how long its work is good for."""

from datetime import timedelta
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from egovkit.settings import ServiceSettings


class Settings(ServiceSettings):
    code: ClassVar[str] = "nuc-mock"
    model_config = SettingsConfigDict(env_prefix="NUC_MOCK_", extra="ignore", frozen=True)

    port: int = Field(default=8010, ge=0, le=65535)
    # Written into every certificate (CRL distribution point, AIA); unset: http://{host}:{port}.
    public_url: str | None = None
    # Without a file of your own one is made at the first start, readable by its owner alone.
    admin_token_file: Path | None = None
    # Made before the first start, by who made the servers' certificates: the two authorities (PKCS#12, under the
    # password of all keys here), and what they issued.
    root_file: Path | None = None
    issuing_file: Path | None = None
    servers_file: Path | None = None
    authority_key: Literal["p256", "rsa2048"] = "p256"  # root and issuing authority; used at the first start only
    person_days: int = Field(default=365, ge=1, le=3650)
    system_days: int = Field(default=730, ge=1, le=3650)
    crl_hours: int = Field(default=24, ge=1, le=24 * 31)  # how long a list is good; renewed at half of it

    ocsp_seconds: int = Field(default=60, ge=1, le=24 * 3600)  # how long an answer is good

    @model_validator(mode="after")
    def _authority_is_whole(self) -> Self:
        if (self.root_file is None) != (self.issuing_file is None):
            raise ValueError("root_file and issuing_file belong together")
        return self

    @property
    def authority_dir(self) -> Path:
        return self.home / "nuc-mock" / "authority"

    @property
    def makes_password(self) -> bool:
        """Whether the keys' password may be made at the first start: the operator has named no file of his own."""
        return self.keystore_password_file == self.home / "secrets" / f"{self.code}.keystore"

    @property
    def admin_token_path(self) -> Path:
        return self.admin_token_file or self.home / "nuc-mock" / "admin-token"

    @property
    def base_url(self) -> str:
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def crl_validity(self) -> timedelta:
        return timedelta(hours=self.crl_hours)

    @property
    def ocsp_validity(self) -> timedelta:
        return timedelta(seconds=self.ocsp_seconds)
