"""A new version of an act while drafts of the former one lie on the desk."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from egovlaw.catalogue import Catalogue

if TYPE_CHECKING:
    from conftest import Arm

pytestmark = pytest.mark.service
REGULATION = "atyrau-housing-queue"


def newer(law: Catalogue, code: str) -> Catalogue:
    """The same law with another version of one act, the former one kept for running cases."""
    old = law.by_code[code]
    new = replace(old, version=old.version + 1, title_ru="Новая редакция", title_kk="Жаңа редакция")
    current = tuple(new if one is old else one for one in law.regulations)
    return replace(law, regulations=current, superseded=(*law.superseded, old))


async def test_a_draft_of_the_former_version_is_not_worked_on_and_the_next_one_is_of_the_new(arm: Arm) -> None:
    executor = await arm.appoint("executor")
    draft = await executor.open_own()
    procedures = arm.ws.procedures
    procedures._catalogue = newer(procedures._catalogue, REGULATION)
    refused = await executor.enter(draft)
    assert (refused.status_code, refused.json()["code"]) == (409, "case.regulation_changed")
    assert (refused.json()["began"], refused.json()["now"]) == (1, 2)
    fresh = await executor.open_own()
    assert (await executor.enter(fresh)).status_code == 200
