"""Settings every member of the bus has, read from the environment with the service's own prefix.

A service subclasses, names its code and its prefix, and adds what only it needs:

    class Settings(ServiceSettings):
        code: ClassVar[str] = "portal-pep"
        model_config = SettingsConfigDict(env_prefix="PORTAL_PEP_")
        port: Port = 8040
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from egovkit.private_files import read_private

LogLevel = Literal["debug", "info", "warning", "error"]
Port = Annotated[int, Field(ge=0, le=65535)]  # 0 = the system chooses


class ServiceSettings(BaseSettings):
    """Nothing here is read at import: build it in `__main__`, in the sandbox or in a test.

    `home` (EGOV_HOME when the service's own variable is unset, default `.egov`) holds the default SQLite file,
    key store with its password, and trust root; each can be placed elsewhere on its own.
    """

    code: ClassVar[str] = "service"  # the participant's code: also the file names under `home`
    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    home: Path
    instance: str = Field(default="1", pattern=r"^[A-Za-z0-9_.-]{1,64}$")  # part of the journal writer's name
    host: str = "127.0.0.1"
    port: Port = 8000
    log_level: LogLevel = "info"
    contracts: Path | None = None

    # With a password file the URL names the user alone: an environment is read by more eyes than a mounted secret.
    db_url: str | None = None
    db_password_file: Path | None = None
    amqp_url: str | None = None
    amqp_password_file: Path | None = None

    keystore: Path
    keystore_password_file: Path
    trust_root: Path
    # 32 bytes in hex, one key a line: the first seals the journal's bodies, the others open what was sealed before.
    journal_key_file: Path
    stamp_every_s: float = Field(default=60.0, ge=1)  # how long a row of the journal waits for its time stamp
    stamp_late_s: float = Field(default=900.0, ge=1)  # and from when on that is an alarm
    journal_bodies_kept_d: int = Field(default=5 * 366, ge=1)  # then the proof alone stays
    answers_kept_h: int = Field(default=48, ge=1)  # lives of rows: see egovkit.upkeep
    sent_kept_h: int = Field(default=7 * 24, ge=1)

    sandbox: bool = False  # what testers need, for who holds the token: egovkit.sandbox
    sandbox_token_file: Path | None = None
    sandbox_log_mb: int = Field(default=64, ge=0, le=4096)  # what the request log may hold; 0: there is none

    # HTTPS, where both are given: the certificate with the ones above it, and its key. `tls_ca` is the authority that
    # ШЭП's and НУЦ's certificates have to come from when their URLs are https; all of them are PEM files.
    tls_certificate: Path | None = None
    tls_key_file: Path | None = None
    tls_ca: Path | None = None

    nuc_url: str = "http://127.0.0.1:8010"
    shep_url: str = "http://127.0.0.1:8020"

    @model_validator(mode="before")
    @classmethod
    def _place_files_under_home(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        home = cls._home_of(data)
        places = {
            "home": home,
            "keystore": home / "keys" / f"{cls.code}.p12",
            "keystore_password_file": home / "secrets" / f"{cls.code}.keystore",
            "trust_root": home / "trust" / "root.cer",
            "journal_key_file": home / "secrets" / f"{cls.code}.journal",
        }
        return {**places, **{name: value for name, value in data.items() if value not in (None, "")}}

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key_file is None):
            raise ValueError("tls_certificate and tls_key_file belong together")
        return self

    @staticmethod
    def _home_of(data: dict[str, Any]) -> Path:
        """Where this process keeps its files, before the settings exist: for subclasses that place more of them."""
        return Path(data.get("home") or os.environ.get("EGOV_HOME") or ".egov")

    @property
    def database_url(self) -> str:
        """`db_url` with its password, or the service's own SQLite file under `home`."""
        if self.db_url is None:
            return f"sqlite+aiosqlite:///{self.home / f'{self.code}.sqlite3'}"
        return with_password(self.db_url, self.db_password_file)

    @property
    def broker_url(self) -> str | None:
        """`amqp_url` with its password, or None where there is no broker."""
        return None if self.amqp_url is None else with_password(self.amqp_url, self.amqp_password_file)

    @property
    def writer(self) -> str:
        """The name under which this process writes its chain of the journal: one chain per replica, so that
        replicas do not queue for one row."""
        return f"{self.code}/{self.instance}"

    @property
    def sandbox_token_path(self) -> Path:
        return self.sandbox_token_file or self.home / "secrets" / "clock.admin"


def read_secret(path: Path) -> str:
    """A secret from a file nobody else can read (docker and k8s mount them so); the newline an editor adds is not part
    of it. Errors as of `read_private`."""
    return read_private(path).decode("utf-8").rstrip("\r\n")


def with_password(url: str, file: Path | None) -> str:
    """`scheme://user@host/...` with the password that `file` holds; without a file the URL as it is.

    ValueError when the URL names no user, or has a password of its own: which of the two is meant nobody can say.
    """
    if file is None:
        return url
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    if not user or ":" in user:
        raise ValueError(f"a URL whose password is in {file} names a user and no password")
    return parts._replace(netloc=f"{user}:{quote(read_secret(file), safe='')}@{host}").geturl()
