"""The workstation alone: SQLite file, memory bus, hand-moved clock, a certification authority of the test, and a ШЭП of
the test that owns the gateways', the registers' and the provider's keys, reads shep.ingress and speaks to the inbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from con_arm.app import create_app
from con_arm.settings import Settings
from egovkit.bus import Outgoing
from egovkit.bus.memory import MemoryBus
from egovkit.clock import HandClock
from egovkit.envelope import Envelope
from egovkit.ids import Ids
from egovkit.signatures.keys import SigningKey
from egovkit.testing.pki import TestPki
from egovkit.testing.plugin import Migrated
from egovorigin.domain.document import stamp
from egovorigin.testing import (
    PASSWORD,
    PROVIDER,
    FakeShep,
    Labels,
    Place,
    Provider,
    World,
    files_in,
    running,
)
from egovorigin.testing_caller import Caller

ADMIN = "the administrator's token"
BIN = "991240990056"  # the centre's own, under which its employees' certificates are issued
PLACE = Place(
    "con-arm",
    "centre",
    "centre",
    Labels("P7", "P8", "P9", "C2", "8 7)"),
    neighbours={"gbd-fl-mock": "person_register", "enis-mock": "attorney_register"},
    regions={PROVIDER: ("atyrau", "wko")},
    bin=BIN,
)
DONE = {"code": "00000", "name_ru": "Сообщение успешно обработано", "name_kk": "Хабарлама сәтті өңделді"}
ATTORNEY = {"certified": "notary", "registry_number": "№ 1-Ә/2026", "date": "2025-06-01"}


def entry(code: str, ru: str = "значение", kk: str = "мәні") -> dict[str, str]:
    return {"code": code, "name_ru": ru, "name_kk": kk}


def person(iin: str, **more: Any) -> dict[str, Any]:
    """A person as ГБД ФЛ describes one; `more` replaces, None takes away."""
    found = {
        "iin": iin,
        "surname": "ӘБДІҚАДЫРОВА",
        "name": "ҰЛЖАН",
        "birth_date": "1980-05-17",
        "gender": entry("2", "Женский", "Әйел"),
        "nationality": entry("005", "казах", "қазақ"),
        "citizenship": entry("398", "Казахстан", "Қазақстан"),
        "life_status": entry("0", "Нормальный", "Қалыпты"),
        "birth_place": {"city": "Атырау"},
        "reg_address": {"city": "Атырау", "street": "Сәтпаев көшесі", "building": "1"},
        **more,
    }
    return {name: value for name, value in found.items() if value is not None}


def attorney(principal: str, representative: str, **more: Any) -> dict[str, Any]:
    """A power of attorney as ЕНИС describes one."""
    return {
        "registry_number": ATTORNEY["registry_number"],
        "date": ATTORNEY["date"],
        "notary": {"surname": "СЫНАҚОВ", "name": "НОТАРИУС", "licence_number": "1", "region": "Атырау"},
        "principals": [{"iin": principal, "name": "ӘБДІҚАДЫРОВА ҰЛЖАН"}],
        "representatives": [{"iin": representative, "name": "СЫНАҚОВ СЫНАҚ"}],
        "valid_from": "2025-06-01",
        "valid_to": "2026-06-01",
        "status": entry("1", "Действует", "Жарамды"),
        "substitution_right": False,
        "powers_text": "представлять интересы",
        **more,
    }


class CentreShep(FakeShep):
    """With the registers behind it."""

    def answering(self, asked: Envelope, found: list[dict[str, Any]], **more: Any) -> Envelope:
        """What the asked register would answer; `more` replaces parts of envelope or data."""
        name = asked.type.split(".")[3]
        data = {"result": DONE, "answered_at": stamp(self.clock.now()), f"{name}s": found, **more.pop("data", {})}
        values = {"source": asked.recipient, "step": asked.step, "correlation": asked.id, "caseseq": 0, **more}
        return self.envelope(f"answer.{name}", asked.subject, data, **values)

    async def answer(self, asked: Envelope, *found: dict[str, Any], **more: Any) -> Outgoing:
        message = self.outgoing(self.answering(asked, list(found), **more))
        await self.send(message)
        return message


@dataclass
class Operator(Caller):
    """An operator with a screen and an ЭЦП."""

    login: str = ""
    id: str = ""

    async def log_in(self, password: str = PASSWORD) -> httpx.Response:
        answer = await self.world.http.post("/v1/sessions", json={"login": self.login, "password": password})
        if answer.status_code == 201:
            self.token, self.id = answer.json()["token"], answer.json()["operator"]["id"]
        return answer

    async def open(self, **more: Any) -> str:
        answer = await self.post("/v1/cases", {"regulation": self.world.shep.regulation, **more})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def consumer(self, case: str, iin: str, representative: Any = None) -> httpx.Response:
        return await self.put(f"/v1/cases/{case}/consumer", {"iin": iin, "representative": representative})

    async def ask(self, case: str) -> httpx.Response:
        return await self.post(f"/v1/cases/{case}/queries")

    async def asked(self, iin: str, representative: Any = None) -> list[Envelope]:
        """A case whose registers are asked, up to what ШЭП receives."""
        case = await self.open()
        answer = await self.consumer(case, iin, representative)
        assert answer.status_code == 200, answer.text
        answer = await self.ask(case)
        assert answer.status_code == 202, answer.text
        notarised = representative is not None and representative["attorney"]["certified"] == "notary"
        return [await self.world.shep.next() for _ in range(2 if notarised else 1)]

    async def checked(self, iin: str, representative: Any = None) -> str:
        """A case whose registers have answered that all is in order."""
        for query in await self.asked(iin, representative):
            mine = query.type == "kz.egov.query.person.v1"
            found = person(iin) if mine else attorney(iin, representative["iin"])
            await self.world.shep.answer(query, found)
        return query.subject

    async def fill(self, case: str, values: Any = None, papers: Any = (), **headers: str) -> httpx.Response:
        return await self.put(f"/v1/cases/{case}/form", {"values": values or {}, "papers": list(papers)}, **headers)

    async def send(self, iin: str | None = None, representative: Any = None) -> Envelope:
        """A whole application, up to what ШЭП receives."""
        case = await self.checked(iin or self.world.iin(), representative)
        answer = await self.submit(case, self.sign(await self.prepared(case)))
        assert answer.status_code == 202, answer.text
        return await self.world.shep.next()

    async def completed(self, iin: str | None = None, representative: Any = None) -> Provider:
        """A case whose result waits at the counter."""
        envelope = await self.send(iin, representative)
        provider = Provider(self.world, envelope.subject)
        await provider.say("case.registered", 1)
        await provider.say("case.completed", 2)
        return provider

    async def record(self, case: str, capacity: str, iin: str, key: SigningKey | None = None) -> httpx.Response:
        body = {"received_by": {"capacity": capacity, "iin": iin}, "certificate": self.certificate(key)}
        return await self.post(f"/v1/cases/{case}/hand-over/prepare", body)

    async def queries(self, case: str) -> list[dict[str, Any]]:
        return list((await self.get(f"/v1/cases/{case}/queries")).json()["items"])


@dataclass
class CentreWorld(World):
    def represented(self, iin: str | None = None, **attorney: Any) -> dict[str, Any]:
        """A representative with a power of attorney; notarised unless it says otherwise."""
        return {"iin": iin or self.iin(), "name": "СЫНАҚОВ СЫНАҚ", "attorney": {**ATTORNEY, **attorney}}

    async def admin(self, method: str, path: str, body: Any = None, token: str = ADMIN) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return await self.http.request(method, path, headers=headers, json=body)

    async def hire(self, login: str, *roles: str, centre: str = "con-1", **office: Any) -> Operator:
        """An operator with an account, logged in."""
        iin = self.iin()
        key = self.pki.person(iin, "ОПЕРАТОРОВА", "ӘСЕЛ", bin_=BIN, profile="employee_sign")
        body = {"login": login, "name": "ОПЕРАТОРОВА ӘСЕЛ", "iin": iin, "password": PASSWORD}
        made = await self.admin(
            "POST", "/v1/operators", {**body, "roles": list(roles or ("operator",)), "centre": centre, **office}
        )
        assert made.status_code == 201, made.text
        operator = Operator(self, iin, key, login=login)
        assert (await operator.log_in()).status_code == 201
        return operator


@pytest.fixture
def settings(tmp_path: Path, pki: TestPki, migrated: Migrated) -> Settings:
    migrated("con_arm", tmp_path / "con-arm.sqlite3")
    (tmp_path / "admin").write_text(f"{ADMIN}\n")
    return Settings(**files_in(tmp_path, pki, PLACE.code), admin_token_file=tmp_path / "admin")


@pytest.fixture
async def world(
    settings: Settings, pki: TestPki, memory_bus: MemoryBus, clock: HandClock, ids: Ids
) -> AsyncIterator[CentreWorld]:
    shep = CentreShep(PLACE, pki, memory_bus, clock, ids)
    async with running(create_app, settings, shep, CentreWorld) as world:
        yield world


@pytest.fixture
async def operator(world: CentreWorld) -> Operator:
    return await world.hire("aigerim")


@pytest.fixture
async def senior(world: CentreWorld) -> Operator:
    return await world.hire("senior", "senior")


@pytest.fixture
def with_receipts(world: Any) -> None:
    """An act that knows the receipt of refusal to accept."""
    world.shep.regulation = next(
        one.code
        for one in world.app.state.centre.catalogue.regulations
        if (known := one.settings.get("refusal_to_accept")) is not None and known.value[0] in one.channels
        and one.channels[known.value[0]].origin_kind == "centre"
    )  # fmt: skip
