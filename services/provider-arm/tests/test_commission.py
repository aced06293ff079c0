"""Where a commission decides nobody decides before it; of a result with several forms one is chosen (A32)."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

if TYPE_CHECKING:
    from conftest import Arm

pytestmark = pytest.mark.service
OPINION = {"positive": True, "text_ru": "Поставить на учёт", "text_kk": "Есепке қою"}


def problem(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def lodged(arm: Arm, act: str = "semey-housing-queue") -> tuple[str, Any]:
    """An application, taken by who may do everything but speak for the commission."""
    case, official = await arm.lodge(act, "semey"), await arm.appoint("executor", "authorised", region="semey")
    assert (await official.take(case)).status_code == 200
    return case, official


async def test_nobody_decides_before_the_commission_and_only_its_member_speaks_once(arm: Arm) -> None:
    case, official = await lodged(arm)
    assert problem(await official.check(case)) == (409, "decision.opinion_missing")
    path = f"/v1/cases/{case}/commission"
    assert problem(await official.post(path, OPINION)) == (403, "staff.role_not_enough")
    member = await arm.appoint("commission", region="semey")
    assert (await member.post(path, OPINION)).status_code == 200
    assert problem(await member.post(path, OPINION)) == (409, "decision.opinion_given")
    assert (await official.check(case)).status_code == 200
    assert problem(await member.post(path, OPINION))[0] == 409


async def test_an_act_without_a_commission_takes_no_opinion(arm: Arm) -> None:
    member = await arm.appoint("commission")
    answer = await member.post(f"/v1/cases/{await arm.submit()}/commission", OPINION)
    assert problem(answer) == (409, "decision.no_commission")


async def test_one_service_in_two_regions_goes_in_each_by_its_own_act(arm: Arm) -> None:
    """Both acts put people into the queue for a dwelling; Semey's has a commission decide, that of Atyrau has not."""
    acts = {"semey": "semey-housing-queue", "atyrau": "atyrau-housing-queue"}
    officials = {region: await arm.appoint("executor", region=region) for region in acts}
    cases = {region: await arm.lodge(act, region) for region, act in acts.items()}
    for region, official in officials.items():
        [task] = (await official.get("/v1/tasks")).json()["items"]
        assert (task["case"], task["regulation"]) == (cases[region], acts[region])
        assert (await official.take(cases[region])).status_code == 200
    assert problem(await officials["semey"].check(cases["semey"])) == (409, "decision.opinion_missing")
    assert (await officials["atyrau"].check(cases["atyrau"])).status_code == 200
    stranger = await officials["atyrau"].get(f"/v1/cases/{cases['semey']}")
    assert problem(stranger) == (404, "provider.case_unknown")


@pytest.mark.parametrize(("variant", "code"), [(None, "result.variant_missing"), ("no_such", "result.variant_unknown")])
async def test_a_result_of_several_forms_is_one_of_them(arm: Arm, variant: str | None, code: str) -> None:
    case, official = await lodged(arm, "semey-kindergarten-queue")
    await official.check(case)
    certificate = base64.b64encode(official.certificate().certificate.public_bytes(Encoding.DER)).decode()
    body = {"certificate": certificate, "text_ru": "Направление", "text_kk": "Жолдама"}
    chosen = {} if variant is None else {"variant": variant}
    answer = await official.post(f"/v1/cases/{case}/result/prepare", {**body, "values": {}, **chosen})
    assert problem(answer) == (422, code) and answer.json()["variants"]
