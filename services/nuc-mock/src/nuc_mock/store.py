"""Everything that lasts: the authorities' key files, the administrator's token, and every query."""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.db import insert_ignore
from egovkit.errors import EgovError
from egovkit.private_files import read_private
from nuc_mock import domain
from nuc_mock.domain import Authority, ListedCertificate, Profile, Reason, State
from nuc_mock.tables import authorities, certificates, generations, other_lists, stamps

ROOT, ISSUING = "root", "issuing"
SHORTEST_TOKEN = 16  # characters; anything shorter could be guessed over HTTP

_KEY = re.compile(b"-----BEGIN PRIVATE KEY-----.+?-----END PRIVATE KEY-----\n", re.S)


class AuthorityUnusable(Exception):
    """The key files and the database don't belong together, or can't be read; the message says what to do."""


# --- files


@dataclass(frozen=True, slots=True)
class Authorities:
    root: Authority
    issuing: Authority

    def by_name(self, name: str) -> Authority:
        return self.root if name == ROOT else self.issuing


def load_or_make_authorities(folder: Path, make: Callable[[], Authorities], token: str) -> Authorities:
    """The authorities kept in `folder`; made by `make` when there are none. Blocking.

    They are written beside it and moved into place as one folder, so that a crash or a second process starting
    at the same moment never leaves a key without its certificate: the loser of the race takes the winner's.
    `token` makes the name of the temporary folder its own.
    """
    if not folder.exists():
        made = make()
        draft = folder.with_name(f".{folder.name}-{token}")
        draft.mkdir(parents=True, mode=0o700)
        try:
            for name in (ROOT, ISSUING):
                _write_authority(draft, name, made.by_name(name))
            _sync_folder(draft)
            draft.rename(folder)
            _sync_folder(folder.parent)
        except OSError:
            shutil.rmtree(draft, ignore_errors=True)
            if not folder.exists():
                raise
    return Authorities(_read_authority(folder, ROOT), _read_authority(folder, ISSUING))


def authorities_of(pem: Path) -> Authorities:
    """The two of one file: the root's key and certificate, then the issuing authority's. AuthorityUnusable."""
    try:
        content = read_private(pem)
        first, second = (load_pem_private_key(one, password=None) for one in _KEY.findall(content))
        root, issuing = x509.load_pem_x509_certificates(content)
    except (OSError, ValueError, EgovError) as error:
        raise AuthorityUnusable(f"no two authorities can be read from {pem}: {error}") from None
    if not isinstance(first, domain.AuthorityKey) or not isinstance(second, domain.AuthorityKey):
        raise AuthorityUnusable(f"the keys in {pem} are of no kind an authority has")
    return Authorities(Authority(root, first), Authority(issuing, second))


def check_same_authority(kept: Authorities, pem: Path) -> None:
    """AuthorityUnusable where the file is another authority's than the one that was kept: nobody would trust the
    servers that it certified."""
    given = authorities_of(pem)
    if given.root.certificate != kept.root.certificate:
        raise AuthorityUnusable(f"the authority of {pem} is not the one this service has been since its first start")


def pem_of_authorities(authorities: Authorities) -> bytes:
    """As `authorities_of` reads it. It holds both keys."""
    found = [authorities.root, authorities.issuing]
    keys = [one.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for one in found]
    certificates = [domain.pem_of([one.certificate]).encode() for one in found]
    return b"".join(part for pair in zip(keys, certificates, strict=True) for part in pair)


def load_or_make_service(path: Path, make: Callable[[], Authority], token: str) -> Authority:
    """The key and certificate of one of the authority's own services, in one file. Blocking. Two processes that start
    together end with the same: the file appears whole or not at all, and whoever was later takes the other's."""
    if not path.exists():
        made = make()
        draft = path.with_name(f".{path.name}-{token}")
        key = made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_secret(draft, key + domain.pem_of([made.certificate]).encode())
        try:
            with suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
        _sync_folder(path.parent)
    try:
        content = path.read_bytes()
        key_found = load_pem_private_key(content, password=None)
        certificate = x509.load_pem_x509_certificate(content)
    except (OSError, ValueError) as error:
        raise AuthorityUnusable(f"{path} can't be read: {error}; without the file a new one is made") from None
    if not isinstance(key_found, domain.AuthorityKey) or key_found.public_key() != certificate.public_key():
        raise AuthorityUnusable(f"the key in {path} is not that of its certificate")
    return Authority(certificate, key_found)


