"""What the authority does on an administrator's word: one public method per use, one transaction each."""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.clock import Clock
from egovkit.db import Database
from egovkit.errors import EgovError, FieldError
from egovkit.ids import Ids
from egovkit.sandbox.faults import Faults
from egovkit.upkeep import forget_for_ever
from nuc_mock import domain, servers, store, tables
from nuc_mock.domain import CertificateOrder, Event, KeyKind, OddKeyKind, Profile, PublicKey, Reason, State
from nuc_mock.service.answers import Answers
from nuc_mock.service.keys import Keyring
from nuc_mock.service.lists import Lists
from nuc_mock.service.wanted import Audit, Bends, Dates, Generation, Keep, Wanted, field_error, holder, whole
from nuc_mock.settings import Settings
from nuc_mock.store import ISSUING, IssuedCertificate, Search


class Nuc:
    """The certification authority. `open` before use; `close` gives the database back."""

    def __init__(self, settings: Settings, db: Database, clock: Clock, ids: Ids, faults: Faults | None = None) -> None:
        self.db = db
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._audit, bends = Audit(settings.writer, clock), Bends(faults)
        self.keys = Keyring(settings, db, clock, ids)
        self.lists = Lists(db, self.keys, clock, self._audit, bends, validity=settings.crl_validity)
        self.answers = Answers(db, self.keys, clock, bends, validity=settings.ocsp_validity)
        self._admin_token = ""
        self._forgetting: asyncio.Task[None] | None = None

    # --- life

    async def open(self) -> None:
        """Loads or makes the authorities, binds them to the database, and sees that there are lists."""
        await asyncio.to_thread(self.keys.load)
        self._admin_token = await asyncio.to_thread(
            store.load_or_make_secret,
            self._settings.admin_token_path,
            self._ids.token,
            may_make=self._settings.admin_token_file is None,
        )
        async with self.db.begin() as conn:
            await self.keys.bind(conn)
            await self._enter_servers(conn)
        await self.lists.open()
        # A stored answer may hold a person's container, which is to be kept nowhere.
        forgetting = forget_for_ever(self.db, tables.idempotency, None, self._clock, self._settings)
        self._forgetting = asyncio.create_task(forgetting)

    async def close(self) -> None:
        if self._forgetting is not None:
            self._forgetting.cancel()
            await asyncio.gather(self._forgetting, return_exceptions=True)
        await self.lists.close()
        await self.db.close()

    async def waiting_for(self) -> str | None:
        """For /health/ready: what is missing before certificates can be issued."""
        return None if self.keys.opened else "authority"

    def is_admin(self, token: str) -> bool:
        known = self._admin_token
        return bool(known) and hmac.compare_digest(token.encode(), known.encode())

    async def rotate(self, keep: Callable[[AsyncConnection, Generation], Awaitable[object]]) -> None:
        """A new key of the issuing authority, under its old name (RFC 5280, 4.2.1.1: the key identifier tells them
        apart). It signs what is issued from now on; lists and OCSP answers for what the older keys signed go on being
        signed by them, so that nobody has to know the new key to check an old certificate."""
        async with self.db.begin() as conn:
            await store.lock_authority(conn, ISSUING)
            made = await self.keys.add_next(conn)
            thumbprint = domain.thumbprint(made.issuing.certificate)
            await self._audit(conn, "authority.rotated", generation=made.number, thumbprint=thumbprint)
            await self.lists.publish_with(conn, made)
            await keep(conn, made)
        self.keys.take(made)

    # --- issuing

    async def issue_for_request(self, wanted: Wanted, pem: str, keep: Keep, *, any_key: bool = False) -> None:
        """A certificate for the key of a PKCS#10 request. `any_key` certifies odd keys as well, for testers."""
        key = self._requested_key(pem, any_key=any_key)
        order = self._order(wanted)
        by = await self.keys.current()
        await self._record(order, await asyncio.to_thread(self._build, by, order, key), by, key, keep)

    async def renew(self, serial: str, pem: str, dates: Dates, keep: Keep, *, supersede: bool = False) -> None:
        """The same holder in the same role with a new key. The old certificate stays good until its end, so that both
        overlap; with `supersede` it is revoked by the same act."""
        old = await self.certificate(serial)
        key = self._requested_key(pem)
        if key == domain.key_of(old.der):
            raise EgovError("nuc.request_unusable", reason="used")
        order = self._order(Wanted(**holder(old), not_before=dates[0], not_after=dates[1]))
        by = await self.keys.current()
        certificate = await asyncio.to_thread(self._build, by, order, key)
        await self._record(order, certificate, by, key, keep, renews=old, supersede=supersede)

    async def issue_to_person(
        self,
        wanted: Wanted,
        kind: KeyKind | OddKeyKind,
        password: str,
        keep: Callable[[AsyncConnection, IssuedCertificate, bytes], Awaitable[object]],
    ) -> None:
        """A key, its certificate and a PKCS#12 container with both. The key exists nowhere else afterwards."""
        fault = domain.password_fault(password)
        order = self._order(wanted, FieldError("password", fault, "not НУЦ's rule") if fault else None)
        by = await self.keys.current()
        key, certificate, container = await asyncio.to_thread(self._build_container, by, order, kind, password)

        async def keep_all(conn: AsyncConnection, issued: IssuedCertificate) -> None:
            await keep(conn, issued, container)

        await self._record(order, certificate, by, key, keep_all)

    def _requested_key(self, pem: str, *, any_key: bool = False) -> PublicKey:
        try:
            key = domain.requested_key(pem)
        except domain.UnusableRequest as error:
            raise EgovError("nuc.request_unusable", reason=error.reason) from None
        if not any_key and not domain.is_ordinary_key(key):
            raise EgovError("nuc.key_not_accepted", key=domain.key_name(key))
        return key

    def _order(self, wanted: Wanted, also: FieldError | None = None) -> CertificateOrder:
        begins, ends = self._validity(wanted)
        order = CertificateOrder(
            profile=wanted.profile,
            common_name=wanted.common_name,
            not_before=begins,
            not_after=ends,
            iin=wanted.iin,
            bin=wanted.bin,
            surname=wanted.surname,
            patronymic=wanted.patronymic,
            organisation=wanted.organisation,
            hosts=wanted.hosts,
            oddity=wanted.oddity,
        )
        errors = [field_error(fault) for fault in domain.order_faults(order)] + ([also] if also else [])
        if errors:
            raise EgovError("request.invalid", errors=errors)
        return order

    def _validity(self, wanted: Wanted) -> tuple[datetime, datetime]:
        now = self._clock.now()
        system = wanted.profile in (Profile.SYSTEM, Profile.SERVER)
        life = timedelta(days=self._settings.system_days if system else self._settings.person_days)
        begins, ends = wanted.not_before, wanted.not_after
        try:
            if begins is None:
                # An end in the past asks for an expired certificate: let it have lived its life.
                begins = ends - life if ends is not None and ends <= now else now - servers.BACKDATE
            return whole(begins), whole(ends or begins + life)
        except OverflowError:  # a date at the edge of the calendar
            name = "not_before" if ends is None else "not_after"
            raise EgovError("request.invalid", errors=[FieldError(name, "out_of_range", "no such date")]) from None

    def _build(self, by: Generation, order: CertificateOrder, key: PublicKey) -> domain.Certificate:
        return domain.build_certificate(by.issuing, key, order, self.keys.serial(), self.keys.addresses(by.number))

    def _build_container(
        self, by: Generation, order: CertificateOrder, kind: KeyKind | OddKeyKind, password: str
    ) -> tuple[PublicKey, domain.Certificate, bytes]:
        key = domain.new_key(kind)
        certificate = self._build(by, order, key.public_key())
        chain = [by.issuing.certificate]
        return key.public_key(), certificate, domain.build_container(key, certificate, chain, password)

    async def _record(
        self,
        order: CertificateOrder,
        certificate: domain.Certificate,
        by: Generation,
        key: PublicKey,
        keep: Keep,
        *,
        renews: IssuedCertificate | None = None,
        supersede: bool = False,
    ) -> None:
        now = self._clock.now()
        row = {
            "serial": domain.serial_text(certificate.serial_number),
            "thumbprint": domain.thumbprint(certificate),
            "profile": order.profile.value,
            "key": domain.key_name(key),
            "common_name": order.common_name,
            "iin": order.iin,
            "bin": order.bin,
            "oddities": json.dumps(order.oddity.words),
            "not_before": order.not_before,
            "not_after": order.not_after,
            "issued_at": now,
            "der": domain.der_of(certificate),
            "generation": by.number,
            "renews": renews and renews.serial,
        }
        async with self.db.begin() as conn:
            if renews is not None:
                await self._end_or_leave(conn, renews.serial, supersede)
            issued = await store.add_certificate(conn, row)
            # The audit names no person: the serial number leads to the certificate.
            named = ("serial", "thumbprint", "profile", "key", *(("renews",) if renews else ()))
            facts = {name: row[name] for name in named}
            await self._audit(conn, "certificate.issued", **facts, oddities=list(order.oddity.words))
            await keep(conn, issued)

    async def _enter_servers(self, conn: AsyncConnection) -> None:
        """What was issued before there was a register, into the register: it can be looked up and revoked there."""
        if self._settings.servers_file is not None:
            for facts in await servers.enter(conn, self._settings.servers_file, self._clock.now()):
                await self._audit(conn, "certificate.entered", **facts)

    # --- revoking

    async def revoke(self, serial: str, reason: Reason, keep: Keep) -> None:
        """On the list from now on; `certificateHold` can be released again, every other reason is final."""
        await self._move(serial, reason.event, reason, keep)

    async def release(self, serial: str, keep: Keep) -> None:
        """Takes a certificate on hold off the list."""
        await self._move(serial, Event.RELEASE, None, keep)

    async def _move(self, serial: str, event: Event, reason: Reason | None, keep: Keep) -> None:
        async with self.db.begin() as conn:
            await self._move_in(conn, serial, event, reason)
            await keep(conn, await self._known(conn, serial))

    async def _move_in(self, conn: AsyncConnection, serial: str, event: Event, reason: Reason | None) -> None:
        # First of all: two revocations make two lists, in order.
        number = await store.lock_authority(conn, ISSUING) + 1
        await self.keys.catch_up(conn)
        old = await self._known(conn, serial)
        state = domain.TRANSITIONS.get((old.state, event))
        if state is None:
            raise EgovError("nuc.state_forbids", state=old.state.value, event=event.value)
        # A hold made final keeps its date: what was signed during the hold stays refused.
        listed_at = None if state is State.GOOD else old.listed_at or whole(self._clock.now())
        if not await store.move_certificate(conn, old, state, listed_at, reason, changed_in=number):
            raise EgovError("service.unavailable", waiting_for="database")
        why = reason.value if reason else None
        await self._audit(conn, f"certificate.{event}", serial=old.serial, state=state.value, reason=why)
        await self.lists.publish_change(conn)

    async def _end_or_leave(self, conn: AsyncConnection, serial: str, supersede: bool) -> None:
        """What becomes of a certificate that is renewed; only a good one can be."""
        if supersede:
            await self._move_in(conn, serial, Event.REVOKE, Reason.SUPERSEDED)
            return
        old = await self._known(conn, serial)
        if old.state is not State.GOOD:
            raise EgovError("nuc.state_forbids", state=old.state.value, event="renew")

    async def _known(self, conn: AsyncConnection, serial: str) -> IssuedCertificate:
        found = await store.certificate(conn, serial.lower())
        if found is None:
            raise EgovError("nuc.certificate_unknown", serial=serial)
        return found

    # --- looking up

    async def certificate(self, serial: str) -> IssuedCertificate:
        async with self.db.read() as conn:
            found = await self._known(conn, serial)
            await self.keys.catch_up(conn)  # its chain may be of a key that another process has made
            return found

    async def certificates(self, wanted: Search, *, after: int, limit: int) -> list[IssuedCertificate]:
        async with self.db.read() as conn:
            return await store.search_certificates(conn, wanted, after=after, limit=limit)
