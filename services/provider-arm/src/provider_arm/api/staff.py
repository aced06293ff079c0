"""The control API: an administrator makes and changes the accounts of staff.

No Idempotency-Key here: it keeps a hash of the body, and these bodies hold passwords. Making an account twice is
refused by its ИИН instead.
"""

from __future__ import annotations

from egovkit.declared import refuses
from egovkit.routes import Routes
from provider_arm.api.access import Administrator, Cursor, Limit
from provider_arm.api.models import StaffChange, StaffNew, StaffPage, StaffView
from provider_arm.api.render import staff_view
from provider_arm.service import staff
from provider_arm.service.staff import StaffWish

router = Routes(prefix="/v1/staff", tags=["staff"])


@router.post("", status_code=201)
@refuses("staff.exists")
async def create_staff(desk: Administrator, wish: StaffNew) -> StaffView:
    made = await staff.create(
        desk.ws,
        desk.door,
        StaffWish(
            iin=wish.iin,
            name=wish.name,
            password=wish.password,
            roles=frozenset(wish.roles),
            region=wish.region,
            provider=wish.provider,
            office=wish.office,
            office_kind=wish.office_kind,
        ),
    )
    return staff_view(made)


@router.get("")
async def list_staff(desk: Administrator, limit: Limit = 50, cursor: Cursor = None) -> StaffPage:
    found, after = await staff.everyone(desk.ws, cursor, limit)
    return StaffPage(items=[staff_view(person) for person in found], next=after)


@router.patch("/{staff_id}")
@refuses("staff.unknown")
async def change_staff(desk: Administrator, staff_id: str, wish: StaffChange) -> StaffView:
    named = wish.model_dump(exclude_none=True, exclude={"password"})
    if "roles" in named:
        named["roles"] = sorted(set(named["roles"]))
    return staff_view(await staff.change(desk.ws, desk.door, staff_id, named, wish.password))
