"""What a deployment needs before its servers start, when compose or Kubernetes start them: `egov bootstrap`.

Every step looks first at what is there, so that the second run changes nothing. Passwords of the servers and their
certificates lie among the other secrets; what the broker is made of is drawn from contracts/topology.yaml alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from egovkit.bus.topology import Topology
from egovkit.clock import Clock, SystemClock
from egovkit.settings import read_secret, with_password
from sandbox.bootstrap import ASK_SECONDS, make_secrets, wait_ready, write_private
from sandbox.composition import BY_CODE, NUC, PARTICIPANTS, SERVICES, Home
from sandbox.production import create_databases, database_name

if TYPE_CHECKING:
    from egovkit.ids import Ids
    from nuc_mock.settings import Settings as NucSettings

OPERATOR = "operator"  # the one broker user and database role that may do everything
DEFINITIONS = "rabbitmq.definitions"
SERVERS = ("rabbitmq", "postgres")  # their host names, in compose and in Kubernetes alike
CERTIFIED = (*SERVERS, *(service.code for service in SERVICES))
THIS_MACHINE = ("localhost", "127.0.0.1")
NUC_URL = f"https://{NUC}:{BY_CODE[NUC].port}"  # stands in every certificate


def make_all_secrets(
    home: Home, topology: Topology, clock: Clock, ids: Ids, *, group: int | None = None, nuc_url: str = NUC_URL
) -> None:
    """Every file a container gets as a secret. `nuc_url`: where НУЦ's twin will answer. `group`: whose members may
    read them, where we may give them away."""
    make_secrets(home, ids)
    passwords = [home.broker_password(user) for user in (*PARTICIPANTS, OPERATOR)]
    passwords += [home.database_password(role) for role in (*(service.code for service in SERVICES), OPERATOR)]
    for path in passwords:
        if not path.exists():
            write_private(path, ids.token(32).encode())
    definitions = json.dumps(broker_definitions(home, topology), indent=2).encode()
    path = home.secret(DEFINITIONS)
    if not path.exists() or path.read_bytes() != definitions:
        write_private(path, definitions)
    prepare_certificates(home, clock, ids, nuc_url)
    if group is not None and os.geteuid() == 0:
        share(home.tls_root.parent, group)


def prepare_certificates(home: Home, clock: Clock, ids: Ids, nuc_url: str) -> None:
    """The authority and the servers' certificates, each where it is not there yet."""
    if not home.tls_root.exists():
        make_certificates(home, clock, ids, nuc_url)
    elif _open_authority(home).exists():
        _make_authority(home, _nuc_settings(home, nuc_url), ids)


def make_certificates(
    home: Home, clock: Clock, ids: Ids, nuc_url: str, also: Mapping[str, Sequence[str]] | None = None
) -> None:
    """НУЦ's authority, where there is none yet, and by it a certificate for every server of the deployment: its name,
    this machine's, and what `also` says. The root comes last: it says that the others are there."""
    from nuc_mock.servers import certify_servers

    settings = _nuc_settings(home, nuc_url)
    if not home.issuing_key.exists():
        _make_authority(home, settings, ids)
    hosts = {name: [name, *THIS_MACHINE, *(also or {}).get(name, ())] for name in CERTIFIED}
    made = certify_servers(settings, hosts, clock, ids)
    for name in CERTIFIED:
        write_private(home.server_key(name), made.keys[name])
        write_private(home.server_certificate(name), made.chains[name])
    write_private(home.servers, made.issued)
    write_private(home.tls_root, made.root)


def _nuc_settings(home: Home, nuc_url: str) -> NucSettings:
    from nuc_mock.settings import Settings

    return Settings(
        home=home.path,
        public_url=nuc_url,
        keystore_password_file=home.keystore_password(NUC),
        root_file=home.root_key,
        issuing_file=home.issuing_key,
    )


def _make_authority(home: Home, settings: NucSettings, ids: Ids) -> None:
    """A new one, or the one that an older version kept in one file in the open, which goes. The issuing authority comes
    last: it says that the root is there."""
    from nuc_mock.servers import new_authority

    before = _open_authority(home)
    root, issuing = new_authority(settings, ids, before.read_bytes() if before.exists() else None)
    write_private(home.root_key, root)
    write_private(home.issuing_key, issuing)
    before.unlink(missing_ok=True)


