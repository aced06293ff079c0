"""The authority's keys: root, every generation of the issuing authority, and who answers and stamps in their names."""

import asyncio

from sqlalchemy.ext.asyncio import AsyncConnection

from egovkit.clock import Clock
from egovkit.db import Database
from egovkit.errors import EgovError
from egovkit.ids import Ids
from nuc_mock import domain, servers, store
from nuc_mock.domain import KeyKind
from nuc_mock.service.wanted import BuildService, Generation, whole
from nuc_mock.settings import Settings
from nuc_mock.store import ISSUING, ROOT, Authorities, KeyFiles


class Keyring:
    """Opened once; what another process makes meanwhile is taken up by `catch_up`."""

    def __init__(self, settings: Settings, db: Database, clock: Clock, ids: Ids) -> None:
        self._settings, self._db, self._clock, self._ids = settings, db, clock, ids
        self._files = KeyFiles(settings.authority_dir, settings.keystore_password_file, lambda: ids.token(8))
        self._authorities: Authorities | None = None
        self._generations: dict[int, Generation] = {}

    # --- life

    def load(self) -> None:
        """Loads or makes the authorities, and the services of the first. Blocking. AuthorityUnusable, EgovError of
        `KeyFile`."""
        first_start = not self._files.path_of(ROOT).exists()
        store.load_or_make_secret(
            self._settings.keystore_password_file,
            self._ids.token,
            may_make=self._settings.makes_password and first_start,
        )
        self._files.encrypt_open()
        given = servers.given_authorities(self._settings)
        authorities = self._files.authorities(lambda: given or servers.make_authorities(self._settings, self._ids))
        if given is not None and self._settings.servers_file is not None:
            store.check_same_authority(authorities, given)
        first = self._with_services(1, authorities.issuing)
        self._authorities, self._generations = authorities, {1: first}

    async def bind(self, conn: AsyncConnection) -> None:
        """The database and the key files belong together. AuthorityUnusable."""
        for name in (ROOT, ISSUING):
            await store.bind_authority(conn, name, domain.thumbprint(self.authorities.by_name(name).certificate))
        await self.catch_up(conn)

    async def catch_up(self, conn: AsyncConnection) -> None:
        """Another process may have made a new key."""
        later = await store.later_generations(conn)
        for number in sorted(later.keys() - self._generations.keys()):
            path = self._files.path_of(_name("issuing", number))
            if not path.exists():
                raise store.AuthorityUnusable(f"the key file {path} is missing")
            found = await asyncio.to_thread(self._generation, number)
            if domain.thumbprint(found.issuing.certificate) != later[number]:
                raise store.AuthorityUnusable(f"{path} is not the key the database knows")
            self.take(found)

    # --- whose

    @property
    def opened(self) -> bool:
        return self._authorities is not None

    @property
    def authorities(self) -> Authorities:
        if self._authorities is None:
            raise EgovError("service.unavailable", waiting_for="authority")
        return self._authorities

    @property
    def all(self) -> dict[int, Generation]:
        """By number, as far as they are known here; empty before the start."""
        return self._generations

    @property
    def newest(self) -> Generation:
        if not self._generations:
            raise EgovError("service.unavailable", waiting_for="authority")
        return self._generations[max(self._generations)]

    async def current(self) -> Generation:
        """The key that signs now, also if another process has made it."""
        async with self._db.read() as conn:
            await self.catch_up(conn)
        return self.newest

    async def generation(self, number: int) -> Generation:
        """EgovError nuc.generation_unknown."""
        async with self._db.read() as conn:
            await self.catch_up(conn)
        if number not in self._generations:
            raise EgovError("nuc.generation_unknown", generation=number)
        return self._generations[number]

    # --- making

    async def add_next(self, conn: AsyncConnection) -> Generation:
        """A new key of the issuing authority, in the caller's transaction, which must hold the authority's row; `take`
        it when that is committed."""
        await self.catch_up(conn)
        number = self.newest.number + 1
        made = await asyncio.to_thread(self._generation, number)
        thumbprint = domain.thumbprint(made.issuing.certificate)
        await store.add_generation(conn, number, thumbprint, whole(self._clock.now()))
        return made

    def take(self, made: Generation) -> None:
        self._generations = {**self._generations, made.number: made}

    def addresses(self, generation: int) -> domain.Addresses:
        return servers.addresses_of(self._settings, generation)

    def serial(self) -> int:
        return domain.serial_from(self._ids.token())

    def _generation(self, number: int) -> Generation:
        """From its files, or made anew. Blocking."""
        return self._with_services(number, self._files.service(_name("issuing", number), self._make_issuing))

    def _make_issuing(self) -> domain.Authority:
        key = domain.new_authority_key(KeyKind(self._settings.authority_key))
        at = servers.addresses_of_root(self._settings)
        return domain.Authority(domain.build_issuing(self.authorities.root, key, self.serial(), at), key)

    def _with_services(self, number: int, issuing: domain.Authority) -> Generation:
        def service(name: str, build: BuildService) -> domain.Authority:
            def make() -> domain.Authority:
                key = domain.new_authority_key(KeyKind(self._settings.authority_key))
                return domain.Authority(build(issuing, key, self.serial(), self.addresses(number)), key)

            return self._files.service(_name(name, number), make)

        responder, stamper = service("ocsp", domain.build_responder), service("tsa", domain.build_stamper)
        return Generation(number, issuing, responder, stamper)


def _name(service: str, number: int) -> str:
    return service if number == 1 else f"{service}-{number}"
