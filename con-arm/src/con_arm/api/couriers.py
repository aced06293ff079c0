"""Papers on their way from a district branch (D15, E10)."""

from __future__ import annotations

from fastapi import Request, Response

from con_arm.api.base import AtCounter, TheCentre, once
from con_arm.api.shown import CourierShown, courier_shown
from con_arm.service import couriers
from con_arm.service.couriers import CourierSeen
from egovkit.declared import keyed, refuses
from egovkit.routes import Routes
from egovorigin.api import Key, kept, model_answer
from egovorigin.origin import Keep

router = Routes(prefix="/v1/cases", tags=["courier"])


@router.post("/{case_id}/courier/dispatch", response_model=CourierShown)
@keyed
@refuses("case.not_found", "case.wrong_state", "courier.no_term", "courier.not_a_branch", "courier.wrong_state")
async def dispatch(
    *, request: Request, centre: TheCentre, identity: AtCounter, case_id: str, key: Key = None
) -> Response:
    """The papers leave the branch; the act's term of the courier runs from here, apart from that of the service."""

    async def work(keep: Keep[CourierSeen]) -> object:
        return await couriers.dispatch(centre, identity.operator, case_id, keep)

    return await once(request, identity, kept(lambda seen: model_answer(200, courier_shown(seen)), work))


@router.post("/{case_id}/courier/arrive", response_model=CourierShown)
@keyed
@refuses("case.changed_meanwhile", "case.not_found", "courier.no_term", "courier.wrong_state")
async def arrive(
    *, request: Request, centre: TheCentre, identity: AtCounter, case_id: str, key: Key = None
) -> Response:
    async def work(keep: Keep[CourierSeen]) -> object:
        return await couriers.arrive(centre, identity.operator, case_id, keep)

    return await once(request, identity, kept(lambda seen: model_answer(200, courier_shown(seen)), work))
