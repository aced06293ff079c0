"""The register of participants: who may change it, what members are told, rotation and suspension."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from egovkit.contracts import contracts_dir
from egovkit.membership import Members
from egovkit.signatures.jws import peek_payload
from gateway_shep.tables import metadata

from .conftest import Shep

pytestmark = pytest.mark.service

PARTNER: dict[str, Any] = {
    "code": "partner-one",
    "kind": "provider",
    "name_ru": "Партнёр <b>один</b>",
    "name_kk": "Бірінші серіктес ә ғ қ ң ө ұ ү һ і",
    "bin": "991240990056",
    "kato": "230000000",
    "regions": ["atyrau"],
    "services": ["*"],
    "delivery": "http",
}


async def members(shep: Shep) -> Members:
    answer = await shep.http.get("/v1/members")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/jose"
    return Members.from_payload(peek_payload(answer.text, "egov-members+jws"))


SEEDED = {one["code"] for one in yaml.safe_load((contracts_dir() / "participants.yaml").read_text())["participants"]}


async def test_a_new_shep_lists_the_seeded_participants_and_its_own_certificate(shep: Shep) -> None:
    listed = await members(shep)
    assert {m.code for m in listed.members} == SEEDED
    own = listed.get("gateway-shep")
    assert own is not None and own.certificates[0].thumbprint == shep.keys["gateway-shep"].thumbprint


async def test_the_list_is_not_sent_again_to_who_has_it(shep: Shep) -> None:
    first = await shep.http.get("/v1/members")
    again = await shep.http.get("/v1/members", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304 and again.content == b""


async def test_a_registered_certificate_enters_the_list_and_members_are_told(shep: Shep) -> None:
    before = (await members(shep)).version
    assert (await shep.enrol("portal-pep")).status_code == 201
    await shep.app.state.running.door.gateway.parts.publisher.idle()
    listed = await members(shep)
    assert listed.version == before + 1
    assert listed.by_thumbprint(shep.keys["portal-pep"].thumbprint) is not None
    [news] = shep.inbox("inbox.portal-pep")
    assert news.type == "kz.egov.members.updated.v1"
    assert peek_payload(news.data["list"], "egov-members+jws")["version"] == listed.version


async def test_two_certificates_overlap_during_a_rotation_and_the_old_one_ends(shep: Shep) -> None:
    await shep.enrol("portal-pep")
    old = shep.keys["portal-pep"].thumbprint
    await shep.enrol("portal-pep")
    listed = await members(shep)
    assert len(listed.get("portal-pep").certificates) == 2  # type: ignore[union-attr]
    gone = await shep.http.delete(f"/v1/participants/portal-pep/certificates/{old}", headers=shep.admin)
    assert gone.status_code == 200
    assert (await members(shep)).by_thumbprint(old) is None
    shown = (await shep.http.get(f"/v1/certificates/{old}")).json()
    assert shown["participant"] == "portal-pep" and shown["withdrawn"] is not None


async def test_a_certificate_of_another_system_a_person_or_a_revoked_one_is_not_registered(shep: Shep) -> None:
    foreign = await shep.enrol("portal-pep", shep.pki.system("provider-arm"))
    assert (foreign.status_code, foreign.json()["code"]) == (422, "participant.foreign_certificate")
    person = await shep.enrol("portal-pep", shep.pki.person("991231600012"))
    assert person.json()["code"] == "certificate.wrong_usage"
    key = shep.pki.system("portal-pep")
    shep.pki.revoke(key.certificate)
    await shep.app.state.node.trust_source.refresh(force=True)
    assert (await shep.enrol("portal-pep", key)).json()["code"] == "certificate.revoked"
    assert (await members(shep)).get("portal-pep").certificates == ()  # type: ignore[union-attr]


async def test_a_partner_is_registered_changed_suspended_and_resumed(shep: Shep) -> None:
    made = await shep.http.post("/v1/participants", json=PARTNER, headers=shep.admin)
    assert made.status_code == 201 and made.json()["name_ru"] == PARTNER["name_ru"]
    twice = await shep.http.post("/v1/participants", json=PARTNER, headers=shep.admin)
    assert (twice.status_code, twice.json()["code"]) == (409, "participant.exists")
    path = "/v1/participants/partner-one"
    changed = await shep.http.patch(path, json={"regions": ["semey"]}, headers=shep.admin)
    assert changed.json()["regions"] == ["semey"] and changed.json()["name_kk"] == PARTNER["name_kk"]
    await shep.http.post(f"{path}/suspend", headers=shep.admin)
    assert (await members(shep)).get("partner-one").state == "suspended"  # type: ignore[union-attr]
    await shep.http.post(f"{path}/resume", headers=shep.admin)
    assert (await members(shep)).get("partner-one").state == "active"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"code": "Партнёр"}, "code"),
        ({"bin": "123456789012"}, "bin"),
        ({"kind": "national_gateway"}, "kind"),
        ({"regions": ["mars"]}, "regions"),
        ({"name_ru": "я" * 10_000}, "name_ru"),
        ({"password": "x"}, "password"),
    ],
)
async def test_bad_data_of_a_participant_names_the_field_and_stores_nothing(
    shep: Shep, change: dict[str, Any], field: str
) -> None:
    answer = await shep.http.post("/v1/participants", json={**PARTNER, **change}, headers=shep.admin)
    assert answer.status_code == 422
    assert any(field in error["field"] for error in answer.json()["errors"])
    assert {m.code for m in (await members(shep)).members} == SEEDED


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic x"}])
async def test_only_operators_touch_the_register(shep: Shep, headers: dict[str, str]) -> None:
    answer = await shep.http.post("/v1/participants", json=PARTNER, headers=headers)
    assert answer.status_code == 401 and answer.json()["code"].startswith("access.")


async def test_bytes_that_are_no_certificate_are_refused_and_change_nothing(shep: Shep) -> None:
    await shep.enrol("portal-pep")
    before = (await members(shep)).version
    for bad in ("0" * 100, "-----BEGIN CERTIFICATE-----\n" + "A" * 100, "ё" * 100):
        sent = {"certificate": bad}
        answer = await shep.http.post("/v1/participants/portal-pep/certificates", json=sent, headers=shep.admin)
        assert (answer.status_code, answer.json()["code"]) == (422, "certificate.malformed")
    assert (await members(shep)).version == before


async def test_unknown_participants_and_certificates_are_problems(shep: Shep) -> None:
    assert (await shep.http.get("/v1/participants/nobody", headers=shep.admin)).json()["code"] == "participant.unknown"
    gone = await shep.http.delete("/v1/participants/portal-pep/certificates/x", headers=shep.admin)
    assert gone.json()["code"] == "participant.certificate_unknown"
    own = await shep.http.post("/v1/participants/gateway-shep/suspend", headers=shep.admin)
    assert (own.status_code, own.json()["code"]) == (409, "participant.own")


async def test_every_change_of_the_register_is_in_the_journal(shep: Shep) -> None:
    await shep.enrol("portal-pep")
    gateway = shep.app.state.running.door.gateway
    rows = gateway.parts.journal.tables.rows
    async with gateway.parts.db.read() as conn:
        kinds = [row.kind for row in await conn.execute(rows.select().order_by(rows.c.position))]
    assert kinds[0] == "admin" and "envelope" in kinds


def test_the_migrations_make_exactly_the_tables() -> None:
    from egovkit.db.migrate import assert_migrations_match

    assert_migrations_match("gateway_shep", metadata)
