"""ШЭП's register of participants: every change is one transaction with a new signed list and its news."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from egovgateway.pipeline import Gateway
from egovkit.contracts import read_yaml
from egovkit.db import insert_ignore
from egovkit.errors import EgovError
from egovkit.journal import JournalEntry
from egovkit.membership import MEMBERS_TYP, Member, MemberCertificate, Members, Membership, sign_members
from egovkit.signatures.certificates import load_certificate, sent_certificate
from egovkit.signatures.jws import peek_payload
from egovkit.signatures.keys import der, thumbprint
from egovkit.signatures.trust_source import TrustSource
from gateway_shep import store
from gateway_shep import tables as t

ACTIVE, SUSPENDED = "active", "suspended"


class UsedCertificate(BaseModel):
    """A system certificate of a participant, in use."""

    thumbprint: str = Field(description="its `x5t#S256`")
    not_before: datetime
    not_after: datetime
    added_at: datetime


class RegisteredCertificate(UsedCertificate):
    """A certificate and whose it is."""

    participant: str
    withdrawn: datetime | None


class Participant(BaseModel):
    """A system of the register."""

    code: str
    kind: str
    name_ru: str
    name_kk: str
    bin: str = Field(description="БИН of its owner")
    kato: str = Field(description="КАТО code of its place")
    regions: list[str] = Field(description="regions it works in; none: the whole country")
    services: list[str] = Field(description="regulations it takes part in; *: all")
    delivery: str = Field(description="amqp: by its queue; http: it fetches from GET /v1/inbox")
    broker_user: str | None
    state: str = Field(description="active or suspended")
    updated_at: datetime
    certificates: list[UsedCertificate]


class Participants(BaseModel):
    items: list[Participant]


class Register:
    """Participants and their certificates; the member list in force."""

    def __init__(self, gateway: Gateway, membership: Membership, source: TrustSource) -> None:
        self._gateway = gateway
        self._parts = gateway.parts
        self._membership = membership
        self._source, self._trust = source, source.store

    async def open(self, seed: Path) -> None:
        """At start: the first participants from `seed`, ШЭП's own certificate, and the list in force."""
        document = await asyncio.to_thread(read_yaml, seed)
        own = self._parts.key.signing_key()
        async with self._parts.db.begin() as conn:
            now = self._parts.clock.now()
            rows = [{**entry, "state": ACTIVE, "updated_at": now} for entry in document["participants"]]
            await conn.execute(insert_ignore(t.participants, rows, conn.dialect.name))
            if await store.certificate(conn, own.thumbprint) is None:
                await self._insert_certificate(conn, self._parts.code, own.certificate)
            newest = await store.newest_list(conn)
            members = await self._read(conn, newest["version"] if newest else 0)
            if newest is None or _differs(newest["signed"], members):
                await self._sign(conn, members)
        await self.refresh()

    async def refresh(self) -> None:
        """Take up the list another replica may have made."""
        async with self._parts.db.read() as conn:
            newest = await store.newest_list(conn)
        if newest is not None and newest["version"] > self._membership.members.version:
            self._membership.update(newest["signed"])

    async def signed_list(self) -> tuple[int, str]:
        """The member list in force: its version and its compact JWS."""
        async with self._parts.db.read() as conn:
            newest = await store.newest_list(conn)
        if newest is None:
            raise EgovError("service.unavailable", waiting_for="member_list")
        return newest["version"], newest["signed"]

    async def participants(self) -> list[dict[str, Any]]:
        """Everybody, with certificates in use."""
        async with self._parts.db.read() as conn:
            rows = await store.participants(conn)
            held = await store.certificates(conn)
        return [_shown(row, [c for c in held if c["code"] == row["code"]]) for row in rows]

    async def participant(self, code: str) -> dict[str, Any]:
        """One participant; participant.unknown."""
        async with self._parts.db.read() as conn:
            row = await store.participant(conn, code)
            if row is None:
                raise EgovError("participant.unknown", participant=code)
            return _shown(row, await store.certificates(conn, code))

    async def add(self, values: dict[str, Any]) -> dict[str, Any]:
        """Register a participant; participant.exists."""
        async with self._change("participant.added", values["code"], values) as conn:
            row = {**values, "state": ACTIVE, "updated_at": self._parts.clock.now()}
            try:
                await store.insert_participant(conn, row)
            except IntegrityError as error:
                raise EgovError("participant.exists", participant=values["code"]) from error
        return await self.participant(values["code"])

    async def change(self, code: str, values: dict[str, Any], action: str = "participant.changed") -> dict[str, Any]:
        """Change a participant's data or state; participant.unknown."""
        async with self._change(action, code, values) as conn:
            if await store.participant(conn, code, lock=True) is None:
                raise EgovError("participant.unknown", participant=code)
            await store.update_participant(conn, code, {**values, "updated_at": self._parts.clock.now()})
        return await self.participant(code)

    async def set_state(self, code: str, state: str) -> dict[str, Any]:
        """Suspend or resume. A suspended participant's envelopes are refused from the next list on."""
        if code == self._parts.code:
            raise EgovError("participant.own", participant=code)
        return await self.change(code, {"state": state}, f"participant.{state}")

    async def add_certificate(self, code: str, pem_or_der: bytes) -> dict[str, Any]:
        """Add a system certificate: from now on it is accepted beside the older ones (rotation by overlap)."""
        certificate = sent_certificate(pem_or_der)
        await self._source.meet(certificate)
        facts = self._trust.check_system(certificate, self._parts.clock.now())
        if facts.refusal is not None:
            raise EgovError(facts.refusal)
        if facts.subject_cn != code:
            raise EgovError("participant.foreign_certificate", participant=code, subject=facts.subject_cn)
        async with self._change("certificate.added", code, {"thumbprint": thumbprint(certificate)}) as conn:
            if await store.participant(conn, code, lock=True) is None:
                raise EgovError("participant.unknown", participant=code)
            if await store.certificate(conn, thumbprint(certificate)) is None:
                await self._insert_certificate(conn, code, certificate)
        return await self.participant(code)

    async def withdraw_certificate(self, code: str, name: str) -> dict[str, Any]:
        """End of a rotation: the old certificate is accepted no more."""
        async with self._change("certificate.withdrawn", code, {"thumbprint": name}) as conn:
            if await store.withdraw_certificate(conn, code, name, self._parts.clock.now()) == 0:
                raise EgovError("participant.certificate_unknown", thumbprint=name)
        return await self.participant(code)

    async def certificate(self, name: str) -> dict[str, Any]:
        """A registered certificate by its x5t#S256."""
        async with self._parts.db.read() as conn:
            row = await store.certificate(conn, name)
        if row is None:
            raise EgovError("participant.certificate_unknown", thumbprint=name)
        return {**_certificate_shown(row), "participant": row["code"], "withdrawn": row["withdrawn_at"]}

    @asynccontextmanager
    async def _change(self, action: str, code: str, facts: dict[str, Any]) -> AsyncIterator[AsyncConnection]:
        """One change: the caller's rows, an admin row of the journal, a new list, news for every member."""
        try:
            async with self._parts.db.begin() as conn:
                yield conn
                now = self._parts.clock.now()
                body = {"action": action, "participant": code, "facts": facts}
                await self._parts.journal.append(conn, [JournalEntry("admin", now, None, body)])
                newest = await store.newest_list(conn)
                members = await self._read(conn, newest["version"] if newest else 0)
                signed = await self._sign(conn, members)
                notices = [(m, *self._parts.notices.members_updated(m, signed)) for m in self._told(members)]
                await self._gateway.announce(conn, notices)
        except IntegrityError as error:
            raise EgovError("participant.changed_meanwhile") from error
        await self.refresh()

    def _told(self, members: Members) -> Sequence[Member]:
        return [
            member
            for member in members.members
            if member.code != self._parts.code and member.state == ACTIVE and member.certificates
        ]

    async def _read(self, conn: AsyncConnection, version: int) -> Members:
        held = await store.certificates(conn)
        return Members(version, tuple(_member(row, held) for row in await store.participants(conn)))

    async def _sign(self, conn: AsyncConnection, members: Members) -> str:
        """Sign and store these members as the next version."""
        following = replace(members, version=members.version + 1)
        signed = sign_members(following, self._parts.key)
        await store.insert_list(conn, following.version, signed, self._parts.clock.now())
        return signed

    async def _insert_certificate(self, conn: AsyncConnection, code: str, certificate: Any) -> None:
        facts = self._trust.check_system(certificate, self._parts.clock.now())
        values = {
            "thumbprint": facts.thumbprint,
            "code": code,
            "certificate": der(certificate),
            "not_before": facts.not_before,
            "not_after": facts.not_after,
            "added_at": self._parts.clock.now(),
        }
        await store.insert_certificate(conn, values)


def _differs(signed: str, members: Members) -> bool:
    """Whether the stored list is not what the register says (a new certificate of our own, a longer seed)."""
    stored = Members.from_payload(peek_payload(signed, MEMBERS_TYP))
    return bool(stored.to_payload()["members"] != members.to_payload()["members"])


def _member(row: store.Row, held: Sequence[store.Row]) -> Member:
    certificates = tuple(
        MemberCertificate.of(load_certificate(c["certificate"])) for c in held if c["code"] == row["code"]
    )
    return Member(
        code=row["code"],
        kind=row["kind"],
        name_ru=row["name_ru"],
        name_kk=row["name_kk"],
        bin=row["bin"],
        kato=row["kato"],
        regions=tuple(row["regions"]),
        services=tuple(row["services"]),
        state=row["state"],
        delivery=row["delivery"],
        certificates=certificates,
    )


def _shown(row: store.Row, certificates: Sequence[store.Row]) -> dict[str, Any]:
    return {**row, "certificates": [_certificate_shown(c) for c in certificates]}


def _certificate_shown(row: store.Row) -> dict[str, Any]:
    return {name: row[name] for name in ("thumbprint", "not_before", "not_after", "added_at")}
