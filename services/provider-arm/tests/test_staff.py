"""Accounts, logins, sessions, and the throttle that slows guessing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from egovkit.journal import read_rows
from egovkit.signatures.tokens import issue_token
from egovkit.testing.journal import BODIES
from egovlaw.identifiers import synthetic_iin
from provider_arm.service.passwords import Passwords
from provider_arm.tables import kit

if TYPE_CHECKING:
    from conftest import Arm

pytestmark = pytest.mark.service

ADMIN = {"authorization": "Bearer administrator-of-the-test"}


def problem(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    body = answer.json()
    assert body["side"] and body["remedy"], body
    return answer.status_code, body["code"]


def wish(**changes: Any) -> dict[str, Any]:
    body = {
        "iin": synthetic_iin(500),
        "name": "Сынақов Сынақ Сынақұлы",
        "password": "құпия сөз 2026",
        "roles": ["executor"],
        "region": "atyrau",
        "office": "Тұрғын үй бөлімі",
    }
    return body | changes


async def create(arm: Arm, **changes: Any) -> httpx.Response:
    return await arm.http.post("/v1/staff", json=wish(**changes), headers=ADMIN)


async def log_in(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    body = {"iin": synthetic_iin(500), "password": "құпия сөз 2026"}
    return await client.post("/v1/sessions", json=body | changes)


# --- accounts --------------------------------------------------------------------------------------------------


async def test_an_administrator_makes_an_account(arm: Arm) -> None:
    made = await create(arm, roles=["head", "executor"], office_kind="akim", provider="some-department")
    assert made.status_code == 201
    body = made.json()
    assert body["iin"] == f"{synthetic_iin(500)[:4]}******{synthetic_iin(500)[-2:]}"
    assert (body["roles"], body["office_kind"], body["active"]) == (["executor", "head"], "akim", True)
    assert "password" not in made.text


async def test_making_an_account_is_in_the_journal_without_naming_the_person(arm: Arm) -> None:
    await create(arm)
    async with arm.ws.db.read() as conn:
        [row] = await read_rows(conn, kit.journal, bodies=BODIES)
    assert row.facts["action"] == "staff.created"
    assert synthetic_iin(500) not in str(row.body)
    assert "Сынақов" not in str(row.body)


async def test_an_iin_has_one_account(arm: Arm) -> None:
    await create(arm)
    assert problem(await create(arm, name="Басқа")) == (409, "staff.exists")


async def test_an_account_wanted_twice_at_once_is_made_once(arm: Arm) -> None:
    answers = await asyncio.gather(create(arm), create(arm))
    assert sorted(answer.status_code for answer in answers) == [201, 409]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"iin": "991231600013"}, "iin"),
        ({"iin": "99123160001"}, "iin"),
        ({"iin": "９９１２３１６００１２３"}, "iin"),
        ({"iin": 991231600012}, "iin"),
        ({"region": "nowhere"}, "region"),
        ({"roles": []}, "roles"),
        ({"roles": ["minister"]}, "roles.0"),
        ({"password": "short"}, "password"),
        ({"password": "aaaaaaaaaaaa"}, "password"),
        ({"password": synthetic_iin(500) + "!"}, "password"),
        ({"password": "x1!" * 100}, "password"),
        ({"name": ""}, "name"),
        ({"name": "ы" * 10_000}, "name"),
        ({"name": "a\u0001b"}, "name"),
        ({"office_kind": "shop"}, "office_kind"),
        ({"provider": "../../etc"}, "provider"),
        ({"salary": 1}, "salary"),
    ],
)
async def test_a_wrong_account_is_refused_by_the_name_of_the_field(
    arm: Arm, changes: dict[str, Any], field: str
) -> None:
    answer = await create(arm, **changes)
    assert problem(answer) == (422, "request.invalid")
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert (await arm.http.get("/v1/staff", headers=ADMIN)).json()["items"] == []


@pytest.mark.parametrize("name", ["Әбіл'; DROP TABLE staff; --", "<b>Ұлжан</b>", "Ғ Қ Ң Ө Ұ Ү Һ І ә ғ қ ң ө ұ ү һ і"])
async def test_a_name_is_kept_as_it_was_written(arm: Arm, name: str) -> None:
    assert (await create(arm, name=name)).json()["name"] == name
    assert (await arm.http.get("/v1/staff", headers=ADMIN)).json()["items"][0]["name"] == name


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic x"}, {"authorization": "Bearer "}]
)
async def test_nobody_but_the_administrator_makes_accounts(arm: Arm, headers: dict[str, str]) -> None:
    answer = await arm.http.post("/v1/staff", json=wish(), headers=headers)
    assert problem(answer) == (401, "staff.admin_refused")


async def test_a_session_of_staff_is_no_administrator(arm: Arm) -> None:
    head = await arm.appoint("head")
    assert problem(await head.post("/v1/staff", wish())) == (401, "staff.admin_refused")


async def test_the_list_of_staff_is_paged(arm: Arm) -> None:
    for n in range(3):
        await create(arm, iin=synthetic_iin(600 + n))
    first = (await arm.http.get("/v1/staff", params={"limit": 2}, headers=ADMIN)).json()
    rest = (await arm.http.get("/v1/staff", params={"limit": 2, "cursor": first["next"]}, headers=ADMIN)).json()
    assert (len(first["items"]), len(rest["items"]), rest["next"]) == (2, 1, None)


# --- logins ----------------------------------------------------------------------------------------------------


async def test_iin_and_password_open_a_session_of_a_working_day(arm: Arm) -> None:
    await create(arm)
    answer = await log_in(arm.http)
    assert answer.status_code == 201
    assert answer.json()["expires_at"] == "2026-01-15T12:00:00Z"
    assert answer.json()["staff"]["name"] == "Сынақов Сынақ Сынақұлы"


@pytest.mark.parametrize("changes", [{"password": "құпия сөз 2025"}, {"iin": synthetic_iin(501)}])
async def test_a_wrong_password_and_an_unknown_iin_get_the_same_answer(arm: Arm, changes: dict[str, Any]) -> None:
    await create(arm)
    assert problem(await log_in(arm.http, **changes)) == (401, "staff.login_refused")


async def test_a_closed_account_logs_in_no_more(arm: Arm) -> None:
    made = (await create(arm)).json()
    await arm.http.patch(f"/v1/staff/{made['id']}", json={"active": False}, headers=ADMIN)
    assert problem(await log_in(arm.http)) == (401, "staff.login_refused")


async def test_after_five_failures_the_sixth_waits_even_with_the_right_password(arm: Arm) -> None:
    await create(arm)
    for _ in range(5):
        assert problem(await log_in(arm.http, password="wrong"))[1] == "staff.login_refused"
    throttled = await log_in(arm.http)
    assert problem(throttled) == (429, "staff.login_throttled")
    assert throttled.headers["retry-after"] == str(throttled.json()["retry_after"])
    await arm.clock.advance(31)
    assert (await log_in(arm.http)).status_code == 201


async def test_waiting_grows_with_every_failure_and_a_success_ends_it(arm: Arm) -> None:
    await create(arm)
    for _ in range(5):
        await log_in(arm.http, password="wrong")
    await arm.clock.advance(31)
    await log_in(arm.http, password="wrong")
    await arm.clock.advance(31)
    assert problem(await log_in(arm.http))[0] == 429  # a minute now
    await arm.clock.advance(60)
    assert (await log_in(arm.http)).status_code == 201
    assert problem(await log_in(arm.http, password="wrong")) == (401, "staff.login_refused")


async def test_failures_from_one_address_lock_nobody_out_at_another(arm: Arm) -> None:
    await create(arm)
    async with arm.from_address("203.0.113.7") as guesser:
        for _ in range(6):
            await log_in(guesser, password="wrong")
        assert problem(await log_in(guesser))[0] == 429
    assert (await log_in(arm.http)).status_code == 201


async def test_parallel_guesses_are_all_counted(arm: Arm) -> None:
    await create(arm)
    await asyncio.gather(*(log_in(arm.http, password="wrong") for _ in range(8)))
    assert problem(await log_in(arm.http))[0] == 429


@pytest.mark.parametrize("body", [{}, {"iin": "1"}, {"iin": synthetic_iin(1), "password": ""}, {"password": ["x"]}])
async def test_a_login_that_cannot_be_read(arm: Arm, body: dict[str, Any]) -> None:
    assert problem(await arm.http.post("/v1/sessions", json=body)) == (422, "request.invalid")


# --- sessions --------------------------------------------------------------------------------------------------


async def test_logging_out_ends_the_session(arm: Arm) -> None:
    official = await arm.appoint("executor")
    out = await arm.http.delete("/v1/sessions/current", headers=official.headers)
    assert out.status_code == 204
    assert problem(await official.get("/v1/tasks")) == (401, "session.invalid")


async def test_a_session_ends_with_the_working_day(arm: Arm) -> None:
    official = await arm.appoint("executor")
    await arm.clock.advance(timedelta(hours=8))
    assert problem(await official.get("/v1/tasks")) == (401, "session.expired")


@pytest.mark.parametrize("change", [{"active": False}, {"password": "жаңа құпия 2026"}])
async def test_losing_the_account_or_its_password_ends_open_sessions(arm: Arm, change: dict[str, Any]) -> None:
    official = await arm.appoint("executor")
    changed = await arm.http.patch(f"/v1/staff/{official.id}", json=change, headers=ADMIN)
    assert changed.status_code == 200
    assert problem(await official.get("/v1/tasks")) == (401, "session.invalid")


async def test_a_role_taken_away_is_gone_at_once(arm: Arm) -> None:
    official, case = await arm.appoint("executor"), await arm.submit()
    await arm.http.patch(f"/v1/staff/{official.id}", json={"roles": ["clerk"]}, headers=ADMIN)
    assert problem(await official.take(case)) == (403, "staff.role_not_enough")


async def test_changing_nobody(arm: Arm) -> None:
    answer = await arm.http.patch("/v1/staff/nobody", json={"active": False}, headers=ADMIN)
    assert problem(answer) == (404, "staff.unknown")


async def test_a_change_to_a_weak_password_changes_nothing(arm: Arm) -> None:
    official = await arm.appoint("executor")
    change = {"password": "aaaaaaaaaaaaa"}
    answer = await arm.http.patch(f"/v1/staff/{official.id}", json=change, headers=ADMIN)
    assert problem(answer) == (422, "request.invalid")
    assert (await official.get("/v1/tasks")).status_code == 200


@pytest.mark.parametrize("typ", ["egov-session+jwt", "JWT", "egov-access+jwt"])
async def test_a_token_of_another_kind_opens_nothing(arm: Arm, typ: str) -> None:
    official = await arm.appoint("executor")
    forged = issue_token(
        arm.desk.door.key,
        typ=typ,
        issuer="provider-arm",
        subject=official.id,
        audience="provider-arm",
        roles=["executor"],
        ttl=timedelta(hours=1),
        clock=arm.clock,
        ids=arm.ids,
    )
    answer = await arm.http.get("/v1/tasks", headers={"authorization": f"Bearer {forged}"})
    assert problem(answer) == (401, "session.invalid")


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "x" * 5000])
async def test_what_is_no_token_opens_nothing(arm: Arm, token: str) -> None:
    answer = await arm.http.get("/v1/tasks", headers={"authorization": f"Bearer {token}"})
    assert problem(answer) == (401, "session.invalid")


async def test_without_an_administrators_token_the_control_api_is_closed(starting: Any) -> None:
    async with starting(admin_token_file=None) as arm:
        assert problem(await create(arm)) == (503, "staff.admin_closed")


async def test_a_stored_password_is_argon2id_and_renewed_when_it_gets_too_cheap() -> None:
    cheap, dear = Passwords(1, 32, 1), Passwords(2, 64, 1)
    hashed = await cheap.hash("құпия сөз")
    assert hashed.startswith("$argon2id$")
    assert await dear.matches(hashed, "құпия сөз")
    assert not await dear.matches(hashed, "құпия сөз!")
    assert not await dear.matches(None, "nobody has this password")
    assert not await dear.matches("rubbish", "x")
    renewed = await dear.renewed(hashed, "құпия сөз")
    assert renewed is not None
    assert await dear.renewed(renewed, "құпия сөз") is None
