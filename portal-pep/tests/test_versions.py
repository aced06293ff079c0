"""A new version of an act while applications run."""

from __future__ import annotations

from typing import Any

import pytest

from egovlaw.testing import newer
from egovorigin.testing import REGULATION

pytestmark = pytest.mark.service


async def test_what_is_sent_ends_under_its_version_and_a_draft_of_the_former_one_is_not_sent(
    world: Any, citizen: Any, sent: Any
) -> None:
    _, provider = sent
    draft = await citizen.open()
    document = await citizen.prepared(draft)
    before = (await citizen.page(provider.case))["service"]["title_ru"]
    portal = world.app.state.portal
    law = portal.catalogue
    object.__setattr__(portal, "catalogue", newer(law, REGULATION, provider_ru="Другой орган"))
    refused = await citizen.submit(draft, citizen.sign(document))
    assert (refused.status_code, refused.json()["code"]) == (409, "case.regulation_changed")
    assert (refused.json()["began"], refused.json()["now"]) == (1, 2)
    await provider.say("case.registered", 1)
    await provider.say("case.completed", 2)
    page = await citizen.page(provider.case)
    assert page["status"]["code"] == "completed" and page["service"]["version"] == 1
    given = await citizen.post(f"/v1/cases/{provider.case}/survey", {"answers": {"quality_of_result": 3}})
    assert (given.status_code, given.json()["version"]) == (200, 1), given.text
    lines = {one["id"]: one for one in (await citizen.get("/v1/cases")).json()["items"]}
    assert {one["service"]["title_ru"] for one in lines.values()} == {before} and before != "Новая редакция"
    printed = (await citizen.get(f"/v1/cases/{provider.case}/result.pdf")).headers["etag"]
    object.__setattr__(portal, "catalogue", law)
    assert (await citizen.get(f"/v1/cases/{provider.case}/result.pdf")).headers["etag"] == printed
    object.__setattr__(portal, "catalogue", newer(law, REGULATION, provider_ru="Другой орган"))
    fresh = (await citizen.get("/v1/cases/" + await citizen.open())).json()
    assert (fresh["service"]["version"], fresh["service"]["title_ru"]) == (2, "Новая редакция")
