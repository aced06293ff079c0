"""An agent of two persons' keys, spoken to without a socket; and one that listens."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from egovkit.clock import HandClock
from egovkit.signatures.keys import SigningKey
from egovkit.testing.pki import TestPki
from ncalayer_mock.app import Agent, create_agent
from ncalayer_mock.domain.protocol import BASICS, COMMON
from ncalayer_mock.handlers import answer
from ncalayer_mock.service.desk import Standing
from ncalayer_mock.settings import Settings

IIN, OTHER_IIN, BIN = "991231600012", "991231600022", "999940000010"
PASSWORD = "Qwerty12"
PAGE = "http://127.0.0.1:8040"


class Page:
    """A page that speaks to the agent: what it sends and what it is answered, as objects."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent

    async def say(self, message: Any) -> Any:
        text = message if isinstance(message, str) else json.dumps(message)
        return json.loads(await answer(self.agent.signing, PAGE, text))

    async def common(self, method: str, *args: Any, **more: Any) -> Any:
        arguments = {"args": list(args)} if args else {}
        return await self.say({"module": COMMON, "method": method, **arguments, **more})

    async def basics(self, data: Any = "MTEK", form: str = "cms", signing: Any = None, **signer: Any) -> Any:
        storages = signer.pop("storages", None)
        return await self.say(
            {
                "module": BASICS,
                "method": "sign",
                "args": {
                    "allowedStorages": storages,
                    "format": form,
                    "data": data,
                    "signingParams": {} if signing is None else signing,
                    "signerParams": {"extKeyUsageOids": [], **signer},
                    "locale": "ru",
                },
            }
        )


def settings_for(home: Path, **values: Any) -> Settings:
    return Settings(home=home, port=0, control_port=0, **values)


def give(agent: Agent, key: SigningKey, name: str, storage: str = "PKCS12") -> str:
    """The key in the agent's ring; its thumbprint."""
    return agent.ring.add(key.to_pkcs12(PASSWORD, name), PASSWORD, name=name, storage=storage).thumbprint


@pytest.fixture
def person(pki: TestPki) -> SigningKey:
    return pki.person(IIN)


@pytest.fixture
async def agent(tmp_path: Path, clock: HandClock, person: SigningKey) -> AsyncIterator[Agent]:
    """Holds one person's key for signatures; signs whatever is asked."""
    async with httpx.AsyncClient() as http:
        made = create_agent(settings_for(tmp_path), http, clock=clock)
        made.desk.standing = Standing.CONFIRM
        give(made, person, "sign.p12")
        yield made


@pytest.fixture
def page(agent: Agent) -> Page:
    return Page(agent)
