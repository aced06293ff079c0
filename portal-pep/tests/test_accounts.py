"""Registration, login, and what an account that nobody confirmed may see."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from sqlalchemy import func, select

from egovkit.journal import read_heads, read_rows, verify_rows
from egovkit.testing.journal import BODIES
from egovorigin.testing import PASSWORD, REGULATION
from portal_pep.tables import kit, origin, sessions

pytestmark = pytest.mark.service


async def journal(world: Any, kind: str) -> list[dict[str, Any]]:
    async with world.app.state.node.db.read() as conn:
        rows = await read_rows(conn, kit.journal, bodies=BODIES)
    return [row.facts for row in rows if row.kind == kind]


@pytest.mark.law(topic="interface", regulation="atyrau-housing-queue", clause="9 1)")
@pytest.mark.law(topic="technical", regulation="atyrau-housing-queue", clause="17 3)")
@pytest.mark.law(topic="technical", regulation=("semey-*", "tayynsha-*"))
async def test_a_citizen_registers_logs_in_and_confirms(world: Any) -> None:
    citizen = world.citizen()
    registered = await citizen.register()
    assert registered.status_code == 201 and registered.json()["confirmed"] is False
    logged_in = await citizen.log_in()
    assert logged_in.json()["confirmed"] is False and logged_in.json()["token_type"] == "Bearer"
    assert (await citizen.get("/v1/accounts/me")).json()["iin"] is None
    assert (await citizen.confirm()).status_code == 200
    shown = (await citizen.get("/v1/accounts/me")).json()
    assert shown["confirmed"] is True and shown["iin"] == citizen.iin


async def test_registration_is_journalled_as_the_acts_precondition_without_the_iin(world: Any) -> None:
    citizen = world.citizen()
    await citizen.register(regulation=REGULATION)
    entry = (await journal(world, "step"))[0]
    assert (entry["step"], entry["clause"]) == ("pre1", "6 1)")
    assert citizen.iin not in json.dumps(entry)


async def test_a_registration_for_no_service_cites_no_clause_because_the_acts_differ(world: Any) -> None:
    await world.citizen().register()
    entry = (await journal(world, "step"))[0]
    assert (entry["step"], entry["clause"]) == ("pre1", None)


@pytest.mark.parametrize(
    "path", ["/v1/cases", "/v1/notifications", "/v1/cases/x", "/v1/cases/x/result", "/v1/cases/x/history"]
)
async def test_an_unconfirmed_account_shows_nothing(world: Any, path: str) -> None:
    citizen = world.citizen()
    await citizen.register()
    await citizen.log_in()
    answer = await citizen.get(path)
    assert answer.status_code == 403 and answer.json()["code"] == "account.not_confirmed"


async def test_an_unconfirmed_account_cannot_open_an_application(world: Any) -> None:
    citizen = world.citizen()
    await citizen.register()
    await citizen.log_in()
    answer = await citizen.post("/v1/cases", {"regulation": REGULATION})
    assert answer.json()["code"] == "account.not_confirmed"


@pytest.mark.law(topic="technical", regulation="atyrau-housing-queue", clause="17 4)")
@pytest.mark.law(topic="technical", regulation=("semey-*", "tayynsha-*"))
async def test_only_the_persons_own_certificate_confirms_the_account(world: Any) -> None:
    citizen, other = world.citizen(), world.citizen()
    await citizen.register()
    await citizen.log_in()
    refused = await citizen.confirm(other.key)
    assert refused.status_code == 403 and refused.json()["code"] == "certificate.of_another_person"
    assert (await citizen.get("/v1/accounts/me")).json()["confirmed"] is False


async def test_a_signature_over_other_bytes_confirms_nothing(world: Any) -> None:
    citizen = world.citizen()
    await citizen.register()
    await citizen.log_in()
    await citizen.post("/v1/accounts/confirmation/prepare")
    answer = await citizen.post("/v1/accounts/confirmation", {"signature": citizen.sign(b"something else")})
    assert answer.json()["code"] == "signature.of_other_data"


async def test_a_confirmation_has_to_be_prepared_and_fresh(world: Any) -> None:
    citizen = world.citizen()
    await citizen.register()
    await citizen.log_in()
    unprepared = await citizen.post("/v1/accounts/confirmation", {"signature": citizen.sign(b"x")})
    assert unprepared.json()["code"] == "account.nothing_to_confirm"
    await citizen.post("/v1/accounts/confirmation/prepare")
    await world.clock.advance(16 * 60)
    late = await citizen.post("/v1/accounts/confirmation", {"signature": citizen.sign(b"x")})
    assert late.json()["code"] == "account.nothing_to_confirm"


async def test_a_confirmed_account_is_confirmed_once(citizen: Any) -> None:
    again = await citizen.post("/v1/accounts/confirmation/prepare")
    assert again.status_code == 409 and again.json()["code"] == "account.confirmed_already"


async def test_an_iin_nobody_confirmed_can_be_registered_again_and_ends_the_former_session(world: Any) -> None:
    squatter = world.citizen()
    await squatter.register()
    await squatter.log_in()
    owner = world.citizen()
    owner.iin, owner.key = squatter.iin, squatter.key
    answer = await owner.post("/v1/accounts", {"iin": owner.iin, "password": "мой-собственный-пароль"})
    assert answer.status_code == 201
    assert (await squatter.get("/v1/accounts/me")).json()["code"] == "session.invalid"
    assert (await owner.log_in("мой-собственный-пароль")).status_code == 201
    assert (await owner.confirm()).status_code == 200


async def test_a_confirmed_iin_cannot_be_registered_again(world: Any, citizen: Any) -> None:
    answer = await citizen.register()
    assert answer.status_code == 409 and answer.json()["code"] == "account.exists"
    assert (await citizen.get("/v1/accounts/me")).status_code == 200


@pytest.mark.parametrize(
    ("iin", "password", "field", "code"),
    [
        ("123", PASSWORD, "iin", "wrong_form"),
        ("991231600013", PASSWORD, "iin", "iin_invalid"),
        ("99123160001x", PASSWORD, "iin", "wrong_form"),
        ("٩٩١٢٣١٦٠٠٠١٢", PASSWORD, "iin", "wrong_form"),
        ("991231600012", "short", "password", "too_short"),
        ("991231600012", "aaaaaaaaaaaaaaa", "password", "too_simple"),
        ("991231600012", "x991231600012x", "password", "too_simple"),
        ("991231600012", "ә" * 300, "password", "too_long"),
    ],
)
@pytest.mark.law(topic="technical", regulation="atyrau-housing-queue", clause="17 2)")
@pytest.mark.law(topic="technical", regulation=("semey-*", "tayynsha-*"))
async def test_a_bad_iin_or_password_is_named_by_field(
    world: Any, iin: str, password: str, field: str, code: str
) -> None:
    body = {"iin": iin, "password": password if len(set(password)) > 1 or len(password) < 100 else password + "abcd"}
    answer = await world.http.post("/v1/accounts", json=body)
    problem = answer.json()
    assert answer.status_code == 422 and problem["code"] == "request.invalid" and problem["side"] == "sender"
    assert {(one["field"], one["code"]) for one in problem["errors"]} == {(field, code)}
    assert "remedy" in problem and iin not in json.dumps(problem["errors"])


async def test_a_refused_login_cites_process_2_and_leaves_a_record_that_names_nobody(world: Any) -> None:
    citizen = world.citizen()
    await citizen.register()
    answer = await citizen.log_in("wrong password", regulation=REGULATION)
    assert answer.status_code == 401
    assert answer.json()["code"] == "login.refused" and answer.json()["clause"] == "6 4)"
    (record,) = await journal(world, "refusal")
    assert record["step"] == "P2" and record["limit_s"] == 30 and record["outcome"] == "refusal"
    assert len(record["person"]) == 64 and citizen.iin not in json.dumps(record)


async def test_without_a_service_only_what_all_the_acts_agree_on_is_named(world: Any) -> None:
    citizen = world.citizen()
    await citizen.register()
    answer = await citizen.log_in("wrong password")
    assert answer.json()["code"] == "login.refused" and "clause" not in answer.json(), "every act has its own clause"
    (record,) = await journal(world, "refusal")
    assert record["step"] == "P2" and record["limit_s"] is None, "and only one act gives the refusal its seconds"


async def test_an_unknown_iin_is_refused_with_the_same_words_as_a_wrong_password(world: Any) -> None:
    known, unknown = world.citizen(), world.citizen()
    await known.register()
    wrong, missing = await known.log_in("wrong password"), await unknown.log_in()
    assert {**wrong.json(), "traceparent": ""} == {**missing.json(), "traceparent": ""}


async def test_the_service_whose_page_asked_for_the_login_is_cited(world: Any) -> None:
    answer = await world.citizen().log_in(regulation=REGULATION)
    assert answer.json()["clause"] == "6 4)"


async def test_guessing_is_slowed_down_by_iin_and_address_and_a_right_login_ends_it(world: Any) -> None:
    citizen = world.citizen()
    await citizen.register()
    answers = [await citizen.log_in("wrong password") for _ in range(6)]
    assert [one.status_code for one in answers] == [401] * 5 + [429]
    assert answers[-1].json()["code"] == "request.throttled" and int(answers[-1].headers["retry-after"]) == 30
    assert (await citizen.log_in()).status_code == 429
    await world.clock.advance(31)
    assert (await citizen.log_in()).status_code == 201
    assert (await citizen.log_in("wrong password")).status_code == 401


async def test_waits_grow_with_every_failure(world: Any) -> None:
    citizen = world.citizen()
    await citizen.register()
    waits = []
    for _ in range(8):
        answer = await citizen.log_in("wrong password")
        if answer.status_code == 429:
            waits.append(int(answer.headers["retry-after"]))
            await world.clock.advance(waits[-1] + 1)
    assert waits == [30, 60]


async def test_another_citizen_and_another_address_are_not_slowed_down(world: Any) -> None:
    victim = await world.citizen().arrive()
    for _ in range(6):
        await victim.log_in("wrong password")
    assert (await world.citizen().arrive()).token
    import httpx

    elsewhere = httpx.ASGITransport(world.app, client=("203.0.113.7", 5000))
    async with httpx.AsyncClient(transport=elsewhere, base_url="http://portal") as http:
        answer = await http.post("/v1/sessions", json={"iin": victim.iin, "password": PASSWORD})
    assert answer.status_code == 201


async def test_a_hundred_guesses_at_once_count_as_a_hundred(world: Any) -> None:
    citizen = world.citizen()
    await citizen.register()
    answers = await asyncio.gather(*(citizen.log_in(f"wrong password {n}") for n in range(20)))
    assert sorted({one.status_code for one in answers}) == [401, 429]
    assert sum(one.status_code == 401 for one in answers) == 5


async def test_the_throttle_names_nobody(world: Any) -> None:
    citizen = world.citizen()
    await citizen.register()
    await citizen.log_in("wrong password")
    async with world.app.state.node.db.read() as conn:
        keys = [row.key for row in await conn.execute(select(origin.attempts))]
    assert len(keys) == 2 and all(len(key) == 64 and citizen.iin not in key for key in keys)


async def test_registrations_from_one_address_are_limited(world: Any) -> None:
    limit = world.settings.registrations_per_hour
    portal = world.app.state.portal
    key = portal.keyring.throttle_key("register", "127.0.0.1")
    from datetime import timedelta

    async with portal.db.begin() as conn:
        await conn.execute(
            origin.attempts.insert().values(key=key, count=limit, until=world.clock.now() + timedelta(hours=1))
        )
    answer = await world.citizen().register()
    assert answer.status_code == 429
    await world.clock.advance(3601)
    assert (await world.citizen().register()).status_code == 201


async def test_a_session_ends_by_logging_out(citizen: Any) -> None:
    token = citizen.token
    answer = await citizen.world.http.delete("/v1/sessions/current", headers=citizen.headers())
    assert answer.status_code == 204
    citizen.token = token
    assert (await citizen.get("/v1/cases")).json()["code"] == "session.invalid"


async def test_a_session_ends_by_time(world: Any, citizen: Any) -> None:
    await world.clock.advance(61 * 60)
    answer = await citizen.get("/v1/cases")
    assert answer.status_code == 401 and answer.json()["code"] == "session.expired"


@pytest.mark.parametrize("header", ["", "Bearer", "Basic abc", "Bearer abc.def.ghi", "Bearer " + "x" * 5000])
@pytest.mark.law(topic="technical", regulation="atyrau-housing-queue", clause="17 3)")
async def test_a_call_without_a_good_token_is_refused(world: Any, header: str) -> None:
    answer = await world.http.get("/v1/cases", headers={"authorization": header} if header else {})
    assert answer.status_code == 401 and answer.json()["code"] == "session.invalid"


async def test_an_envelope_token_of_the_system_is_no_session(world: Any) -> None:
    from datetime import timedelta

    from egovkit.signatures.tokens import issue_token

    node = world.app.state.node
    token = issue_token(
        node.key, typ="egov-access+jwt", issuer="portal-pep", subject="x", audience="portal-pep",
        roles=("citizen",), ttl=timedelta(minutes=5), clock=world.clock, ids=node.ids,
    )  # fmt: skip
    answer = await world.http.get("/v1/cases", headers={"authorization": f"Bearer {token}"})
    assert answer.json()["code"] == "session.invalid"


async def test_sessions_that_ended_long_ago_are_forgotten(world: Any, citizen: Any) -> None:
    await world.clock.advance(3 * 24 * 3600)
    await citizen.log_in()
    async with world.app.state.node.db.read() as conn:
        assert (await conn.execute(select(func.count()).select_from(sessions))).scalar_one() == 1


async def test_passwords_leave_no_trace_but_argon2id(world: Any, citizen: Any) -> None:
    database = world.settings.home / "portal-pep.sqlite3"
    content = b"".join(path.read_bytes() for path in database.parent.glob("portal-pep.sqlite3*") if path.is_file())
    assert b"$argon2id$" in content and PASSWORD.encode() not in content


async def test_the_portals_journal_is_chained_and_signed(world: Any, citizen: Any) -> None:
    await citizen.open()
    async with world.app.state.node.db.read() as conn:
        rows, heads = await read_rows(conn, kit.journal, bodies=BODIES), await read_heads(conn, kit.journal)
    assert rows and verify_rows(rows, heads) == [] and all(row.signature for row in rows)
