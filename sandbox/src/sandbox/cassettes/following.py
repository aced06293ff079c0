"""The request log of a system's processes, followed: GET /v1/sandbox/exchanges."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from egovkit.sandbox.exchanges import PATH
from sandbox.cassettes.recording import Passed
from sandbox.target import Aim, Member

PAGE = 200


class Following:
    """What a system published and was given since a moment."""

    def __init__(self, aim: Aim, members: Sequence[Member], since: datetime) -> None:
        self._aim = aim
        self._members = members
        self._since = since
        self._cursors: dict[str, str] = {}

    async def more(self) -> list[Passed]:
        """What is new since the last call, of all its processes."""
        found: list[Passed] = []
        for member in self._members:
            while page := await self._page(member):
                found += [passed for one in page if (passed := self._passed(one)) is not None]
        return found

    async def _page(self, member: Member) -> list[dict[str, Any]]:
        wanted: dict[str, Any] = {"medium": "bus", "full": "true", "order": "oldest", "limit": PAGE}
        wanted["since"] = self._since.isoformat()
        if member.name in self._cursors:
            wanted["cursor"] = self._cursors[member.name]
        page = await self._aim.ask("GET", member, PATH, params=wanted)
        items: list[dict[str, Any]] = page["items"]
        if items:  # the log's cursors are ids of exchanges; of a page that is the last for now it names none
            self._cursors[member.name] = items[-1]["id"]
        return items

    def _passed(self, one: dict[str, Any]) -> Passed | None:
        if one["event"] == "published" and one["outcome"] != "confirmed":
            return None  # it is published again, or never left
        body = base64.b64decode(one["request"]["body"])
        return Passed(datetime.fromisoformat(one["at"]), one["queue"], body)