def load_or_make_token(path: Path, make: Callable[[], str], *, may_make: bool) -> str:
    """The administrator's token; made at the first start unless the operator named a file. Blocking."""
    if may_make and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            draft = Path(folder, path.name)
            write_secret(draft, make().encode())
            with suppress(FileExistsError):  # another start was first, and its token is the one
                os.link(draft, path)
    try:
        token = read_private(path).decode("utf-8").strip()
    except (OSError, EgovError) as error:
        raise AuthorityUnusable(f"the administrator's token can't be read from {path}: {error}") from None
    if len(token) < SHORTEST_TOKEN:
        raise AuthorityUnusable(f"the token in {path} is shorter than {SHORTEST_TOKEN} characters")
    return token


def write_secret(path: Path, content: bytes) -> None:
    """A new file only its owner can read, on disk when this returns."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _write_authority(folder: Path, name: str, authority: Authority) -> None:
    key = authority.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_secret(folder / f"{name}.key.pem", key)
    write_secret(folder / f"{name}.cer", domain.der_of(authority.certificate))


def _read_authority(folder: Path, name: str) -> Authority:
    try:
        key = load_pem_private_key(read_private(folder / f"{name}.key.pem"), password=None)
        certificate = x509.load_der_x509_certificate((folder / f"{name}.cer").read_bytes())
    except (OSError, ValueError, EgovError) as error:
        raise AuthorityUnusable(f"the {name} authority in {folder} can't be read: {error}") from None
    if not isinstance(key, domain.AuthorityKey) or key.public_key() != certificate.public_key():
        raise AuthorityUnusable(f"{folder}/{name}.key.pem is not the key of {name}.cer")
    return Authority(certificate, key)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- rows


@dataclass(frozen=True, slots=True)
class PublishedList:
    """A revocation list as it is served. `number` 0 means that there is none yet."""

    number: int
    der: bytes
    sha256: str
    this_update: datetime
    next_update: datetime


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    position: int
    serial: str
    thumbprint: str
    profile: Profile
    key: str
    common_name: str
    iin: str | None
    bin: str | None
    oddities: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    issued_at: datetime
    der: bytes
    state: State
    version: int
    listed_at: datetime | None
    reason: Reason | None
    generation: int
    renews: str | None

    @property
    def pem(self) -> str:
        return domain.pem_of([x509.load_der_x509_certificate(self.der)])


@dataclass(frozen=True, slots=True)
class Search:
    """What a page of certificates is looked for by; None does not restrict."""

    serial: str | None = None
    iin: str | None = None
    bin: str | None = None
    profile: str | None = None
    state: str | None = None


async def bind_authority(conn: AsyncConnection, name: str, thumbprint: str) -> None:
    """The database and the key files belong together from the first start on."""
    row = {"name": name, "thumbprint": thumbprint, "crl_number": 0}
    await conn.execute(insert_ignore(authorities, [row], conn.dialect.name))
    known = await conn.scalar(select(authorities.c.thumbprint).where(authorities.c.name == name))
    if known != thumbprint:
        raise AuthorityUnusable(
            f"the database belongs to another {name} authority ({known}) than the key files ({thumbprint}); "
            "put the old key files back, or start with an empty database"
        )


async def later_generations(conn: AsyncConnection) -> dict[int, str]:
    """Thumbprints of the issuing authority's certificates after the first, by generation."""
    rows = await conn.execute(select(generations.c.generation, generations.c.thumbprint))
    return {row.generation: row.thumbprint for row in rows}


async def add_generation(conn: AsyncConnection, generation: int, thumbprint: str, since: datetime) -> None:
    await conn.execute(generations.insert().values(generation=generation, thumbprint=thumbprint, since=since))


async def bases(conn: AsyncConnection, name: str) -> tuple[int, int]:
    """(latest complete list made by time alone, the one before it); 0 where there is none."""
    c = authorities.c
    row = (await conn.execute(select(c.last_base, c.base_before).where(c.name == name))).one()
    return row.last_base, row.base_before


async def put_other_list(conn: AsyncConnection, name: str, der: bytes) -> None:
    await conn.execute(delete(other_lists).where(other_lists.c.name == name))
    await conn.execute(other_lists.insert().values(name=name, der=der))


async def other_list(conn: AsyncConnection, name: str) -> bytes | None:
    found: bytes | None = await conn.scalar(select(other_lists.c.der).where(other_lists.c.name == name))
    return found


async def lock_authority(conn: AsyncConnection, name: str) -> int:
    """Holds the authority until the transaction ends; returns the number of its latest list."""
    query = select(authorities.c.crl_number).where(authorities.c.name == name).with_for_update()
    number: int = (await conn.execute(query)).scalar_one()
    return number


