"""The administrator's list of certificates."""

from typing import Any

import pytest

pytestmark = pytest.mark.service

Twin = Any  # the class is conftest's, which tests cannot import
IIN, BIN = "991231600012", "999940000010"

OTHER = "991231600022"


async def search(twin: Twin, **query: Any) -> list[str]:
    answer = await twin.admin.get("/v1/certificates", params=query)
    assert answer.status_code == 200, answer.text
    return [item["serial"] for item in answer.json()["items"]]


async def test_certificates_are_found_by_each_of_their_marks_and_by_all_together(twin: Twin) -> None:
    first = await twin.person()
    second = await twin.person(iin=OTHER, profile="person_auth")
    await twin.revoke(second["serial"], "superseded")
    assert await search(twin) == [first["serial"], second["serial"]]
    assert await search(twin, iin=OTHER) == [second["serial"]]
    assert await search(twin, serial=first["serial"].upper()) == [first["serial"]]
    assert await search(twin, profile="person_auth") == [second["serial"]]
    assert await search(twin, state="revoked") == [second["serial"]]
    assert await search(twin, iin=IIN, state="revoked") == []


async def test_pages_follow_each_other_without_gap_or_repetition_while_new_ones_are_issued(twin: Twin) -> None:
    issued = [(await twin.person())["serial"] for _ in range(5)]
    seen: list[str] = []
    cursor: str | None = "0"
    while cursor is not None:
        page = (await twin.admin.get("/v1/certificates", params={"limit": 2, "cursor": cursor})).json()
        assert len(page["items"]) <= 2
        seen += [item["serial"] for item in page["items"]]
        cursor = page["next"]
        if len(seen) == 2:
            issued.append((await twin.person())["serial"])
    assert seen == issued


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 201}, {"cursor": "-1"}, {"iin": "' OR 1=1"}, {"serial": "x"}, {"state": "x"}]
)
async def test_a_senseless_query_is_refused_naming_its_parameter(twin: Twin, query: dict[str, Any]) -> None:
    answer = await twin.admin.get("/v1/certificates", params=query)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [f"query.{next(iter(query))}"]


async def test_one_certificate_is_shown_whole_with_its_chain(twin: Twin) -> None:
    person = await twin.person()
    shown = (await twin.admin.get(f"/v1/certificates/{person['serial'].upper()}")).json()
    assert shown == {name: value for name, value in person.items() if name != "pkcs12"}


async def test_an_unknown_serial_number_is_told_so(twin: Twin) -> None:
    answer = await twin.admin.get(f"/v1/certificates/{'f' * 40}")
    assert (answer.status_code, answer.json()["code"]) == (404, "nuc.certificate_unknown")
