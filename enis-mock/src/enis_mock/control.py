"""The twin's own control API: the registers' shared fault, and which powers of attorney a test or a demo may ask for.

GET /v1/control/examples   {name: {registry_number, date, principal_iin?, representative_iin}}; `absent` is in no
                           register, as everything is that no notary certified
"""

from __future__ import annotations

from fastapi import Request

from egovkit.routes import Routes
from egovregister.api import Administrator
from egovregister.control import router as fault_router
from enis_mock.api import notaries_of

router = Routes(tags=["control"])
router.routes.extend(fault_router.routes)


@router.get("/v1/control/examples")
async def get_examples(request: Request, _: Administrator) -> dict[str, dict[str, str]]:
    return notaries_of(request).examples()
