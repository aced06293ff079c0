"""The control API every twin of a register has: one fault, off until somebody sets it. No real register has it.
In a sandbox `egov faults` sets the same fault, by the names of contracts/faults.yaml.

PUT    /v1/control/fault   {kind, seconds?, times?, iin?}   instead of the one before
GET    /v1/control/fault   {fault: null} = none
DELETE /v1/control/fault   questions that wait in the queue are taken again
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Response
from pydantic import BaseModel, Field

from egovkit.routes import Routes
from egovregister.api import Administrator, Model
from egovregister.domain import Fault, FaultKind

DAY = 86_400.0

router = Routes(prefix="/v1/control", tags=["control"])


class FaultWish(Model):
    kind: Annotated[FaultKind, Field(strict=False)]
    seconds: float | None = Field(default=None, gt=0, le=DAY, description="of `late`: how much later the answer leaves")
    times: int | None = Field(default=None, ge=1, le=1000, description="questions it bends; default: until deleted")
    iin: str | None = Field(default=None, pattern=r"^\d{12}$", description="only questions about this ИИН")


class FaultView(BaseModel):
    kind: FaultKind
    seconds: float | None
    times: int | None = Field(description="questions it still bends; null = until deleted")
    iin: str | None
    set_at: datetime


class FaultState(BaseModel):
    fault: FaultView | None


@router.put("/fault")
async def set_fault(desk: Administrator, wish: FaultWish) -> FaultState:
    return _state(await desk.keeper.bend(wish.kind, wish.seconds, wish.times, wish.iin))


@router.get("/fault")
async def get_fault(desk: Administrator) -> FaultState:
    return _state(await desk.keeper.fault())


@router.delete("/fault", status_code=204)
async def delete_fault(desk: Administrator) -> Response:
    await desk.keeper.set_fault(None)
    return Response(status_code=204)


def _state(fault: Fault | None) -> FaultState:
    if fault is None:
        return FaultState(fault=None)
    view = FaultView(kind=fault.kind, seconds=fault.seconds, times=fault.left, iin=fault.iin, set_at=fault.set_at)
    return FaultState(fault=view)
