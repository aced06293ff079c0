"""Synthetic people who use the twin as real ones would: through the public HTTP, with their own keys.

No service ever sees a private key: the key store comes from nuc-mock, the signature is made here.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

import httpx

from egovkit.clock import SystemClock
from sandbox.bootstrap import RefusedByService, answer, bearer
from sandbox.composition import NUC, PORTAL

if TYPE_CHECKING:
    from egovkit.signatures.keys import SigningKey
    from sandbox.replay.scenario import Paper
    from sandbox.world import Deployment

KEYSTORE_PASSWORD = "Synthetic1"  # of a person who does not exist
FIRST_LOOK, LAST_LOOK = 0.05, 0.4  # seconds between two looks: people become slower to look again
PATIENCE_SECONDS = 60.0  # two gateways, four databases, on a busy machine
NAMES = {"surname": "СЫНАҚ", "name": "АЙГҮЛ"}


class GaveUp(Exception):
    """Somebody waited in vain; the message says for what, and what was seen last."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """A certificate in PEM, with the key that signs under it."""

    certificate: str
    key: SigningKey


@dataclass(slots=True)
class Person:
    """A person with a certificate of nuc-mock and a session of one service. `iin` is of the reserved range."""

    world: Deployment
    base: str
    iin: str
    password: str
    key: SigningKey
    certificate: str  # PEM
    serial: str
    token: str = ""
    login: str = ""  # of those who log in by one, and not by ИИН
    last: dict[str, Any] = field(default_factory=dict)
    at_login: asyncio.Lock = field(default_factory=asyncio.Lock)  # many at once of one person look like guessing

    async def call(self, method: str, path: str, **sent: Any) -> Any:
        """One call; the JSON of its answer, RefusedByService for a problem."""
        response = await self.send(method, path, **sent)
        return None if response.status_code == 204 else answer(response)

    async def send(self, method: str, path: str, **sent: Any) -> httpx.Response:
        """One call, whatever the answer. Unsafe calls carry an Idempotency-Key of their own."""
        headers = {"Accept-Language": "ru", **sent.pop("headers", {})}
        if self.token:
            headers |= bearer(self.token)
        if method not in ("GET", "HEAD"):
            headers.setdefault("Idempotency-Key", self.world.ids.new())
        return await self.world.http.request(method, f"{self.base}{path}", headers=headers, **sent)

    async def sign(self, document: bytes, key: SigningKey | None = None) -> str:
        """Detached CMS over the document, base64: what the person's signing agent would do."""
        from egovkit.signatures.cms import sign_cms

        signed = await asyncio.to_thread(sign_cms, document, key or self.key, self.world.clock.now())
        return base64.b64encode(signed).decode()

    async def log_in(self, **more: Any) -> None:
        who = {"login": self.login} if self.login else {"iin": self.iin}
        wanted = {**who, "password": self.password, **more}
        async with self.at_login:
            self.token = ""
            self.token = (await self.call("POST", "/v1/sessions", json=wanted))["token"]

    async def wait(self, path: str, what: str, arrived: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask again until `arrived` is satisfied with the answer. Patience is the machine's: the world's time may jump
        meanwhile."""
        machine = SystemClock()
        deadline, pause = machine.monotonic() + PATIENCE_SECONDS, FIRST_LOOK
        while True:
            seen: dict[str, Any] = await self.call("GET", path)
            if arrived(seen):
                return seen
            if machine.monotonic() > deadline:
                raise GaveUp(f"{what} did not come: {seen}")
            await self.world.clock.sleep(pause)
            pause = min(LAST_LOOK, pause * 1.5)


async def issue(world: Deployment, number: int, wanted: dict[str, Any], *, odd: bool = False) -> dict[str, Any]:
    """A person's container from nuc-mock; `odd` asks its control API, which bends the form."""
    from egovlaw.identifiers import synthetic_iin

    body = {"iin": synthetic_iin(number), "password": KEYSTORE_PASSWORD, "profile": "person_sign", **wanted}
    path = "/v1/control/persons" if odd else "/v1/persons"
    headers = bearer(world.admin_token(NUC))
    issued: dict[str, Any] = answer(await world.http.post(f"{world.url(NUC)}{path}", json=body, headers=headers))
    issued["iin"] = body["iin"]
    return issued


async def open_container(issued: dict[str, Any]) -> SigningKey:
    from egovkit.signatures.keys import SigningKey

    content = base64.b64decode(issued["pkcs12"])
    return await asyncio.to_thread(SigningKey.load, content, KEYSTORE_PASSWORD)


class Citizen(Person):
    """A consumer of the portal."""

    @classmethod
    async def issue(
        cls, world: Deployment, number: int, *, odd: dict[str, Any] | None = None, iin: str | None = None, **wanted: Any
    ) -> Self:
        """With a certificate; `wanted` goes to nuc-mock as it is, `odd` bends the certificate. `iin`: this very one."""
        body = {**NAMES, **wanted, **({"odd": odd} if odd else {}), **({"iin": iin} if iin else {})}
        issued = await issue(world, number, body, odd=odd is not None)
        key = await open_container(issued)
        password = f"Құпия-{world.ids.token(9)}"
        return cls(world, world.url(PORTAL), issued["iin"], password, key, issued["certificate"], issued["serial"])

    async def register(self, **more: Any) -> str:
        """The account's id. Shows no results until it is confirmed (E5)."""
        wanted = {"iin": self.iin, "password": self.password, **more}
        account = await self.call("POST", "/v1/accounts", json=wanted)
        return str(account["id"])

    async def confirm(self) -> None:
        """Show once, by ЭЦП, that the account is this person's."""
        prepared = await self.call("POST", "/v1/accounts/confirmation/prepare")
        signature = await self.sign(base64.b64decode(prepared["document"]))
        await self.call("POST", "/v1/accounts/confirmation", json={"signature": signature})

    async def settle_in(self, **more: Any) -> str:
        """Registered, confirmed and logged in."""
        account = await self.register(**more)
        await self.log_in()
        await self.confirm()
        return account

    async def choose(self, regulation: str) -> str:
        """Choose a service; the case's id."""
        return str((await self.call("POST", "/v1/cases", json={"regulation": regulation}))["id"])

    async def fill(self, case: str, form: dict[str, Any], papers: tuple[Paper, ...] = ()) -> None:
        """The form's values and the copies of documents."""
        seen = {"If-Match": f'"{(await self.case(case))["form_version"]}"'}
        await self.call("PUT", f"/v1/cases/{case}/form", json={"values": form}, headers=seen)
        for paper in papers:
            await self.attach(case, paper.name, paper.media_type, paper.content())

    async def attach(self, case: str, name: str, media_type: str, content: bytes) -> None:
        path = f"/v1/cases/{case}/attachments/{name}"
        await self.call("PUT", path, content=content, headers={"Content-Type": media_type})

    async def prepare(self, case: str, certificate: str | None = None) -> bytes:
        """The bytes to sign, after the portal checked the certificate."""
        body = {"certificate": certificate or self.certificate}
        prepared = await self.call("POST", f"/v1/cases/{case}/prepare", json=body)
        return base64.b64decode(prepared["document"])

    async def sign_in_vain(self, case: str, chosen: Keyed) -> dict[str, Any]:
        """With a certificate the portal has to refuse, before the signature or after it, as the act has it; the
        problem it tells."""
        body = {"certificate": chosen.certificate}
        answered = await self.send("POST", f"/v1/cases/{case}/prepare", json=body)
        if not answered.is_error:
            signature = await self.sign(base64.b64decode(answered.json()["document"]), chosen.key)
            answered = await self.send("POST", f"/v1/cases/{case}/submit", json={"signature": signature})
        if not answered.is_error:
            raise GaveUp(f"the portal took a certificate it had to refuse: {answered.text[:200]}")
        problem: dict[str, Any] = answered.json()
        return problem

    async def old_certificate(self, ago: timedelta) -> Keyed:
        """Another certificate of this person's that expired so long ago."""
        now = self.world.clock.now()
        dates = {"not_before": now - ago - timedelta(days=365), "not_after": now - ago}
        return await self.another_certificate(**{name: moment.isoformat() for name, moment in dates.items()})

    async def another_certificate(self, **wanted: Any) -> Keyed:
        """Another certificate of this person's; `wanted` goes to nuc-mock as it is."""
        body = {"iin": self.iin, **NAMES, "password": KEYSTORE_PASSWORD, **wanted}
        url = f"{self.world.url(NUC)}/v1/persons"
        issued = answer(await self.world.http.post(url, json=body, headers=bearer(self.world.admin_token(NUC))))
        return Keyed(str(issued["certificate"]), await open_container(issued))

    async def log_in_wrongly(self, **more: Any) -> dict[str, Any]:
        """With a wrong password; the problem the portal tells."""
        wrong = {"iin": self.iin, "password": f"қате-{self.password}", **more}
        answered = await self.send("POST", "/v1/sessions", json=wrong)
        if not answered.is_error:
            raise GaveUp("the portal let somebody in with a wrong password")
        problem: dict[str, Any] = answered.json()
        return problem

    async def submit(self, case: str, document: bytes) -> dict[str, Any]:
        """Sign and send."""
        body = {"signature": await self.sign(document)}
        sent: dict[str, Any] = await self.call("POST", f"/v1/cases/{case}/submit", json=body)
        return sent

    async def apply(self, regulation: str, form: dict[str, Any], papers: tuple[Paper, ...] = ()) -> str:
        """The whole way from the choice of the service to the sent application; the case's id."""
        case = await self.choose(regulation)
        await self.fill(case, form, papers)
        await self.submit(case, await self.prepare(case))
        return case

    async def case(self, case: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.call("GET", f"/v1/cases/{case}")
        return found

    async def until(self, case: str, *states: str) -> dict[str, Any]:
        """Until the portal shows one of these states."""
        return await self.wait(f"/v1/cases/{case}", " or ".join(states), lambda seen: seen["status"]["code"] in states)

    async def until_told(self, case: str, status: str) -> dict[str, Any]:
        """Until the portal shows the owner's own word of where the case is."""
        return await self.wait(
            f"/v1/cases/{case}", status, lambda seen: (seen["status"]["owner"] or {}).get("status") == status
        )

    async def keep_page(self, case: str) -> bytes:
        """The result's PDF, as the portal gives it to be saved."""
        page = await self.send("GET", f"/v1/cases/{case}/result.pdf")
        if page.is_error:
            answer(page)
        return page.content

    async def verify(self, pdf: bytes) -> dict[str, Any]:
        """What the portal tells anybody who holds this PDF."""
        told: dict[str, Any] = await self.call(
            "POST", "/v1/verify/pdf", content=pdf, headers={"Content-Type": "application/pdf"}
        )
        return told

    async def who_read_my_data(self, silent: Collection[str] = ()) -> dict[str, Any]:
        """Ask every register, and wait for all their answers but of those that are known to be `silent`."""
        await self.call("POST", "/v1/data-reads")
        return await self.wait(
            "/v1/data-reads?limit=100", "the registers' answers", lambda seen: _answered(seen, silent)
        )


def _answered(seen: dict[str, Any], silent: Collection[str]) -> bool:
    states = {one["holder"]["code"]: one["state"] for one in seen["registers"]}
    return all(state != "waiting" for code, state in states.items() if code not in silent)


__all__ = ["Citizen", "GaveUp", "Person", "RefusedByService"]
