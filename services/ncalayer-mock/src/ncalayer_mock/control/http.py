"""The control API: keys in and out, questions answered. For who holds the token; no page can call it.

GET    /v1/agent                     where it listens, how it answers by itself, how many keys
PUT    /v1/agent/standing            ask, confirm or cancel from now on
GET    /v1/keys, POST /v1/keys       keys; one more, from a PKCS#12 file and its password
DELETE /v1/keys/{thumbprint}
GET    /v1/questions                 what waits for the person, with the keys that fit
POST   /v1/questions/{id}/confirm    sign, with this key
POST   /v1/questions/{id}/cancel     the person closes the window
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Path, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, ConfigDict, Field

from egovkit.declared import bearer, guards, refuses
from egovkit.errors import EgovError
from egovkit.routes import Routes
from ncalayer_mock.domain.choosing import STORAGES, Card
from ncalayer_mock.service.desk import Desk, Document, KeyUnknown, NoQuestion, Standing
from ncalayer_mock.store import KeyUnusable

_bearer = HTTPBearer(auto_error=False)
PERSON = bearer(
    "person",
    "opaque",
    en="The agent's own token: whoever holds it signs.",
    ru="Токен агента: подписывает тот, кто им владеет.",
    kk="Агенттің токені: оған ие адам қол қояды.",
)
Thumbprint = Annotated[str, Path(pattern="^[A-Za-z0-9_-]{43}$", description="x5t#S256")]
QuestionId = Annotated[str, Path(max_length=64)]


class Model(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class NewKey(Model):
    pkcs12: str = Field(max_length=64_000, description="base64")
    password: str = Field(max_length=256)
    name: str = Field(default="key.p12", min_length=1, max_length=100, description="as it is shown in the choice")
    storage: str = Field(default="PKCS12", pattern=f"^({'|'.join(STORAGES)})$")


class Choice(Model):
    key: str | None = Field(default=None, description="thumbprint; without it the only one that fits")


class NewStanding(Model):
    standing: Annotated[Standing, Field(strict=False)]


class KeyOut(BaseModel):
    thumbprint: str
    storage: str
    name: str
    subject_cn: str
    iin: str | None
    bin: str | None
    serial: str = Field(description="hexadecimal")
    ekus: list[str]
    not_before: datetime
    not_after: datetime

    @staticmethod
    def of(card: Card) -> KeyOut:
        plain = {name: getattr(card, name) for name in KeyOut.model_fields}
        return KeyOut(**{**plain, "serial": format(card.serial, "x"), "ekus": sorted(card.ekus)})


class QuestionOut(BaseModel):
    id: str
    asked_at: datetime
    origin: str | None
    method: str
    documents: list[Document]
    keys: list[KeyOut] = Field(description="that fit")


class AgentOut(BaseModel):
    address: str
    standing: Standing
    keys: int


def control_routes(desk: Desk, token: Callable[[], str], address: Callable[[], str]) -> Routes:
    router = Routes(prefix="/v1", tags=["person"], dependencies=[Depends(_guard(token))])

    @router.get("/agent")
    async def about() -> AgentOut:
        return AgentOut(address=address(), standing=desk.standing, keys=len(desk.ring.cards))

    @router.put("/agent/standing")
    async def stand(new: NewStanding) -> AgentOut:
        desk.standing = new.standing
        return await about()

    _add_keys(router, desk)
    _add_questions(router, desk)
    return router


def _guard(token: Callable[[], str]) -> Callable[..., Awaitable[None]]:
    @guards(PERSON, "agent.not_authorised")
    async def holder(given: Annotated[HTTPAuthorizationCredentials | None, Security(_bearer)]) -> None:
        if given is None or not hmac.compare_digest(given.credentials.encode(), token().encode()):
            raise EgovError("agent.not_authorised")

    return holder


def _add_keys(router: Routes, desk: Desk) -> None:
    @router.get("/keys")
    async def list_keys() -> list[KeyOut]:
        return [KeyOut.of(card) for card in desk.ring.cards]

    @router.post("/keys", status_code=201)
    @refuses("agent.key_unusable")
    async def add_key(new: NewKey) -> KeyOut:
        try:
            p12 = base64.b64decode(new.pkcs12, validate=True)
            made = await asyncio.to_thread(desk.ring.add, p12, new.password, name=new.name, storage=new.storage)
        except binascii.Error:
            raise EgovError("agent.key_unusable", reason="not_base64") from None
        except KeyUnusable as error:
            raise EgovError("agent.key_unusable", reason=error.reason, technical=str(error)) from None
        return KeyOut.of(made)

    @router.delete("/keys/{thumbprint}", status_code=204)
    @refuses("agent.key_unknown")
    async def remove_key(thumbprint: Thumbprint) -> None:
        if not desk.ring.remove(thumbprint):
            raise EgovError("agent.key_unknown")


def _add_questions(router: Routes, desk: Desk) -> None:
    @router.get("/questions")
    async def list_questions() -> list[QuestionOut]:
        one = desk.question
        if one is None:
            return []
        keys = [KeyOut.of(card) for card in desk.choice(one.id)]
        facts = {name: getattr(one, name) for name in ("id", "asked_at", "origin", "method")}
        return [QuestionOut(**facts, documents=list(one.documents), keys=keys)]

    @router.post("/questions/{question}/confirm")
    @refuses("agent.question_unknown", "agent.key_unknown")
    async def confirm(question: QuestionId, choice: Choice) -> KeyOut:
        try:
            return KeyOut.of(desk.confirm(question, choice.key))
        except NoQuestion:
            raise EgovError("agent.question_unknown") from None
        except KeyUnknown:
            raise EgovError("agent.key_unknown") from None

    @router.post("/questions/{question}/cancel", status_code=204)
    @refuses("agent.question_unknown")
    async def cancel(question: QuestionId) -> None:
        try:
            desk.cancel(question)
        except NoQuestion:
            raise EgovError("agent.question_unknown") from None
