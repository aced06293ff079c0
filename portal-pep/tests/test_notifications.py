"""What the applicant is told: every change, in both languages, once; read when he says so."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from egovorigin.domain.states import BusEvent
from egovorigin.testing import NUMBER
from portal_pep.domain.states import CaseEvent
from portal_pep.domain.texts import NOTICE_TEXTS, NoticeKind

pytestmark = pytest.mark.service


async def notices(citizen: Any, **params: Any) -> dict[str, Any]:
    return dict((await citizen.get("/v1/notifications", **params)).json())


def test_every_change_that_comes_from_outside_has_its_notification() -> None:
    """What the citizen does himself needs none; a certificate that is refused ends what he began."""
    of_signers = {one for one in NoticeKind if one.value.startswith("co_sign")}  # test_co_signing
    told = {kind.value for kind in set(NoticeKind) - of_signers}
    own = {CaseEvent.EDITED, CaseEvent.PREPARED, CaseEvent.APPLICANT_SIGNED, CaseEvent.SUBMITTED}
    names = {
        BusEvent.GATEWAY_ACCEPTED: "accepted",
        BusEvent.GATEWAY_CLOSED: "gateway_refused",
        CaseEvent.CERTIFICATE_REFUSED: "signature_refused",
    }
    assert {names.get(event, event.value) for event in {*CaseEvent, *BusEvent} - own} == told
    assert set(NOTICE_TEXTS) == set(NoticeKind)
    assert all(text.kk and text.ru and text.en for text in NOTICE_TEXTS.values())


async def test_each_message_is_told_in_both_languages(citizen: Any, sent: Any) -> None:
    _, provider = sent
    names = ["case.registered", "case.status", "case.extended", "case.paused", "case.resumed", "case.completed"]
    for version, name in enumerate(names, start=1):
        await provider.say(name, version)
    items = list(reversed((await notices(citizen))["items"]))
    assert [one["kind"] for one in items] == [name.removeprefix("case.") for name in names]
    texts = [(one["text"]["kk"], one["text"]["ru"]) for one in items]
    for (kk, ru), (in_kk, in_ru) in zip(
        texts,
        [
            (NUMBER, NUMBER),
            ("Қаралуда", "На рассмотрении"),
            ("02.02.2026 күніне дейін ұзартылды: Тексеру керек", "продлён до 02.02.2026: Нужна проверка"),
            ("тоқтатыла тұрды: Тексеру керек", "приостановлен: Нужна проверка"),
            ("09.02.2026 күні аяқталады: Тексеру керек", "истекает 09.02.2026: Нужна проверка"),
            ("нәтижесі дайын", "Результат услуги готов"),
        ],
        strict=True,
    ):
        assert in_kk in kk and in_ru in ru


@pytest.mark.parametrize("order", list(permutations(["case.registered", "case.status", "case.completed"])))
async def test_the_number_is_told_once_whichever_message_brings_it(
    citizen: Any, sent: Any, order: tuple[str, ...]
) -> None:
    _, provider = sent
    versions = {"case.registered": 1, "case.status": 2, "case.completed": 3}
    for name in order:
        await provider.say(name, versions[name])
    items = (await notices(citizen))["items"]
    assert [one["kind"] for one in items].count("registered") == 1
    assert items[-1]["kind"] == "registered" and NUMBER in items[-1]["text"]["kk"], "it comes first"


async def test_how_many_are_unread_is_told_with_every_page(citizen: Any, sent: Any) -> None:
    _, provider = sent
    assert (await notices(citizen))["unread"] == 0
    for version, name in enumerate(("case.registered", "case.status", "case.paused"), start=1):
        await provider.say(name, version)
    first = await notices(citizen, limit=2)
    assert (len(first["items"]), first["unread"]) == (2, 3) and first["next"]
    rest = await notices(citizen, limit=2, cursor=first["next"])
    assert (len(rest["items"]), rest["unread"], rest["next"]) == (1, 3, None)
    await citizen.post(f"/v1/notifications/{first['items'][0]['id']}/read")
    found = await notices(citizen, unread=True)
    assert (len(found["items"]), found["unread"]) == (2, 2)


async def test_all_are_marked_up_to_the_newest_that_was_seen(world: Any, citizen: Any, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.registered", 1)
    await provider.say("case.status", 2)
    seen = (await notices(citizen))["items"][0]["id"]
    await provider.say("case.paused", 3)  # comes while the page is being read
    marked = await citizen.post("/v1/notifications/read", {"up_to": seen})
    assert marked.json() == {"marked": 2, "unread": 1}
    first = (await notices(citizen))["items"]
    assert [one["read_at"] is None for one in first] == [True, False, False]
    await world.clock.advance(10)
    assert (await citizen.post("/v1/notifications/read", {"up_to": seen})).json() == {"marked": 0, "unread": 1}
    assert (await notices(citizen))["items"] == first, "the first moment stays"


async def test_marking_touches_nobody_elses(world: Any, citizen: Any, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.registered", 1)
    stranger = await world.citizen().arrive()
    up_to = (await notices(citizen))["items"][0]["id"]
    assert (await stranger.post("/v1/notifications/read", {"up_to": up_to})).json() == {"marked": 0, "unread": 0}
    assert (await notices(citizen))["unread"] == 1


@pytest.mark.parametrize("body", [{}, {"up_to": ""}, {"up_to": 1}, {"up_to": "a" * 37}, {"up_to": "z" * 36}, None])
async def test_marking_all_says_up_to_which(citizen: Any, body: Any) -> None:
    assert (await citizen.post("/v1/notifications/read", body)).status_code == 422
