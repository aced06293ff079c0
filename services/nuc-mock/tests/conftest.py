"""A twin of НУЦ in its own folder, started as `__main__` would start it, asked over HTTP without a socket."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509

from egovkit.clock import HandClock
from egovkit.signatures.certificates import TrustStore
from egovkit.signatures.keys import csr, new_private_key
from egovkit.testing.plugin import Migrated
from nuc_mock.app import create_app
from nuc_mock.settings import Settings

IIN, BIN = "991231600012", "999940000010"
PERSON = {"iin": IIN, "surname": "Әуезова", "name": "Қымбат", "patronymic": "Өмірқызы", "password": "Qwerty12"}


SYSTEM = {"profile": "system", "common_name": "portal-pep", "bin": BIN}


class Twin:
    """A running twin: `http` without rights, `admin` with the administrator's token."""

    def __init__(self, http: httpx.AsyncClient, admin: httpx.AsyncClient, settings: Settings, clock: HandClock) -> None:
        self.http, self.admin, self.settings, self.clock = http, admin, settings, clock

    async def person(self, path: str = "/v1/persons", **changes: Any) -> dict[str, Any]:
        answer = await self.admin.post(path, json={**PERSON, **changes})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def order(self, path: str = "/v1/certificates", **changes: Any) -> httpx.Response:
        request = csr(new_private_key(), "whatever the applicant wrote").decode()
        return await self.admin.post(path, json={"csr": request, **SYSTEM, **changes})

    async def trust(self) -> TrustStore:
        """What a service of the bus knows after it has fetched root, issuing authority and list."""
        files = [(await self.http.get(path)).content for path in ("/ca/root.cer", "/ca/issuing.cer", "/crl")]
        store = TrustStore(x509.load_der_x509_certificate(files[0]))
        store.add_intermediate(x509.load_der_x509_certificate(files[1]))
        store.load_crl(files[2], self.clock.now())
        return store

    async def revoke(self, serial: str, reason: str) -> httpx.Response:
        return await self.admin.post(f"/v1/certificates/{serial}/revoke", json={"reason": reason})


@asynccontextmanager
async def running(settings: Settings, clock: HandClock) -> AsyncIterator[Twin]:
    app = create_app(settings, clock=clock)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app)
        token = settings.admin_token_path.read_text().strip()
        headers = {"authorization": f"Bearer {token}"}
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://nuc") as http,
            httpx.AsyncClient(transport=transport, base_url="http://nuc", headers=headers) as admin,
        ):
            yield Twin(http, admin, settings, clock)


@pytest.fixture
def settings(tmp_path: Path, migrated: Migrated) -> Settings:
    migrated("nuc_mock", tmp_path / "nuc-mock.sqlite3")
    return Settings(home=tmp_path)


Start = Callable[[Settings], AbstractAsyncContextManager[Twin]]


@pytest.fixture
def start(clock: HandClock) -> Start:
    """Starts a twin with given settings: for tests that stop and start it again."""
    return lambda settings: running(settings, clock)


@pytest.fixture
async def twin(settings: Settings, clock: HandClock) -> AsyncIterator[Twin]:
    async with running(settings, clock) as one:
        yield one
