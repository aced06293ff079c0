"""Logging in and out."""

from __future__ import annotations

from fastapi import Request, Response

from egovkit.declared import refuses
from egovkit.routes import Routes
from provider_arm.api.access import OfDesk, Person, address_of, bearer, of_a_session
from provider_arm.api.models import SessionNew, SessionView, StaffView
from provider_arm.api.render import staff_view
from provider_arm.service import staff

router = Routes(prefix="/v1/sessions", tags=["sessions"])


@router.post("", status_code=201)
@refuses("staff.login_refused", "staff.login_throttled")
async def log_in(request: Request, desk: OfDesk, wish: SessionNew) -> SessionView:
    """ИИН and password for a token. No Idempotency-Key: a repetition is another session, and none is stored."""
    login = await staff.log_in(
        desk.ws,
        desk.door,
        iin=wish.iin,
        password=wish.password,
        address=address_of(request),
        regulation=wish.regulation,
    )
    return SessionView(token=login.token, expires_at=login.expires, staff=staff_view(login.person))


@router.get("/current")
async def who_am_i(person: Person) -> StaffView:
    return staff_view(person)


@router.delete("/current", status_code=204)
@of_a_session
async def log_out(request: Request, desk: OfDesk) -> Response:
    await staff.log_out(desk.ws, desk.door, bearer(request))
    return Response(status_code=204)
