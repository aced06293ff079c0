"""What a deployment is made of: the services, their ports, and the settings each of them gets.

One process or many is only a matter of who starts them (`world`, `production`); nothing here differs.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ssl import SSLContext

    from fastapi import FastAPI

    from egovkit.settings import ServiceSettings


@dataclass(frozen=True, slots=True)
class Service:
    """`scales`: production may run several processes of it, the next ones on the ports after `port`."""

    code: str
    port: int
    on_bus: bool = True
    scales: bool = False

    @property
    def package(self) -> str:
        return self.code.replace("-", "_")

    @property
    def prefix(self) -> str:
        return f"{self.package.upper()}_"

    @property
    def settings_class(self) -> type[ServiceSettings]:
        from egovkit.settings import ServiceSettings

        module = importlib.import_module(f"{self.package}.settings")
        for found in vars(module).values():
            if isinstance(found, type) and issubclass(found, ServiceSettings) and found.code == self.code:
                return found
        raise LookupError(f"{self.package}.settings has no settings of {self.code}")

    def settings(self, values: Mapping[str, Any]) -> ServiceSettings:
        """The service's own settings class with these values."""
        return self.settings_class(**values)

    def app(self, settings: ServiceSettings, **parts: Any) -> FastAPI:
        """The service's `create_app`; `parts` are bus, clock and ids."""
        create_app = importlib.import_module(f"{self.package}.app").create_app
        if not self.on_bus:
            parts.pop("bus", None)
        app: FastAPI = create_app(settings, **parts)
        return app


NUC = "nuc-mock"
SHEP = "gateway-shep"
RSHEP = "regional-gateway-rshep"
PORTAL = "portal-pep"
PROVIDER = "provider-arm"
CENTRE = "con-arm"
PERSONS = "gbd-fl-mock"
ATTORNEYS = "enis-mock"
REGISTERS = "registers-mock"

# In the order they start. The ports are compose's.
SERVICES: tuple[Service, ...] = (
    Service(NUC, 8010, on_bus=False),
    Service(SHEP, 8020, scales=True),
    Service(RSHEP, 8030, scales=True),
    Service(PORTAL, 8040),
    Service(PROVIDER, 8050),
    Service(CENTRE, 8060),
    Service(PERSONS, 8070),
    Service(ATTORNEYS, 8080),
    Service(REGISTERS, 8090),
)
BY_CODE: Mapping[str, Service] = {service.code: service for service in SERVICES}
PARTICIPANTS: tuple[str, ...] = tuple(service.code for service in SERVICES if service.on_bus)
ADMINISTERED = (NUC, SHEP, PROVIDER, CENTRE, PERSONS, ATTORNEYS, REGISTERS)  # have a control API behind an admin token
NEEDED = (NUC, SHEP)  # no deployment is one without them
WITH_SESSIONS = (PORTAL, PROVIDER, CENTRE)


@dataclass(frozen=True, slots=True)
class Home:
    """Where a deployment keeps its files. Secrets are readable by their owner alone.

    `secrets`: their folder where it is not below `path`, as in a container that has them mounted.
    """

    path: Path
    secrets: Path | None = None

    def secret(self, name: str) -> Path:
        return (self.secrets or self.path / "secrets") / name

    def admin_token(self, code: str) -> Path:
        return self.secret(f"{code}.admin")

    @property
    def clock_token(self) -> Path:
        """Who holds it may move the time of a sandbox."""
        return self.secret("clock.admin")

    def session_key(self, code: str) -> Path:
        return self.secret(f"{code}.session")

    def keystore_password(self, code: str) -> Path:
        return self.secret(f"{code}.keystore")

    def keystore(self, code: str) -> Path:
        return self.path / "keys" / f"{code}.p12"

    def certificate(self, code: str) -> Path:
        return self.path / "keys" / f"{code}.pem"

    def broker_password(self, user: str) -> Path:
        return self.secret(f"{user}.amqp")

    def database_password(self, role: str) -> Path:
        return self.secret(f"{role}.db")

    def journal_key(self, code: str) -> Path:
        """The bodies of the service's journal are sealed with it at rest."""
        return self.secret(f"{code}.journal")

    @property
    def sealing_key(self) -> Path:
        """Attachments at ШЭП are encrypted with it at rest."""
        return self.secret(f"{SHEP}.sealing")

    @property
    def root_key(self) -> Path:
        """Of НУЦ's root authority, with its certificate, encrypted; the twin takes it over at its first start."""
        return self.secret(f"{NUC}.root")

    @property
    def issuing_key(self) -> Path:
        """The same of the issuing authority."""
        return self.secret(f"{NUC}.issuing")

    @property
    def servers(self) -> Path:
        """What the authority certified before there was a register to enter it in."""
        return self.secret(f"{NUC}.servers")

    @property
    def tls_root(self) -> Path:
        """Whom clients of the deployment's servers trust, PEM: the same authority as `trust_root`."""
        return self.secret("ca.crt")

    def server_certificate(self, server: str) -> Path:
        return self.secret(f"{server}.crt")

    def server_key(self, server: str) -> Path:
        return self.secret(f"{server}.key")

    @property
    def trust(self) -> SSLContext:
        """Whom a tool trusts that comes to the deployment by https; the public authorities where it has none."""
        from egovkit.signatures.tls import client_trust

        return client_trust(self.tls_root if self.tls_root.exists() else None)

    @property
    def trust_root(self) -> Path:
        return self.path / "trust" / "root.cer"

    def log(self, code: str, instance: str) -> Path:
        return self.path / "logs" / f"{code}-{instance}.log"

    def database_url(self, code: str) -> str:
        """The service's SQLite file, as its own settings place it."""
        return f"sqlite+aiosqlite:///{self.path / f'{code}.sqlite3'}"


def values_for(
    service: Service, home: Home, urls: Mapping[str, str], port: int, *, sandbox: bool = False, tls: bool = False
) -> dict[str, Any]:
    """Settings by their field names, the same for one process and for many; unknown ones are ignored."""
    values: dict[str, Any] = {
        "home": home.path,
        "host": "127.0.0.1",
        "port": port,
        "trust_root": home.trust_root,
        "nuc_url": urls[NUC],
        "shep_url": urls[SHEP],
    }
    if sandbox:
        values |= {"sandbox": True, "sandbox_token_file": home.clock_token}
    if tls:
        values["tls_certificate"] = home.server_certificate(service.code)
        values["tls_key_file"] = home.server_key(service.code)
        values["tls_ca"] = home.tls_root
        if service.code == NUC:
            given = {"root_file": home.root_key, "issuing_file": home.issuing_key, "servers_file": home.servers}
            values |= {**given, "public_url": urls[NUC]}
    values["keystore_password_file"] = home.keystore_password(service.code)
    if service.on_bus:
        values["keystore"] = home.keystore(service.code)
        values["journal_key_file"] = home.journal_key(service.code)
    if service.code in ADMINISTERED:
        values["admin_token_file"] = home.admin_token(service.code)
    if service.code == SHEP:
        values["sealing_key_file"] = home.sealing_key
    if service.code in WITH_SESSIONS:
        values["session_key_file"] = home.session_key(service.code)
    return values


def environment(service: Service, values: Mapping[str, Any]) -> dict[str, str]:
    """The same settings as environment variables of a process of its own."""
    return {f"{service.prefix}{name.upper()}": str(value) for name, value in values.items()}
