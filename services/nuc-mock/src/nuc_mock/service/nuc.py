"""What the authority does: one public method per use, one transaction each.

Budget: its uses share keys, lists and the order in which they lock; apart, each would have to be told of the others.
"""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.clock import Clock
from egovkit.db import Database
from egovkit.errors import EgovError, FieldError
from egovkit.ids import Ids
from egovkit.journal import Journal, JournalEntry
from egovkit.log import get_logger
from egovkit.sandbox.fault_names import AUTHORITY
from egovkit.sandbox.faults import Faults
from nuc_mock import domain, servers, store, tables
from nuc_mock.domain import CertificateOrder, Event, KeyKind, OddKeyKind, Profile, PublicKey, Reason, State
from nuc_mock.service.wanted import BuildService, Dates, Generation, Keep, Wanted, field_error, holder, renew_at, whole
from nuc_mock.settings import Settings
from nuc_mock.store import ISSUING, ROOT, Authorities, IssuedCertificate, PublishedList, Search

RETRY_SECONDS = 5.0  # after a failed renewal; half of a list's life is left to succeed

_log = get_logger("nuc_mock")


class Nuc:
    """The certification authority. `open` before use; `close` gives the database back."""

    def __init__(self, settings: Settings, db: Database, clock: Clock, ids: Ids, faults: Faults | None = None) -> None:
        self.db = db
        self._settings = settings
        self._clock = clock
        self._ids = ids
        self._faults = faults
        self._journal = Journal(tables.journal, settings.writer)
        self._authorities: Authorities | None = None
        self._generations: dict[int, Generation] = {}
        self._admin_token = ""
        self._closing = asyncio.Event()
        self._renewing: asyncio.Task[None] | None = None

    # --- life

    async def open(self) -> None:
        """Loads or makes the authorities, binds them to the database, and sees that there are lists."""
        token = self._ids.token(8)
        folder = self._settings.authority_dir
        authorities = await asyncio.to_thread(store.load_or_make_authorities, folder, self._make_authorities, token)
        if self._settings.servers_file is not None and self._settings.authority_file is not None:
            await asyncio.to_thread(store.check_same_authority, authorities, self._settings.authority_file)
        first = await asyncio.to_thread(self._with_services, 1, authorities.issuing)
        self._authorities, self._generations = authorities, {1: first}
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
            await self._catch_up(conn)
            await self._enter_servers(conn)
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

    # --- keys

    @property
    def newest(self) -> Generation:
        if not self._generations:
            raise EgovError("service.unavailable")
        return self._generations[max(self._generations)]

    def issuer(self, number: int) -> domain.Certificate:
        """Its certificate; of a key that has issued, so that it is known here."""
        return self._generations[number].issuing.certificate

    async def current(self) -> Generation:
        """The key that signs now, also if another process has made it."""
        async with self.db.read() as conn:
            await self._catch_up(conn)
        return self.newest

    async def generation(self, number: int) -> Generation:
        """EgovError nuc.generation_unknown."""
        async with self.db.read() as conn:
            await self._catch_up(conn)
        if number not in self._generations:
            raise EgovError("nuc.generation_unknown", generation=number)
        return self._generations[number]

    async def rotate(self, keep: Callable[[AsyncConnection, Generation], Awaitable[object]]) -> None:
        """A new key of the issuing authority, under its old name (RFC 5280, 4.2.1.1: the key identifier tells them
        apart). It signs what is issued from now on; lists and OCSP answers for what the older keys signed go on being
        signed by them, so that nobody has to know the new key to check an old certificate."""
        async with self.db.begin() as conn:
            await store.lock_authority(conn, ISSUING)
            await self._catch_up(conn)
            number = self.newest.number + 1
            made = await asyncio.to_thread(self._load_generation, number)
            thumbprint = domain.thumbprint(made.issuing.certificate)
            await store.add_generation(conn, number, thumbprint, whole(self._clock.now()))
            await self._audit(conn, "authority.rotated", generation=number, thumbprint=thumbprint)
            await self._publish(conn, ISSUING, [*self._generations.values(), made])
            await keep(conn, made)
        self._generations = {**self._generations, number: made}

    async def _catch_up(self, conn: AsyncConnection) -> None:
        """Another process may have made a new key."""
        later = await store.later_generations(conn)
        for number in sorted(later.keys() - self._generations.keys()):
            if not self._path("issuing", number).exists():
                raise store.AuthorityUnusable(f"the key file {self._path('issuing', number)} is missing")
            found = await asyncio.to_thread(self._load_generation, number)
            if domain.thumbprint(found.issuing.certificate) != later[number]:
                raise store.AuthorityUnusable(f"{self._path('issuing', number)} is not the key the database knows")
            self._generations = {**self._generations, number: found}

    def _load_generation(self, number: int) -> Generation:
        """From its files, or made anew. Blocking."""
        path, token = self._path("issuing", number), self._ids.token(8)
        return self._with_services(number, store.load_or_make_service(path, self._make_issuing, token))

    def _with_services(self, number: int, issuing: domain.Authority) -> Generation:
        def service(name: str, build: BuildService) -> domain.Authority:
            def make() -> domain.Authority:
                key = domain.new_authority_key(KeyKind(self._settings.authority_key))
                return domain.Authority(build(issuing, key, self._serial(), self._addresses(number)), key)

            return store.load_or_make_service(self._path(name, number), make, self._ids.token(8))

        responder, stamper = service("ocsp", domain.build_responder), service("tsa", domain.build_stamper)
        return Generation(number, issuing, responder, stamper)

    def _path(self, name: str, number: int) -> Path:
        return self._settings.authority_dir / (f"{name}.pem" if number == 1 else f"{name}-{number}.pem")

    # --- issuing

    async def issue_for_request(self, wanted: Wanted, pem: str, keep: Keep, *, any_key: bool = False) -> None:
        """A certificate for the key of a PKCS#10 request. `any_key` certifies odd keys as well, for testers."""
        key = self._requested_key(pem, any_key=any_key)
        order = self._order(wanted)
        by = await self.current()
        await self._record(order, await asyncio.to_thread(self._build, by, order, key), by, key, keep)

    async def renew(self, serial: str, pem: str, dates: Dates, keep: Keep, *, supersede: bool = False) -> None:
        """The same holder in the same role with a new key. The old certificate stays good until its end, so that both
        overlap; with `supersede` it is revoked by the same act."""
        old = await self.certificate(serial)
        key = self._requested_key(pem)
        if key == domain.key_of(old.der):
            raise EgovError("nuc.request_unusable", reason="used")
        order = self._order(Wanted(**holder(old), not_before=dates[0], not_after=dates[1]))
        by = await self.current()
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
        by = await self.current()
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
        return domain.build_certificate(by.issuing, key, order, self._serial(), self._addresses(by.number))

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
        await self._catch_up(conn)
        old = await self._known(conn, serial)
        state = domain.TRANSITIONS.get((old.state, event))
        if state is None:
            raise EgovError("nuc.state_forbids", state=old.state.value, event=event.value)
        # A hold made final keeps its date: what was signed during the hold stays refused.
        listed_at = None if state is State.GOOD else old.listed_at or whole(self._clock.now())
        if not await store.move_certificate(conn, old, state, listed_at, reason, changed_in=number):
            raise EgovError("service.unavailable")
        why = reason.value if reason else None
        await self._audit(conn, f"certificate.{event}", serial=old.serial, state=state.value, reason=why)
        await self._publish(conn, ISSUING, by_time=False)

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

    async def other_list(self, kind: str, number: int | None = None) -> bytes:
        """DER of the complete list ("crl") or of the changes ("delta") signed by one of the issuing authority's keys,
        without a number by today's. EgovError nuc.generation_unknown."""
        by = await self.current() if number is None else await self.generation(number)
        found: bytes | None = (await self.revocation_list(ISSUING)).der
        if kind == "delta" or by is not self.newest:
            async with self.db.read() as conn:
                found = await store.other_list(conn, f"{kind}-{by.number}")
        if found is None:
            raise EgovError("service.unavailable")
        return self._aged(found, by.issuing)

    async def root_list(self) -> bytes:
        """DER of the root's list."""
        return self._aged((await self.revocation_list(ROOT)).der, self.authorities.root)

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
                await self._publish(conn, name, until=whole(moment) + self._settings.crl_validity)

    # --- OCSP and time stamps

    async def ocsp(self, request: bytes) -> bytes:
        """The answer to an OCSP request, DER; also the refusals are answers."""
        if not self._generations:
            return domain.build_refusal("try_later")
        async with self.db.read() as conn:
            await self._catch_up(conn)
            issuers = {number: one.issuing.certificate for number, one in self._generations.items()}
            try:
                asked = domain.read_request(request, issuers)
            except domain.Refused as refused:
                return domain.build_refusal(refused.failure)
            known = await store.standings(conn, asked.serials, asked.generation)
        now, by = whole(self._clock.now()), self._generations[asked.generation]
        if self._fault("ocsp-try-later", "ocsp") is not None:
            return domain.build_refusal("try_later")
        signer = by.responder
        if self._fault("ocsp-wrong-signer", "ocsp") is not None:
            signer = self._strange_responder(by)
        if (late := self._fault("ocsp-stale", "ocsp")) is not None:
            now -= self._settings.ocsp_validity + timedelta(seconds=int(late["seconds"]))
        until = now + self._settings.ocsp_validity
        return domain.build_answer(signer, asked, known, now=now, until=until)

    def _strange_responder(self, by: Generation) -> domain.Authority:
        """Under the responder's name, by a key that only says to be the issuing authority's."""
        key, other = domain.new_authority_key(KeyKind.P256), domain.new_authority_key(KeyKind.P256)
        issuer = domain.Authority(by.issuing.certificate, other)
        return domain.Authority(domain.build_responder(issuer, key, self._serial(), self._addresses(by.number)), key)

    def _aged(self, der: bytes, issuer: domain.Authority) -> bytes:
        """The list as it is, or expired if a tester wants it so."""
        if (late := self._fault("crl-expired", "crl")) is None:
            return der
        until = whole(self._clock.now()) - timedelta(seconds=int(late["seconds"]))
        return domain.dated_crl(issuer, der, this_update=until - self._settings.crl_validity, next_update=until)

    def _fault(self, name: str, what: str) -> Mapping[str, Any] | None:
        """The parameters of a tester's fault that hits this time."""
        if self._faults is None:
            return None
        for rule in self._faults.at(AUTHORITY):
            if rule.spec.name == name and rule.takes():
                self._faults.told(rule, what)
                return rule.parameters
        return None

    async def stamp(self, query: bytes) -> bytes:
        """The reply to a time stamp query, DER; also a rejection is a reply."""
        now = whole(self._clock.now())
        try:
            if not self._generations:
                raise domain.Rejected("system_failure", "not started yet")
            asked = domain.read_query(query)
            if self._fault("stamp-refused", "tsp") is not None:
                raise domain.Rejected("system_failure", "a tester wants it so")
        except domain.Rejected as rejected:
            return domain.build_rejection(rejected)
        async with self.db.begin() as conn:
            await self._catch_up(conn)
            serial = await store.add_stamp(conn, now, asked.digest, asked.hashed)
        by = self.newest
        return await domain.build_stamp(
            by.stamper, [by.stamper.certificate, by.issuing.certificate], asked, serial, now
        )

    async def _keep_lists_fresh(self) -> None:
        """Renews each list at half of its life, until `close`."""
        while not self._closing.is_set():
            try:
                due = min(renew_at(one) for one in (await self.renew_lists()).values())
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

    async def _publish(
        self,
        conn: AsyncConnection,
        name: str,
        generations: Sequence[Generation] | None = None,
        *,
        until: datetime | None = None,
        by_time: bool = True,
    ) -> PublishedList:
        """A new list in the caller's transaction, which must hold the authority's row; of the issuing authority also
        the changes, and both by each of its keys. `generations`: with a new key among them."""
        number = await store.lock_authority(conn, name) + 1
        now = whole(self._clock.now())
        until = until or now + self._settings.crl_validity
        span: dict[str, Any] = {"number": number, "this_update": now, "next_update": until}
        last, before = await store.bases(conn, name)
        if by_time:
            last, before = number, last or number
        if generations is not None:
            last = before = number  # the new key has signed no list that its changes could start from
        listed: Sequence[domain.ListedCertificate] = ()
        if name == ROOT:
            der = await asyncio.to_thread(domain.build_crl, self.authorities.root, listed, **span)
        else:
            listed = await store.listed_certificates(conn)
            changed = await store.changes(conn, before, now)
            if generations is None:
                await self._catch_up(conn)
                generations = list(self._generations.values())
            made = await asyncio.to_thread(self._build_lists, generations, listed, changed, before, span)
            der = made.pop(f"crl-{max(one.number for one in generations)}")
            for other, content in made.items():
                await store.put_other_list(conn, other, content)
        published = PublishedList(number, der, domain.sha256_hex(der), now, until)
        await store.publish_list(conn, name, published, (last, before))
        facts = {"authority": name, "number": number, "entries": len(listed), "sha256": published.sha256}
        await self._audit(conn, "list.published", **facts)
        return published

    def _build_lists(
        self,
        generations: Sequence[Generation],
        listed: Sequence[domain.ListedCertificate],
        changed: Sequence[domain.ListedCertificate],
        base: int,
        span: Mapping[str, Any],
    ) -> dict[str, bytes]:
        made = {}
        for one in generations:
            at = self._addresses(one.number).delta
            made[f"crl-{one.number}"] = domain.build_crl(one.issuing, listed, **span, delta_at=at)
            made[f"delta-{one.number}"] = domain.build_crl(one.issuing, changed, **span, base=base)
        return made

    def _is_fresh(self, published: PublishedList) -> bool:
        # A list "from the future" is left behind when a sandbox with a moved clock is started anew.
        return published.this_update <= self._clock.now() < renew_at(published)

    async def _audit(self, conn: AsyncConnection, action: str, **facts: object) -> None:
        body = {"action": action, **facts}
        await self._journal.append(conn, [JournalEntry("admin", self._clock.now(), None, body)])

    # --- making

    def _addresses(self, generation: int) -> domain.Addresses:
        return servers.addresses_of(self._settings, generation)

    def _make_issuing(self) -> domain.Authority:
        key = domain.new_authority_key(KeyKind(self._settings.authority_key))
        at = servers.addresses_of_root(self._settings)
        return domain.Authority(domain.build_issuing(self.authorities.root, key, self._serial(), at), key)

    def _serial(self) -> int:
        return domain.serial_from(self._ids.token())

    def _make_authorities(self) -> Authorities:
        if self._settings.authority_file is not None:
            return store.authorities_of(self._settings.authority_file)
        return servers.make_authorities(self._settings, self._ids)
