"""What the authority does: one public method per use, one transaction each."""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.clock import Clock
from egovkit.db import Database
from egovkit.errors import EgovError, FieldError
from egovkit.ids import Ids
from egovkit.journal import Journal, JournalEntry
from egovkit.log import get_logger
from nuc_mock import domain, store, tables
from nuc_mock.domain import CertificateOrder, Event, KeyKind, Oddity, OddKeyKind, Profile, PublicKey, Reason, State
from nuc_mock.settings import Settings
from nuc_mock.store import ISSUING, ROOT, Authorities, IssuedCertificate, PublishedList, Search

BACKDATE = timedelta(minutes=1)  # clocks of two systems differ: a certificate is good the moment it arrives
RETRY_SECONDS = 5.0  # after a failed renewal; half of a list's life is left to succeed

_log = get_logger("nuc_mock")

# Called inside the transaction of an issue, with what was issued: the edge keeps its answer there.
Keep = Callable[[AsyncConnection, IssuedCertificate], Awaitable[object]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A certificate somebody asks for. Dates that are left out follow from the profile and the clock."""

    profile: Profile
    common_name: str
    iin: str | None = None
    bin: str | None = None
    surname: str | None = None
    patronymic: str | None = None
    organisation: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    oddity: Oddity = field(default=domain.ORDINARY)


class Nuc:
    """The certification authority. `open` before use; `close` gives the database back."""

    def __init__(self, settings: Settings, db: Database, clock: Clock, ids: Ids) -> None:
        self.db = db
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._journal = Journal(tables.journal, settings.writer)
        self._authorities: Authorities | None = None
        self._responder: domain.Authority | None = None
        self._stamper: domain.Authority | None = None
        self._admin_token = ""
        self._closing = asyncio.Event()
        self._renewing: asyncio.Task[None] | None = None

    # --- life

    async def open(self) -> None:
        """Loads or makes the authorities, binds them to the database, and sees that there are lists."""
        token = self._ids.token(8)
        folder = self._settings.authority_dir
        self._authorities = await asyncio.to_thread(
            store.load_or_make_authorities, folder, self._make_authorities, token
        )
        for name, make in (("ocsp", self._make_responder), ("tsa", self._make_stamper)):
            made = await asyncio.to_thread(store.load_or_make_service, folder / f"{name}.pem", make, token)
            if name == "ocsp":
                self._responder = made
            else:
                self._stamper = made
        self._admin_token = await asyncio.to_thread(
            store.load_or_make_token,
            self._settings.admin_token_path,
            self._ids.token,
            may_make=self._settings.admin_token_file is None,
        )
        async with self.db.begin() as conn:
            for name in (ROOT, ISSUING):
                certificate = self.authorities.by_name(name).certificate
                await store.bind_authority(conn, name, domain.thumbprint(certificate))
        await self.renew_lists()
        self._renewing = asyncio.create_task(self._keep_lists_fresh())

    async def close(self) -> None:
        self._closing.set()
        if self._renewing is not None:
            await self._renewing
        await self.db.close()

    @property
    def authorities(self) -> Authorities:
        if self._authorities is None:
            raise EgovError("service.unavailable")
        return self._authorities

    async def waiting_for(self) -> str | None:
        """For /health/ready: what is missing before certificates can be issued."""
        return "authority" if self._authorities is None else None

    def is_admin(self, token: str) -> bool:
        known = self._admin_token
        return bool(known) and hmac.compare_digest(token.encode(), known.encode())

    # --- issuing

    async def issue_for_request(self, wanted: Wanted, pem: str, keep: Keep, *, any_key: bool = False) -> None:
        """A certificate for the key of a PKCS#10 request. `any_key` certifies odd keys as well, for testers."""
        try:
            key = domain.requested_key(pem)
        except domain.UnusableRequest as error:
            raise EgovError("nuc.request_unusable", reason=str(error)) from None
        if not any_key and not domain.is_ordinary_key(key):
            raise EgovError("nuc.key_not_accepted", key=domain.key_name(key))
        order = self._order(wanted)
        await self._record(order, await asyncio.to_thread(self._build, order, key), key, keep)

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
        key, certificate, container = await asyncio.to_thread(self._build_container, order, kind, password)

        async def keep_all(conn: AsyncConnection, issued: IssuedCertificate) -> None:
            await keep(conn, issued, container)

        await self._record(order, certificate, key, keep_all)

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
            oddity=wanted.oddity,
        )
        errors = [_field_error(fault) for fault in domain.order_faults(order)] + ([also] if also else [])
        if errors:
            raise EgovError("request.invalid", errors=errors)
        return order

    def _validity(self, wanted: Wanted) -> tuple[datetime, datetime]:
        now = self._clock.now()
        system = wanted.profile is Profile.SYSTEM
        life = timedelta(days=self._settings.system_days if system else self._settings.person_days)
        begins, ends = wanted.not_before, wanted.not_after
        try:
            if begins is None:
                # An end in the past asks for an expired certificate: let it have lived its life.
                begins = ends - life if ends is not None and ends <= now else now - BACKDATE
            return _whole(begins), _whole(ends or begins + life)
        except OverflowError:  # a date at the edge of the calendar
            name = "not_before" if ends is None else "not_after"
            raise EgovError("request.invalid", errors=[FieldError(name, "out_of_range", "no such date")]) from None

    def _build(self, order: CertificateOrder, key: PublicKey) -> domain.Certificate:
        serial = self._serial()
        return domain.build_certificate(self.authorities.issuing, key, order, serial, self._addresses())

    def _build_container(
        self, order: CertificateOrder, kind: KeyKind | OddKeyKind, password: str
    ) -> tuple[PublicKey, domain.Certificate, bytes]:
        key = domain.new_key(kind)
        certificate = self._build(order, key.public_key())
        chain = [self.authorities.issuing.certificate]
        return key.public_key(), certificate, domain.build_container(key, certificate, chain, password)

    async def _record(
        self, order: CertificateOrder, certificate: domain.Certificate, key: PublicKey, keep: Keep
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
        }
        async with self.db.begin() as conn:
            issued = await store.add_certificate(conn, row)
            # The audit names no person: the serial number leads to the certificate.
            facts = {name: row[name] for name in ("serial", "thumbprint", "profile", "key")}
            await self._audit(conn, "certificate.issued", **facts, oddities=list(order.oddity.words))
            await keep(conn, issued)

    # --- revoking

    async def revoke(self, serial: str, reason: Reason, keep: Keep) -> None:
        """On the list from now on; `certificateHold` can be released again, every other reason is final."""
        await self._move(serial, reason.event, reason, keep)

    async def release(self, serial: str, keep: Keep) -> None:
        """Takes a certificate on hold off the list."""
        await self._move(serial, Event.RELEASE, None, keep)

    async def _move(self, serial: str, event: Event, reason: Reason | None, keep: Keep) -> None:
        async with self.db.begin() as conn:
            await store.lock_authority(conn, ISSUING)  # first of all: two revocations make two lists, in order
            old = await self._known(conn, serial)
            state = domain.TRANSITIONS.get((old.state, event))
            if state is None:
                raise EgovError("nuc.state_forbids", state=old.state.value, event=event.value)
            # A hold made final keeps its date: what was signed during the hold stays refused.
            listed_at = None if state is State.GOOD else old.listed_at or _whole(self._clock.now())
            if not await store.move_certificate(conn, old, state, listed_at, reason):
                raise EgovError("service.unavailable")
            why = reason.value if reason else None
            await self._audit(conn, f"certificate.{event}", serial=old.serial, state=state.value, reason=why)
            await self._publish(conn, ISSUING)
            await keep(conn, await self._known(conn, serial))

    async def _known(self, conn: AsyncConnection, serial: str) -> IssuedCertificate:
        found = await store.certificate(conn, serial.lower())
        if found is None:
            raise EgovError("nuc.certificate_unknown", serial=serial)
        return found

    # --- looking up

    async def certificate(self, serial: str) -> IssuedCertificate:
        async with self.db.read() as conn:
            return await self._known(conn, serial)

    async def certificates(self, wanted: Search, *, after: int, limit: int) -> list[IssuedCertificate]:
        async with self.db.read() as conn:
            return await store.search_certificates(conn, wanted, after=after, limit=limit)

    # --- revocation lists

    async def revocation_list(self, name: str) -> PublishedList:
        """The list to serve now: a stale one is renewed first, so that nobody is ever given an expired list."""
        async with self.db.read() as conn:
            published = await store.published_list(conn, name)
        if published is not None and self._is_fresh(published):
            return published
        return await self._renew(name)

    async def renew_lists(self, *, force: bool = False) -> dict[str, PublishedList]:
        """Both lists, new ones where due (or anyhow, with `force`: the sandbox has moved the clock)."""
        return {
            name: await (self._renew(name, force=True) if force else self.revocation_list(name))
            for name in (ROOT, ISSUING)
        }

    async def outlive(self, moment: datetime) -> None:
        """Lists that are good until after `moment`: the sandbox is about to move the clock there, and whoever
        checks a certificate right after it must not find the list it holds expired."""
        for name in (ROOT, ISSUING):
            async with self.db.begin() as conn:
                await store.lock_authority(conn, name)
                await self._publish(conn, name, until=_whole(moment) + self._settings.crl_validity)

    # --- OCSP and time stamps

    async def ocsp(self, request: bytes) -> bytes:
        """The answer to an OCSP request, DER; also the refusals are answers."""
        signer = self._responder
        if signer is None:
            return domain.build_refusal("try_later")
        try:
            asked = domain.read_request(request, self.authorities.issuing.certificate)
        except domain.Refused as refused:
            return domain.build_refusal(refused.failure)
        async with self.db.read() as conn:
            known = await store.standings(conn, asked.serials)
        now = _whole(self._clock.now())
        until = now + self._settings.ocsp_validity
        return domain.build_answer(signer, asked, known, now=now, until=until)

    async def stamp(self, query: bytes) -> bytes:
        """The reply to a time stamp query, DER; also a rejection is a reply."""
        signer, now = self._stamper, _whole(self._clock.now())
        try:
            if signer is None:
                raise domain.Rejected("system_failure", "not started yet")
            asked = domain.read_query(query)
        except domain.Rejected as rejected:
            return domain.build_rejection(rejected)
        async with self.db.begin() as conn:
            serial = await store.add_stamp(conn, now, asked.digest, asked.hashed)
        chain = [signer.certificate, self.authorities.issuing.certificate]
        return await domain.build_stamp(signer, chain, asked, serial, now)

    async def _keep_lists_fresh(self) -> None:
        """Renews each list at half of its life, until `close`."""
        while not self._closing.is_set():
            try:
                due = min(_renew_at(one) for one in (await self.renew_lists()).values())
                wait = max((due - self._clock.now()).total_seconds(), 1.0)
            except Exception as error:
                _log.error("nuc.renewal_failed", error=type(error).__name__)
                wait = RETRY_SECONDS
            await self._wait(wait)

    async def _wait(self, seconds: float) -> None:
        """Until the clock says so or the service closes. Closing must not cancel the renewal itself: a
        cancelled database call ends in other exceptions than CancelledError, and leaves its transaction open."""
        waits = [asyncio.ensure_future(one) for one in (self._clock.sleep(seconds), self._closing.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()

    async def _renew(self, name: str, *, force: bool = False) -> PublishedList:
        async with self.db.begin() as conn:
            await store.lock_authority(conn, name)
            published = await store.published_list(conn, name)
            if published is not None and not force and self._is_fresh(published):
                return published  # another process did it while we waited
            return await self._publish(conn, name)

    async def _publish(self, conn: AsyncConnection, name: str, *, until: datetime | None = None) -> PublishedList:
        """A new list in the caller's transaction, which must hold the authority's row."""
        number = await store.lock_authority(conn, name) + 1
        listed = await store.listed_certificates(conn) if name == ISSUING else ()
        now = _whole(self._clock.now())
        until = until or now + self._settings.crl_validity
        authority = self.authorities.by_name(name)
        der = await asyncio.to_thread(
            domain.build_crl, authority, listed, number=number, this_update=now, next_update=until
        )
        published = PublishedList(number, der, domain.sha256_hex(der), now, until)
        await store.publish_list(conn, name, published)
        facts = {"authority": name, "number": number, "entries": len(listed), "sha256": published.sha256}
        await self._audit(conn, "list.published", **facts)
        return published

    def _is_fresh(self, published: PublishedList) -> bool:
        # A list "from the future" is left behind when a sandbox with a moved clock is started anew.
        return published.this_update <= self._clock.now() < _renew_at(published)

    async def _audit(self, conn: AsyncConnection, action: str, **facts: object) -> None:
        body = {"action": action, **facts}
        await self._journal.append(conn, [JournalEntry("admin", self._clock.now(), None, body)])

    # --- making

    def _addresses(self) -> domain.Addresses:
        base = self._settings.base_url
        return domain.Addresses(crl=f"{base}/crl", issuer=f"{base}/ca/issuing.cer", ocsp=f"{base}/ocsp")

    def _make_responder(self) -> domain.Authority:
        key, serial = domain.new_authority_key(KeyKind(self._settings.authority_key)), self._serial()
        return domain.Authority(domain.build_responder(self.authorities.issuing, key, serial, self._addresses()), key)

    def _make_stamper(self) -> domain.Authority:
        key, serial = domain.new_authority_key(KeyKind(self._settings.authority_key)), self._serial()
        return domain.Authority(domain.build_stamper(self.authorities.issuing, key, serial, self._addresses()), key)

    def _serial(self) -> int:
        return domain.serial_from(self._ids.token())

    def _make_authorities(self) -> Authorities:
        kind, base = KeyKind(self._settings.authority_key), self._settings.base_url
        root_key, key = domain.new_authority_key(kind), domain.new_authority_key(kind)
        root = domain.Authority(domain.build_root(root_key, self._serial()), root_key)
        at = domain.Addresses(crl=f"{base}/crl/root", issuer=f"{base}/ca/root.cer")
        certificate = domain.build_issuing(root, key, self._serial(), at)
        return Authorities(root, domain.Authority(certificate, key))


def _renew_at(published: PublishedList) -> datetime:
    return published.this_update + (published.next_update - published.this_update) / 2


def _whole(moment: datetime) -> datetime:
    """X.509 knows whole seconds only."""
    return moment.replace(microsecond=0)


def _field_error(fault: domain.OrderFault) -> FieldError:
    limit = domain.LENGTHS.get(fault.field)
    return FieldError(fault.field, fault.reason, fault.reason.replace("_", " "), {"limit": limit} if limit else {})
