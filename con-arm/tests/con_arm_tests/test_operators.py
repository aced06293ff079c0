"""Operators: who makes their accounts, who gets in, and how guessing is slowed down."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from egovlaw.identifiers import synthetic_iin
from egovorigin.testing import PASSWORD

from .conftest import ADMIN

pytestmark = pytest.mark.service


def wish(**more: Any) -> dict[str, Any]:
    return {
        "login": "dana",
        "name": "ӨМІРОВА ДАНА",
        "iin": synthetic_iin(500),
        "password": PASSWORD,
        "roles": ["operator"],
        "centre": "con-1",
        **more,
    }


async def test_an_administrator_makes_the_accounts(world: Any) -> None:
    made = await world.admin("POST", "/v1/operators", wish(roles=["senior", "operator"]))
    assert made.status_code == 201 and made.json()["roles"] == ["operator", "senior"]
    assert "iin" not in made.json() and "password" not in made.text
    listed = (await world.admin("GET", "/v1/operators")).json()["items"]
    assert [one["login"] for one in listed] == ["dana"] and listed[0]["name"] == "ӨМІРОВА ДАНА"
    action = (await world.journal(None))[-1]
    assert (action["kind"], action["action"], action["centre"]) == ("admin", "operator.created", "con-1")


@pytest.mark.parametrize("token", ["", "wrong", ADMIN + "x"])
async def test_without_the_administrators_token_nothing_is_administered(world: Any, token: str) -> None:
    answer = await world.admin("POST", "/v1/operators", wish(), token)
    assert answer.status_code == 401 and answer.json()["code"] == "staff.admin_refused"


async def test_an_operators_session_administers_nothing(world: Any, operator: Any) -> None:
    assert (await operator.get("/v1/operators")).json()["code"] == "staff.admin_refused"


async def test_a_deployment_without_a_token_has_no_admin_api(world: Any) -> None:
    world.app.state.admin_token = None
    answer = await world.admin("GET", "/v1/operators")
    assert answer.status_code == 503 and answer.json()["code"] == "staff.admin_closed"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"iin": "991231600013"}, "iin"),
        ({"password": "short"}, "password"),
        ({"password": "dana-" * 3}, "password"),
        ({"password": "aaaaaaaaaaaa"}, "password"),
        ({"login": "Дана"}, "login"),
        ({"login": "x' OR 1=1"}, "login"),
        ({"name": "Қ" * 10_000}, "name"),
        ({"name": "a\x07b"}, "name"),
        ({"roles": ["king"]}, "roles.0"),
        ({"roles": []}, "roles"),
        ({"centre": ""}, "centre"),
        ({"shoe_size": 43}, "shoe_size"),
    ],
)
async def test_a_wrong_account_is_refused_by_field(world: Any, change: dict[str, Any], field: str) -> None:
    answer = await world.admin("POST", "/v1/operators", wish(**change))
    assert answer.status_code == 422 and field in {one["field"] for one in answer.json()["errors"]}


@pytest.mark.parametrize("change", [{"iin": synthetic_iin(501)}, {"login": "other"}])
async def test_a_login_and_an_iin_have_one_account(world: Any, change: dict[str, Any]) -> None:
    await world.admin("POST", "/v1/operators", wish())
    answer = await world.admin("POST", "/v1/operators", wish(**change))
    assert answer.status_code == 409 and answer.json()["code"] == "operator.exists"


async def test_accounts_are_listed_page_by_page(world: Any) -> None:
    for number in range(3):
        await world.admin("POST", "/v1/operators", wish(login=f"op-{number}", iin=synthetic_iin(510 + number)))
    first = (await world.admin("GET", "/v1/operators?limit=2")).json()
    second = (await world.admin("GET", f"/v1/operators?limit=2&cursor={first['next']}")).json()
    assert [one["login"] for one in first["items"] + second["items"]] == ["op-0", "op-1", "op-2"]


async def test_roles_taken_away_do_not_live_on_in_the_token(world: Any, operator: Any) -> None:
    await world.admin("PATCH", f"/v1/operators/{operator.id}", {"roles": ["senior"]})
    answer = await operator.get("/v1/cases")
    assert answer.status_code == 403 and answer.json()["code"] == "staff.role_not_enough"
    assert (await operator.get("/v1/reads")).status_code == 200


@pytest.mark.parametrize("change", [{"active": False}, {"password": "көк-аспан-2026"}])
async def test_a_closed_account_and_a_new_password_end_the_sessions(
    world: Any, operator: Any, change: dict[str, Any]
) -> None:
    changed = await world.admin("PATCH", f"/v1/operators/{operator.id}", change)
    assert changed.status_code == 200
    assert (await operator.get("/v1/cases")).json()["code"] == "session.invalid"
    assert (await operator.log_in()).json()["code"] == "operator.login_refused"
    assert (await world.admin("PATCH", "/v1/operators/nobody", {"active": True})).json()["code"] == "operator.unknown"


async def test_an_operator_without_the_role_serves_nobody(world: Any, senior: Any) -> None:
    for path in ("/v1/cases", "/v1/tickets"):
        assert (await senior.get(path)).status_code == 403
    answer = await senior.post("/v1/cases", {"regulation": "x"})
    assert answer.json()["code"] == "staff.role_not_enough" and answer.json()["needed"] == "operator"


async def test_nobody_gets_in_without_a_session(world: Any, operator: Any) -> None:
    for token in ("", "garbage", operator.token[:-4] + "AAAA"):
        answer = await world.http.get("/v1/cases", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code == 401 and answer.json()["code"] in ("session.invalid", "session.expired")
    assert (await world.http.get("/v1/services")).json()["code"] == "session.invalid"


async def test_a_session_ends_when_it_is_ended_and_by_itself_after_a_shift(world: Any, operator: Any) -> None:
    assert (await operator.get("/v1/sessions/current")).json()["login"] == "aigerim"
    ended = await world.http.delete("/v1/sessions/current", headers=operator.headers())
    assert ended.status_code == 204
    assert (await operator.get("/v1/cases")).json()["code"] == "session.invalid"
    await operator.log_in()
    await world.clock.advance(timedelta(hours=11))
    assert (await operator.get("/v1/cases")).json()["code"] == "session.expired"


async def test_a_refused_login_is_a_local_record_that_names_nobody(world: Any, operator: Any) -> None:
    """A7: the act knows no refusal of this login, so it is no step of it."""
    answer = await operator.log_in("wrong password")
    assert answer.status_code == 401 and answer.json()["code"] == "operator.login_refused"
    row = (await world.journal(None))[-1]
    assert (row["kind"], row["code"]) == ("refusal", "operator.login_refused") and "step" not in row
    assert "aigerim" not in str(row) and operator.iin not in str(row)


async def test_an_unknown_login_is_answered_like_a_wrong_password(world: Any, operator: Any) -> None:
    wrong = await operator.log_in("wrong password")
    unknown = await world.http.post("/v1/sessions", json={"login": "nobody", "password": PASSWORD})
    assert {**unknown.json(), "trace": 0} == {**wrong.json(), "trace": 0}


async def test_guessing_is_slowed_down_and_the_right_password_waits_too(world: Any, operator: Any) -> None:
    answers = [await operator.log_in(f"guess {n}") for n in range(6)]
    assert [one.status_code for one in answers] == [401] * 5 + [429]
    assert answers[-1].json()["retry_after"] == 30
    assert (await operator.log_in()).status_code == 429
    await world.clock.advance(31)
    assert (await operator.log_in()).status_code == 201
    assert (await operator.log_in("guess again")).status_code == 401  # counted from the beginning


async def test_the_login_is_the_first_step_of_a_case_with_its_place_in_the_journal(world: Any, operator: Any) -> None:
    login = next(one for one in await world.journal(None) if one.get("step_kind") == "authenticate")
    assert (login["step"], login["clause"]) == ("P1", None)  # no service is chosen yet, and every act numbers it anew
    case = await operator.open()
    [first] = [one for one in await world.journal(case) if one["step"] == "P1"]
    assert (first["clause"], first["limit_s"]) == ("8 1)", 60)
    assert first["login"]["writer"] == "con-arm/1"
