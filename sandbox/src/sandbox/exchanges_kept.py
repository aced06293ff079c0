"""The request logs that lie in the home of a deployment that is over, asked as a running one is: what a replay with
`--keep` leaves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from egovkit.contracts import contracts_dir, read_once
from egovkit.problems import Problems
from egovkit.sandbox.exchange_store import ExchangeStore
from egovkit.sandbox.exchanges import FILE, MOST_ROWS, PATH, ExchangesQuery, page_of, whole_of
from sandbox.composition import BY_CODE
from sandbox.exchange_log import UnknownExchange
from sandbox.target import Member, NoTarget


class Kept:
    def __init__(self, home: Path) -> None:
        """NoTarget where nothing was recorded."""
        found = sorted(home.glob(FILE.format("*", "*")))
        if not found:
            raise NoTarget(
                f"no request log lies in {home}: `egov replay --keep DIR` leaves them in DIR/world-1 and so on"
            )
        self._files = {path.stem.removeprefix("exchanges-"): path for path in found}
        self.members: Sequence[Member] = [Member(name, name.rpartition("-")[0], _url(name)) for name in self._files]

    def of(self, code: str) -> list[Member]:
        found = [member for member in self.members if member.code == code]
        if not found:
            raise NoTarget(f"{code!r} recorded nothing there; {', '.join(member.code for member in self.members)} did")
        return found

    async def ask(self, method: str, member: Member, path: str, **how: Any) -> Any:
        """As egovkit.sandbox.exchanges answers over HTTP."""
        store = ExchangeStore(self._files[member.name], MOST_ROWS, 0)
        problems = read_once(Problems.load, contracts_dir())
        if path == PATH:
            wanted = ExchangesQuery.model_validate(how["params"])
            rows = await asyncio.to_thread(store.find, wanted.wish())
            return page_of(rows, wanted, problems).model_dump(mode="json")
        row = await asyncio.to_thread(store.get, path.rpartition("/")[2])
        if row is None:
            raise UnknownExchange(path)
        return whole_of(row, problems).model_dump(mode="json")


def _url(name: str) -> str:
    """Compose's port: what a printed curl would go to."""
    return f"http://127.0.0.1:{BY_CODE[name.rpartition('-')[0]].port}"
