"""A new version of an act while applications lie at the counter."""

from __future__ import annotations

from typing import Any

import pytest

from egovlaw.testing import newer
from egovorigin.testing import REGULATION

pytestmark = pytest.mark.service


async def test_a_draft_of_the_former_version_is_not_sent_and_keeps_the_name_of_its_act(
    world: Any, operator: Any
) -> None:
    case = await operator.checked(world.iin())
    document = await operator.prepared(case)
    centre = world.app.state.centre
    before = centre.catalogue.by_code[REGULATION].title_ru
    object.__setattr__(centre, "catalogue", newer(centre.catalogue, REGULATION, forms=()))
    refused = await operator.submit(case, operator.sign(document))
    assert (refused.status_code, refused.json()["code"]) == (409, "case.regulation_changed")
    assert (refused.json()["began"], refused.json()["now"]) == (1, 2)
    [line] = (await operator.get("/v1/cases")).json()["items"]
    assert (line["service"]["version"], line["service"]["title_ru"]) == (1, before)
    asked = await operator.get(f"/v1/cases/{case}/survey")
    assert asked.status_code == 200, "the survey is that of its version too; the new one has none"
