"""The twin's own control API: the registers' shared fault, and whom a test or a demo may ask about.

GET /v1/control/examples   {name: ИИН}; `not_in_register` is a good number that nobody here has
"""

from __future__ import annotations

from fastapi import Request

from egovkit.routes import Routes
from egovregister.api import Administrator
from egovregister.control import router as fault_router
from gbd_fl_mock.api import registrars_of

router = Routes(tags=["control"])
router.routes.extend(fault_router.routes)


@router.get("/v1/control/examples")
async def get_examples(request: Request, _: Administrator) -> dict[str, str]:
    return registrars_of(request).examples()
