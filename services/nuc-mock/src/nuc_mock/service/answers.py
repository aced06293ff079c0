"""What the authority says about a certificate (OCSP) and about a moment (time stamps), to anybody who asks."""

from datetime import timedelta

from egovkit.clock import Clock
from egovkit.db import Database
from nuc_mock import domain, store
from nuc_mock.domain import KeyKind
from nuc_mock.service.keys import Keyring
from nuc_mock.service.wanted import Bends, Generation, whole


class Answers:
    """Refusals are answers too: nothing is raised for what was asked. `validity`: how long an OCSP answer is good."""

    def __init__(self, db: Database, keys: Keyring, clock: Clock, bends: Bends, *, validity: timedelta) -> None:
        self._db, self._keys, self._clock, self._bends = db, keys, clock, bends
        self._validity = validity

    async def ocsp(self, request: bytes) -> bytes:
        """The answer to an OCSP request, DER."""
        if not self._keys.all:
            return domain.build_refusal("try_later")
        async with self._db.read() as conn:
            await self._keys.catch_up(conn)
            issuers = {number: one.issuing.certificate for number, one in self._keys.all.items()}
            try:
                asked = domain.read_request(request, issuers)
            except domain.Refused as refused:
                return domain.build_refusal(refused.failure)
            known = await store.standings(conn, asked.serials, asked.generation)
        now, by = whole(self._clock.now()), self._keys.all[asked.generation]
        known |= {one.certificate.serial_number: domain.Standing() for one in (by.responder, by.stamper)}
        if self._bends.take("ocsp-try-later", "ocsp") is not None:
            return domain.build_refusal("try_later")
        signer = by.responder
        if self._bends.take("ocsp-wrong-signer", "ocsp") is not None:
            signer = self._strange_responder(by)
        if (late := self._bends.take("ocsp-stale", "ocsp")) is not None:
            now -= self._validity + timedelta(seconds=int(late["seconds"]))
        return domain.build_answer(signer, asked, known, now=now, until=now + self._validity)

    def _strange_responder(self, by: Generation) -> domain.Authority:
        """Under the responder's name, by a key that only says to be the issuing authority's."""
        key, other = domain.new_authority_key(KeyKind.P256), domain.new_authority_key(KeyKind.P256)
        issuer = domain.Authority(by.issuing.certificate, other)
        at = self._keys.addresses(by.number)
        return domain.Authority(domain.build_responder(issuer, key, self._keys.serial(), at), key)

    async def stamp(self, query: bytes) -> bytes:
        """The reply to a time stamp query, DER."""
        now = whole(self._clock.now())
        try:
            if not self._keys.all:
                raise domain.Rejected("system_failure", "not started yet")
            asked = domain.read_query(query)
            if self._bends.take("stamp-refused", "tsp") is not None:
                raise domain.Rejected("system_failure", "a tester wants it so")
        except domain.Rejected as rejected:
            return domain.build_rejection(rejected)
        async with self._db.begin() as conn:
            await self._keys.catch_up(conn)
            serial = await store.add_stamp(conn, now, asked.digest, asked.hashed)
        by = self._keys.newest
        return await domain.build_stamp(by.stamper, [by.issuing.certificate], asked, serial, now)