def _open_authority(home: Home) -> Path:
    return home.secret(f"{NUC}.authority")


def share(folder: Path, group: int) -> None:
    """The folder and its files to root and the group, which can't change them."""
    for path in (folder, *folder.iterdir()):
        os.chown(path, 0, group)
        path.chmod(0o750 if path == folder else 0o440)


def broker_definitions(home: Home, topology: Topology) -> dict[str, Any]:
    """What RabbitMQ loads at its start: the vhost, a user per system with its rights, every queue and its exchange."""
    vhost = topology.vhost
    rights = {system: topology.permission(system) for system in topology.systems}
    users = [_user(name, read_secret(home.broker_password(name)), []) for name in rights]
    permissions = [
        {"user": name, "vhost": vhost, "configure": right.configure, "write": right.write, "read": right.read}
        for name, right in rights.items()
    ]
    operator = _user(OPERATOR, read_secret(home.broker_password(OPERATOR)), ["administrator"])
    everything = {"user": OPERATOR, "vhost": vhost, "configure": ".*", "write": ".*", "read": ".*"}
    lasting = {"vhost": vhost, "durable": True, "auto_delete": False}
    return {
        "vhosts": [{"name": vhost}],
        "users": [*users, operator],
        "permissions": [*permissions, everything],
        "exchanges": [
            {"name": name, "type": "fanout", "internal": False, "arguments": {}, **lasting} for name in topology.names
        ],
        "queues": [{"name": name, "arguments": topology.arguments(name), **lasting} for name in topology.names],
        "bindings": [
            {"vhost": vhost, "source": name, "destination": name, "destination_type": "queue", "routing_key": "",
             "arguments": {}}
            for name in topology.names
        ],
    }  # fmt: skip


def _user(name: str, password: str, tags: Sequence[str]) -> dict[str, Any]:
    """RabbitMQ's own hash: 4 bytes of salt, then SHA-256 of salt and password. The salt is drawn from the password,
    32 random bytes that no table holds, so that the same secrets give the same file."""
    salt = hashlib.sha256(f"{name}:{password}".encode()).digest()[:4]
    digest = hashlib.sha256(salt + password.encode()).digest()
    return {
        "name": name,
        "password_hash": base64.b64encode(salt + digest).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": list(tags),
    }


async def make_databases(server: str, home: Home) -> None:
    """A role and a database of its own for every service; nobody else's role may connect to it.

    `server`: postgresql://operator@host/postgres, without the password, which is a secret like the others.
    """
    url = with_password(server, home.database_password(OPERATOR))
    codes = [service.code for service in SERVICES]
    passwords = {code: read_secret(home.database_password(code)) for code in codes}
    await create_databases(url, codes)
    await _make_roles(url, passwords)


async def _make_roles(server: str, passwords: Mapping[str, str]) -> None:
    from sqlalchemy import text
    from sqlalchemy.engine import make_url
    from sqlalchemy.ext.asyncio import create_async_engine

    url = make_url(server).set(drivername="postgresql+asyncpg")
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as conn:
            there = set((await conn.execute(text("SELECT rolname FROM pg_roles"))).scalars())
            for code, password in passwords.items():
                database = database_name(code)
                verb = "ALTER" if code in there else "CREATE"
                # PostgreSQL takes no parameters here; it quotes the password itself.
                quoted = (await conn.execute(text("SELECT quote_literal(:password)"), {"password": password})).scalar()
                await conn.exec_driver_sql(f'{verb} ROLE "{code}" LOGIN PASSWORD {quoted}')
                await conn.exec_driver_sql(f'ALTER DATABASE "{database}" OWNER TO "{code}"')
                await conn.exec_driver_sql(f'REVOKE ALL ON DATABASE "{database}" FROM PUBLIC')
    finally:
        await engine.dispose()


@asynccontextmanager
async def client(home: Home, needed: Mapping[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """HTTP to services of the deployment, once those named are ready."""
    async with httpx.AsyncClient(timeout=ASK_SECONDS, trust_env=False, verify=home.trust) as http:
        await wait_ready(http, needed, SystemClock())
        yield http
