"""The revocation lists: made with every change and in time, kept in the database, served as they are."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.clock import Clock
from egovkit.db import Database
from egovkit.errors import EgovError
from egovkit.log import get_logger
from nuc_mock import domain, store
from nuc_mock.service.keys import Keyring
from nuc_mock.service.wanted import Audit, Bends, Generation, renew_at, whole
from nuc_mock.store import ISSUING, ROOT, PublishedList

RETRY_SECONDS = 5.0  # after a failed renewal; half of a list's life is left to succeed

_log = get_logger("nuc_mock")


class Lists:
    """Both authorities' lists. `validity`: how long one is good."""

    def __init__(
        self, db: Database, keys: Keyring, clock: Clock, audit: Audit, bends: Bends, *, validity: timedelta
    ) -> None:
        self._db, self._keys, self._clock, self._audit, self._bends = db, keys, clock, audit, bends
        self._validity = validity
        self._closing = asyncio.Event()
        self._renewing: asyncio.Task[None] | None = None

    # --- serving

    async def of_root(self) -> bytes:
        """DER of the root's list."""
        return self._aged((await self._served(ROOT)).der, self._keys.authorities.root)

    async def of_issuing(self, kind: str, number: int | None = None) -> bytes:
        """DER of the complete list ("crl") or of the changes ("delta") signed by one of the issuing authority's keys,
        without a number by today's. EgovError nuc.generation_unknown."""
        # The list first: whoever has made it by a newer key is known by the time it is asked whose it is.
        found: bytes | None = (await self._served(ISSUING)).der
        by = await self._keys.current() if number is None else await self._keys.generation(number)
        if kind == "delta" or by.number != self._keys.newest.number:
            async with self._db.read() as conn:
                found = await store.other_list(conn, f"{kind}-{by.number}")
        if found is None:
            raise EgovError("service.unavailable", waiting_for="revocation_list")
        return self._aged(found, by.issuing)

    async def _served(self, name: str) -> PublishedList:
        """The list to serve now: a stale one is renewed first, so that nobody is ever given an expired list."""
        async with self._db.read() as conn:
            published = await store.published_list(conn, name)
        if published is not None and self._is_fresh(published):
            return published
        return await self._renew(name)

    def _aged(self, der: bytes, issuer: domain.Authority) -> bytes:
        """The list as it is, or expired if a tester wants it so."""
        if (late := self._bends.take("crl-expired", "crl")) is None:
            return der
        until = whole(self._clock.now()) - timedelta(seconds=int(late["seconds"]))
        return domain.dated_crl(issuer, der, this_update=until - self._validity, next_update=until)

    # --- in time

    async def open(self) -> None:
        """Sees that there are lists, and that they stay fresh until `close`."""
        await self.renew()
        self._renewing = asyncio.create_task(self._keep_fresh())

    async def close(self) -> None:
        self._closing.set()
        if self._renewing is not None:
            await self._renewing

    async def renew(self, *, force: bool = False) -> dict[str, PublishedList]:
        """Both lists, new ones where due (or anyhow, with `force`: the sandbox has moved the clock)."""
        return {
            name: await (self._renew(name, force=True) if force else self._served(name)) for name in (ROOT, ISSUING)
        }

    async def outlive(self, moment: datetime) -> None:
        """Lists that are good until after `moment`: the sandbox is about to move the clock there, and whoever
        checks a certificate right after it must not find the list it holds expired."""
        for name in (ROOT, ISSUING):
            async with self._db.begin() as conn:
                await store.lock_authority(conn, name)
                await self._publish(conn, name, until=whole(moment) + self._validity)

    async def _keep_fresh(self) -> None:
        """Renews each list at half of its life, until `close`."""
        while not self._closing.is_set():
            try:
                due = min(renew_at(one) for one in (await self.renew()).values())
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
        async with self._db.begin() as conn:
            await store.lock_authority(conn, name)
            published = await store.published_list(conn, name)
            if published is not None and not force and self._is_fresh(published):
                return published  # another process did it while we waited
            return await self._publish(conn, name)

    def _is_fresh(self, published: PublishedList) -> bool:
        # A list "from the future" is left behind when a sandbox with a moved clock is started anew.
        return published.this_update <= self._clock.now() < renew_at(published)

    # --- making

    async def publish_change(self, conn: AsyncConnection) -> None:
        """What became of a certificate, on the issuing authority's next list: in the caller's transaction, which must
        hold the authority's row."""
        await self._publish(conn, ISSUING, by_time=False)

    async def publish_with(self, conn: AsyncConnection, made: Generation) -> None:
        """Lists by a new key too, as above."""
        await self._publish(conn, ISSUING, [*self._keys.all.values(), made])

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
        until = until or now + self._validity
        span: dict[str, Any] = {"number": number, "this_update": now, "next_update": until}
        last, before = await store.bases(conn, name)
        if by_time:
            last, before = number, last or number
        if generations is not None:
            last = before = number  # the new key has signed no list that its changes could start from
        listed: Sequence[domain.ListedCertificate] = ()
        if name == ROOT:
            der = await asyncio.to_thread(domain.build_crl, self._keys.authorities.root, listed, **span)
        else:
            listed = await store.listed_certificates(conn)
            changed = await store.changes(conn, before, now)
            if generations is None:
                await self._keys.catch_up(conn)
                generations = list(self._keys.all.values())
            made = await asyncio.to_thread(self._build, generations, listed, changed, before, span)
            der = made.pop(f"crl-{max(one.number for one in generations)}")
            for other, content in made.items():
                await store.put_other_list(conn, other, content)
        published = PublishedList(number, der, domain.sha256_hex(der), now, until)
        await store.publish_list(conn, name, published, (last, before))
        facts = {"authority": name, "number": number, "entries": len(listed), "sha256": published.sha256}
        await self._audit(conn, "list.published", **facts)
        return published

    def _build(
        self,
        generations: Sequence[Generation],
        listed: Sequence[domain.ListedCertificate],
        changed: Sequence[domain.ListedCertificate],
        base: int,
        span: Mapping[str, Any],
    ) -> dict[str, bytes]:
        made = {}
        for one in generations:
            at = self._keys.addresses(one.number).delta
            made[f"crl-{one.number}"] = domain.build_crl(one.issuing, listed, **span, delta_at=at)
            made[f"delta-{one.number}"] = domain.build_crl(one.issuing, changed, **span, base=base)
        return made
