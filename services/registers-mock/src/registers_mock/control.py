"""The twin's own control API: the registers' shared fault, the queues as time moves them, and whom to ask for.

GET  /v1/control/queues/{register}/{region}?category=         who stands in a list, and how many places are free
POST /v1/control/queues/{register}/{region}/serve {category?} the first one gets a place; everybody behind moves up
PUT  /v1/control/queues/{register}/{region}/places {category?, free}  so many of the first have a direction
GET  /v1/control/examples                                     {region: {name: {register, person_iin}}}
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import BaseModel, Field

from egovkit.declared import may_be_keyed, refuses
from egovkit.idempotency import Answer, Attempt
from egovkit.routes import Routes
from egovregister.api import Administrator, Model
from egovregister.control import router as fault_router
from registers_mock.api import OfAkimats, RegionName, akimats_of, keeping
from registers_mock.domain import GENERAL, Book, Register

router = Routes(tags=["control"])
router.routes.extend(fault_router.routes)
LIST = "/v1/control/queues/{register}/{region}"


class Which(Model):
    category: str = Field(default=GENERAL, max_length=20)


class Places(Which):
    free: int = Field(ge=0, le=1000)


class Line(BaseModel):
    free: int
    standing: list[dict[str, Any]] = Field(description="as answers carry them, the first one first")


@router.get(LIST)
async def get_line(
    _: Administrator,
    akimats: OfAkimats,
    register: Register,
    region: RegionName,
    category: Annotated[str, Query(max_length=20)] = GENERAL,
) -> Line:
    free, standing = await akimats.line(Book(register, region), category)
    return Line(free=free, standing=standing)


@router.post(f"{LIST}/serve")
@may_be_keyed
@refuses("queue.empty")
async def serve_next(
    request: Request, akimats: OfAkimats, _: Administrator, wish: Which, register: Register, *, region: RegionName
) -> Response:
    async def act(attempt: Attempt) -> Answer:
        return await akimats.serve(Book(register, region), wish.category, keeping(attempt, 200))

    node = akimats.answering.node
    return await node.idempotent.run(request, scope="admin", call=act, required=False)


@router.put(f"{LIST}/places", status_code=204)
async def set_places(
    _: Administrator, akimats: OfAkimats, register: Register, region: RegionName, wish: Places
) -> Response:
    await akimats.set_free(Book(register, region), wish.category, wish.free)
    return Response(status_code=204)


@router.get("/v1/control/examples")
async def get_examples(request: Request, _: Administrator) -> dict[str, dict[str, dict[str, str]]]:
    return akimats_of(request).examples()
