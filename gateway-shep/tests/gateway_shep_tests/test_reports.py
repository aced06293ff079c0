"""What was used of the acts' limits, as operators see it: of one case, and overdue by provider, step and clause."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from .conftest import Shep
from .test_judge import REGULATION, bus, by_trunk, completed, registered, submitted

pytestmark = pytest.mark.service
__all__ = ["bus"]
TABLE = "Приложение 1, таблица 1"


async def test_a_cases_budget_names_limit_clause_used_and_gateways(bus: Shep) -> None:
    case = bus.ids.new()
    await bus.take(submitted(bus, case))
    await bus.clock.advance(timedelta(seconds=30))
    await by_trunk(bus, registered(bus, case))
    await by_trunk(bus, completed(bus, case))
    answer = (await bus.http.get(f"/v1/cases/{case}/budget", headers=bus.admin)).json()
    found = [(one["step"], one["clause"], one["limit_s"], one["late"]) for one in answer["items"]]
    assert found == [
        ("P5", f"{TABLE}, 5", 60.0, False),
        ("P6", f"{TABLE}, 6", 60.0, False),
        ("P8", f"{TABLE}, 8", 900.0, False),
    ]
    number = answer["items"][1]
    assert (number["used_s"], number["share"]) == (30.0, 0.5)
    assert [hop["gateway"] for hop in number["hops"]] == ["regional-gateway-rshep", "gateway-shep"]
    assert (answer["ended"], answer["running"], answer["regulation_version"]) == (True, None, 1)


async def test_a_submission_nobody_registers_is_overdue_from_its_limit_until_its_number_comes(bus: Shep) -> None:
    case = bus.ids.new()
    await bus.take(submitted(bus, case))
    await bus.clock.advance(timedelta(seconds=59))
    assert (await overdue(bus))["waiting"] == []
    await bus.clock.advance(timedelta(seconds=31))
    [waiting] = (await overdue(bus))["waiting"]
    assert (waiting["case_id"], waiting["step"], waiting["clause"]) == (case, "P6", f"{TABLE}, 6")
    assert waiting["overdue_s"] == 30.0
    await by_trunk(bus, registered(bus, case))
    report = await overdue(bus)
    assert report["waiting"] == []
    first = report["items"][0]
    assert (first["step"], first["overdue"], first["measured"], first["worst_s"]) == ("P6", 1, 1, 90.0)
    assert (first["clause"], first["provider"], first["median_share"]) == (f"{TABLE}, 6", "provider-arm", 1.5)


async def test_the_report_is_narrowed_and_paged(bus: Shep) -> None:
    for _ in range(2):
        await bus.take(submitted(bus, case := bus.ids.new()))
        await by_trunk(bus, registered(bus, case))
    page = await overdue(bus, limit=1)
    rest = await overdue(bus, limit=1, cursor=page["next"])
    assert [one["measured"] for one in (*page["items"], *rest["items"])] == [2, 2]
    assert rest["next"] is None
    assert (await overdue(bus, regulation=REGULATION))["items"] != []
    assert (await overdue(bus, provider="nobody"))["items"] == []
    later = (bus.clock.now()).isoformat().replace("+00:00", "Z")
    await bus.clock.advance(timedelta(seconds=1))
    assert (await overdue(bus, to=later.replace("20", "19", 1)))["items"] == []


async def test_reports_are_the_operators_and_of_cases_that_exist(bus: Shep) -> None:
    assert (await bus.http.get("/v1/reports/overdue")).status_code == 401
    missing = await bus.http.get(f"/v1/cases/{bus.ids.new()}/budget", headers=bus.admin)
    assert missing.json()["code"] == "case.not_found"


async def test_waiting_cases_are_found_by_their_due_time(bus: Shep) -> None:
    query = "EXPLAIN QUERY PLAN SELECT * FROM cases WHERE due_at < '2026' ORDER BY due_at LIMIT 200"
    async with bus.app.state.running.door.gateway.parts.db.read() as conn:
        plan = " ".join(row[3] for row in await conn.execute(text(query)))
    assert "cases_due" in plan and "SCAN" not in plan


async def overdue(bus: Shep, **wanted: object) -> dict[str, list[dict[str, object]]]:
    answer = await bus.http.get("/v1/reports/overdue", params=wanted, headers=bus.admin)
    assert answer.status_code == 200, answer.text
    found: dict[str, list[dict[str, object]]] = answer.json()
    return found