async def published_list(conn: AsyncConnection, name: str) -> PublishedList | None:
    c = authorities.c
    query = select(c.crl_number, c.crl, c.crl_sha256, c.this_update, c.next_update).where(c.name == name)
    row = (await conn.execute(query)).one()
    return None if row.crl is None else PublishedList(*row)


async def publish_list(conn: AsyncConnection, name: str, new: PublishedList, bases: tuple[int, int]) -> None:
    await conn.execute(
        update(authorities)
        .where(authorities.c.name == name)
        .values(
            crl_number=new.number,
            crl=new.der,
            crl_sha256=new.sha256,
            this_update=new.this_update,
            next_update=new.next_update,
            last_base=bases[0],
            base_before=bases[1],
        )
    )


async def add_certificate(conn: AsyncConnection, row: Mapping[str, Any]) -> IssuedCertificate:
    added = certificates.insert().values(state=State.GOOD, version=1, **row).returning(*certificates.c)
    return _issued((await conn.execute(added)).one()._mapping)


async def certificate(conn: AsyncConnection, serial: str) -> IssuedCertificate | None:
    row = (await conn.execute(select(certificates).where(certificates.c.serial == serial))).one_or_none()
    return None if row is None else _issued(row._mapping)


async def search_certificates(
    conn: AsyncConnection, wanted: Search, *, after: int, limit: int
) -> list[IssuedCertificate]:
    """At most `limit` certificates in order of issue, those after position `after`."""
    query = select(certificates).where(certificates.c.position > after)
    for field in fields(wanted):
        value = getattr(wanted, field.name)
        if value is not None:
            query = query.where(certificates.c[field.name] == value)
    rows = await conn.execute(query.order_by(certificates.c.position).limit(limit))
    return [_issued(row._mapping) for row in rows]


async def standings(conn: AsyncConnection, serials: Sequence[int], generation: int) -> dict[int, domain.Standing]:
    """How those of them stand that were issued by this key of the issuing authority."""
    c = certificates.c
    wanted = [domain.serial_text(one) for one in serials if 0 < one < 1 << 160]
    query = select(c.serial, c.state, c.listed_at, c.reason)
    rows = await conn.execute(query.where(c.serial.in_(wanted), c.generation == generation))
    return {
        int(row.serial, 16): domain.Standing()
        if row.state == State.GOOD
        else domain.Standing(row.listed_at, Reason(row.reason))
        for row in rows
    }


async def add_stamp(conn: AsyncConnection, at: datetime, digest: str, imprint: bytes) -> int:
    """Its serial number."""
    added = stamps.insert().values(at=at, digest=digest, imprint=imprint).returning(stamps.c.serial)
    serial: int = (await conn.execute(added)).scalar_one()
    return serial


async def move_certificate(
    conn: AsyncConnection,
    old: IssuedCertificate,
    state: State,
    listed_at: datetime | None,
    reason: Reason | None,
    *,
    changed_in: int,
) -> bool:
    """Compare-and-set on the version; False when somebody else was first."""
    moved = (
        update(certificates)
        .where(certificates.c.serial == old.serial, certificates.c.version == old.version)
        .values(state=state, version=old.version + 1, listed_at=listed_at, reason=reason, changed_in=changed_in)
    )
    return (await conn.execute(moved)).rowcount == 1


async def listed_certificates(conn: AsyncConnection) -> Sequence[ListedCertificate]:
    """All that the issuing authority's list must name. Expired ones stay: old signatures are checked too."""
    c = certificates.c
    rows = await conn.execute(select(c.serial, c.listed_at, c.reason).where(c.state != State.GOOD).order_by(c.position))
    return [ListedCertificate(int(row.serial, 16), row.listed_at, Reason(row.reason)) for row in rows]


async def changes(conn: AsyncConnection, base: int, now: datetime) -> Sequence[ListedCertificate]:
    """What lists after number `base` told anew. A certificate that is good again was on one of them."""
    c = certificates.c
    query = select(c.serial, c.listed_at, c.reason).where(c.changed_in > base).order_by(c.position)
    return [
        ListedCertificate(int(row.serial, 16), row.listed_at or now, None if row.reason is None else Reason(row.reason))
        for row in await conn.execute(query)
    ]


def _issued(row: Mapping[Any, Any]) -> IssuedCertificate:
    values = {field.name: row[field.name] for field in fields(IssuedCertificate)}
    values["oddities"] = tuple(json.loads(values["oddities"]))
    values["profile"] = Profile(values["profile"])
    values["state"] = State(values["state"])
    values["reason"] = None if values["reason"] is None else Reason(values["reason"])
    return IssuedCertificate(**values)
