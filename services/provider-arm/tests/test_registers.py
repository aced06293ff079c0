"""Questions to the akimat's register: by the executor or by the system itself; what an answer decides of the result."""

from __future__ import annotations

import base64
import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from egovkit.envelope import Envelope
from provider_arm.domain.own import QueryState
from provider_arm.domain.registers import RegisterQuery, Use, decided_values
from provider_arm.service import registers
from provider_arm.service.registers import Setting
from provider_arm.store import registers as store

if TYPE_CHECKING:
    from conftest import Arm, Official

pytestmark = pytest.mark.service
ENTRY = {
    "id": "housing_queue/atyrau/5",
    "status": {"code": "standing", "name_ru": "Состоит в очереди", "name_kk": "Кезекте тұр"},
    "since": "2026-01-15",
    "category": {"code": "general", "name_ru": "Общая очередь", "name_kk": "Жалпы кезек"},
    "family_size": 4,
    "number": 5,
    "position": 4,
    "direction": False,
}


def problem(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def next_end(arm: Arm) -> datetime | None:
    """Where the sandbox's clock is to stop."""
    async with arm.ws.db.read() as conn:
        return await store.next_end(conn, arm.clock.now())


async def taken(arm: Arm, *roles: str) -> tuple[str, Official]:
    case, official = await arm.submit(), await arm.appoint(*(roles or ("executor",)))
    assert (await official.take(case)).status_code == 200
    return case, official


async def checked(arm: Arm) -> tuple[str, Official]:
    """A case whose documents are in order, and an official who may ask and sign."""
    case, official = await taken(arm, "executor", "authorised")
    assert (await official.check(case)).status_code == 200
    return case, official


async def prepared(official: Official, case: str, **values: Any) -> httpx.Response:
    key = official.certificate()
    pem = base64.b64encode(key.certificate.public_bytes(Encoding.DER)).decode()
    body = {
        "certificate": pem,
        "text_ru": "Вы поставлены на учёт",
        "text_kk": "Сіз есепке қойылдыңыз",
        "values": values,
    }
    return await official.post(f"/v1/cases/{case}/result/prepare", body)


def values_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    values: dict[str, Any] = json.loads(base64.b64decode(answer.json()["document"]))["values"]
    return values


async def asked(arm: Arm, official: Official, case: str, left: int, **wish: Any) -> Envelope:
    answer = await official.post(f"/v1/cases/{case}/register-queries", wish)
    assert answer.status_code == 202, answer.text
    return (await arm.outgoing(left))[-1]


async def answered(arm: Arm, question: Envelope, *entries: dict[str, Any], **changes: Any) -> None:
    data = {
        "result": {"code": "00000", "name_ru": "Обработано", "name_kk": "Өңделді"},
        "answered_at": "2026-01-15T04:00:00Z",
        "register": question.data["register"],
        "operation": question.data["operation"],
        "entries": [{**entry, "person_iin": entry.get("person_iin", arm.applicant)} for entry in entries],
        **changes,
    }
    kind = {"type": "kz.egov.answer.register.v1", "dataschema": "urn:egov:schema:answer.register.v1"}
    await arm.deliver(arm.wire(arm.answer(question, data=data, **kind), arm.akimat))


async def shown(official: Official, case: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await official.get(f"/v1/cases/{case}")).json()["registers"]
    return found


async def test_the_number_of_the_queue_comes_into_the_result_from_the_register(arm: Arm) -> None:
    case, official = await checked(arm)
    question = await asked(arm, official, case, 3, family_size=4)
    assert (question.type, question.recipient, question.step) == ("kz.egov.query.register.v1", "registers-mock", "P6")
    assert (question.data["operation"], question.data["person_iin"]) == ("enqueue", arm.applicant)
    assert question.data["family_size"] == 4 and question.data["trail"] == []
    await answered(arm, question, ENTRY)
    [query] = await shown(official, case)
    assert (query["state"], query["entries"][0]["number"]) == ("answered", 5)
    values = values_of(await prepared(official, case, floor=2))
    decided = {"queue_number": 5, "queue_position": 4, "family_size": 4, "category": "Общая очередь"}
    assert values == {"floor": 2, **decided}


async def test_the_same_answer_again_changes_nothing(arm: Arm) -> None:
    case, official = await checked(arm)
    question = await asked(arm, official, case, 3)
    await answered(arm, question, ENTRY)
    before = await shown(official, case), (await official.get(f"/v1/cases/{case}/history")).json()
    await answered(arm, question, ENTRY | {"number": 6})
    assert (await shown(official, case), (await official.get(f"/v1/cases/{case}/history")).json()) == before


async def test_what_the_register_decides_nobody_types(arm: Arm) -> None:
    case, official = await checked(arm)
    await answered(arm, await asked(arm, official, case, 3), ENTRY)
    answer = await prepared(official, case, queue_number=1)
    assert problem(answer) == (422, "request.invalid")
    assert [error["field"] for error in answer.json()["errors"]] == ["values.queue_number"]


async def test_a_result_waits_for_no_register(arm: Arm) -> None:
    case, official = await checked(arm)
    await asked(arm, official, case, 3)
    assert values_of(await prepared(official, case, queue_number=17)) == {"queue_number": 17}


async def test_a_place_is_asked_for_when_the_documents_are_in_order(arm: Arm) -> None:
    case, official = await taken(arm)
    answer = await official.post(f"/v1/cases/{case}/register-queries", {})
    assert problem(answer) == (409, "register_query.too_early")


async def test_a_silent_register_is_asked_again_when_its_time_is_over(arm: Arm) -> None:
    case, official = await checked(arm)
    await asked(arm, official, case, 3)
    again = await official.post(f"/v1/cases/{case}/register-queries", {})
    assert problem(again) == (409, "query.still_waiting")
    assert await next_end(arm) == arm.clock.now() + timedelta(seconds=62)
    await arm.clock.advance(63)
    assert await next_end(arm) is None
    assert [query["state"] for query in await shown(official, case)] == ["expired"]
    await answered(arm, await asked(arm, official, case, 4), ENTRY)
    assert await next_end(arm) is None
    assert [query["state"] for query in await shown(official, case)] == ["expired", "answered"]


async def test_an_answer_that_is_late_or_about_somebody_else_decides_nothing(arm: Arm) -> None:
    case, official = await checked(arm)
    first = await asked(arm, official, case, 3)
    await answered(arm, first, {**ENTRY, "person_iin": arm.next_iin()})
    late = await asked(arm, official, case, 4)
    await arm.clock.advance(63)
    await answered(arm, late, ENTRY)
    empty = await asked(arm, official, case, 5)
    await answered(arm, empty)
    states = [(query["state"], query["entries"]) for query in await shown(official, case)]
    assert states == [("unusable", None), ("late_answer", None), ("unusable", None)]
    assert values_of(await prepared(official, case)) == {}


async def test_an_answer_comes_once_and_only_to_a_question(arm: Arm) -> None:
    case, official = await checked(arm)
    question = await asked(arm, official, case, 3)
    await answered(arm, question, ENTRY)
    await answered(arm, question, ENTRY)
    assert await arm.dead(1) == ["order.already_answered"]


async def test_who_checks_no_documents_asks_no_register(arm: Arm) -> None:
    case, _ = await checked(arm)
    clerk = await arm.appoint("clerk")
    answer = await clerk.post(f"/v1/cases/{case}/register-queries", {})
    assert problem(answer) == (403, "staff.role_not_enough")


async def test_an_automated_service_asks_as_soon_as_the_case_is_registered(
    arm: Arm, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The setting of Zhambyl's and WKO's certificates, on the flow at hand."""
    certify = Setting("social_assistance", Use.CERTIFY, automated=True)
    monkeypatch.setattr(registers, "setting_of", lambda _: certify)
    case, official = await taken(arm, "executor", "authorised")
    question = (await arm.outgoing(2))[1]
    assert (question.type, question.data["official"]) == ("kz.egov.query.register.v1", "provider-arm")
    assert question.data["operation"] == "find"
    await answered(arm, question)
    [query] = await shown(official, case)
    assert (query["automated"], query["state"], query["entries"]) == (True, "answered", [])
    assert (await official.check(case)).status_code == 200
    assert values_of(await prepared(official, case)) == {"belongs": False}


def query_with(operation: str, *entries: dict[str, Any], state: QueryState = QueryState.ANSWERED) -> RegisterQuery:
    facts: dict[str, Any] = {name: None for name in RegisterQuery.__dataclass_fields__}
    return RegisterQuery(**{**facts, "operation": operation, "state": state, "entries": entries})


def test_an_entry_that_ended_certifies_that_the_person_does_not_belong() -> None:
    active = {"status": {"code": "active"}, "since": "2024-01-20"}
    ended = {"status": {"code": "ended"}, "since": "2024-01-16", "until": "2025-06-30"}
    assert decided_values(Use.CERTIFY, [query_with("find", ended)]) == {"belongs": False}
    assert decided_values(Use.CERTIFY, [query_with("find", ended, active)]) == {"belongs": True, "since": "2024-01-20"}
    assert decided_values(Use.CERTIFY, [query_with("find", state=QueryState.EXPIRED)]) == {}
    assert decided_values(Use.LOOKUP, [query_with("find", active)]) == {}
