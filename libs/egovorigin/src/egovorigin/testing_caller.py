"""Somebody at the calls of an origin under test: what a citizen at the portal and an operator at a counter do alike."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import httpx

from egovkit.signatures.cms import sign_cms
from egovkit.signatures.keys import SigningKey, der
from egovorigin.testing import PDF, World, b64


@dataclass
class Caller:
    """A person with an ЭЦП; every call gets its own Idempotency-Key."""

    world: World
    iin: str
    key: SigningKey
    token: str = ""
    calls: int = 0

    def headers(self, **more: str) -> dict[str, str]:
        self.calls += 1
        auth = {"authorization": f"Bearer {self.token}"} if self.token else {}
        return {**auth, "idempotency-key": f"{self.iin}-{self.calls}", **more}

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.world.http.get(path, headers=self.headers(), params=params)

    async def post(self, path: str, body: Any = None, key: str | None = None) -> httpx.Response:
        headers = self.headers(**({"idempotency-key": key} if key else {}))
        return await self.world.http.post(path, headers=headers, json=body)

    async def put(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return await self.world.http.put(path, headers=self.headers(**headers), json=body)

    async def attach(
        self, case: str, name: str = "copy.pdf", content: bytes = PDF, type_: str = "application/pdf"
    ) -> httpx.Response:
        path = f"/v1/cases/{case}/attachments/{name}"
        return await self.world.http.put(path, headers=self.headers(**{"content-type": type_}), content=content)

    def certificate(self, key: SigningKey | None = None) -> str:
        return b64(der((key or self.key).certificate))

    def sign(self, document: bytes, key: SigningKey | None = None) -> str:
        return b64(sign_cms(document, key or self.key, self.world.clock.now()))

    async def prepare(self, case: str, key: SigningKey | None = None) -> httpx.Response:
        return await self.post(f"/v1/cases/{case}/prepare", {"certificate": self.certificate(key)})

    async def prepared(self, case: str) -> bytes:
        answer = await self.prepare(case)
        assert answer.status_code == 200, answer.text
        return base64.b64decode(answer.json()["document"])

    async def submit(self, case: str, signature: str, key: str | None = None) -> httpx.Response:
        return await self.post(f"/v1/cases/{case}/submit", {"signature": signature}, key)

    async def page(self, case: str) -> dict[str, Any]:
        answer = await self.get(f"/v1/cases/{case}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def history(self, case: str) -> list[dict[str, Any]]:
        return list((await self.get(f"/v1/cases/{case}/history", limit=100)).json()["items"])
