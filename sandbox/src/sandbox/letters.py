"""`egov dead-letters`: what the bus could not process, seen and decided through ШЭП's operator API."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from egovkit.clock import SystemClock
from egovkit.ids import SystemIds
from sandbox.bootstrap import bearer, write_private
from sandbox.composition import BY_CODE, SHEP, Home
from sandbox.places import note_of

PATH = "/v1/dead-letters"
TIMEOUT_S = 30.0
COLUMNS = ("id", "received_at", "queue", "reason", "deliveries", "generation", "state", "type", "case_id")


class Refused(Exception):
    """ШЭП said no; the text is its problem document, for people."""


class Operator:
    """Calls ШЭП in an operator's name."""

    def __init__(self, client: httpx.Client, label: str, console: Console) -> None:
        self._client = client
        self._label = label
        self._console = console

    def list(self, wanted: Mapping[str, Any], *, as_json: bool) -> None:
        """One page of letters, newest first."""
        page = self._ask("GET", PATH, params=given(wanted)).json()
        if as_json:
            self._json(page)
            return
        table = Table(*COLUMNS, box=None, pad_edge=False)
        for letter in page["items"]:
            table.add_row(*("-" if letter[name] is None else str(letter[name]) for name in COLUMNS))
        self._console.print(table, highlight=False, markup=False)
        if page["next"] is not None:
            self._console.print(f"more: --cursor {page['next']}", highlight=False)

    def show(self, letter: str, body: Path | None) -> None:
        """A letter with its headers; its exact bytes into the file `body`, which ШЭП records."""
        self._json(self._ask("GET", f"{PATH}/{letter}").json())
        if body is not None:
            write_private(body, self._ask("GET", f"{PATH}/{letter}/body").content)

    def decide(self, letter: str, what: str, note: str) -> None:
        """`redrive` or `discard` one letter."""
        self._json(self._ask("POST", f"{PATH}/{letter}/{what}", json={"note": note}).json())

    def redrive_many(self, note: str, wanted: Mapping[str, Any]) -> None:
        """Put back what waits, oldest first."""
        self._json(self._ask("POST", f"{PATH}/redrive", json={"note": note, **given(wanted)}).json())

    def _ask(self, method: str, path: str, **request: Any) -> httpx.Response:
        headers = {"Egov-Operator": self._label, "Accept-Language": "en"}
        if method == "POST":
            headers["Idempotency-Key"] = SystemIds(SystemClock()).new()
        answer = self._client.request(method, path, headers=headers, **request)
        if answer.is_error:
            raise Refused(problem_text(answer))
        return answer

    def _json(self, value: Any) -> None:
        self._console.print(
            json.dumps(value, ensure_ascii=False, indent=2), highlight=False, markup=False, soft_wrap=True
        )


def given(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Without what was not asked for."""
    return {name: value for name, value in wanted.items() if value is not None}


def problem_text(answer: httpx.Response) -> str:
    """A problem document in one line, also when it is none."""
    try:
        problem = answer.json()
        fields = "".join(f" {one['field']}: {one['message']}." for one in problem.get("errors", []))
        return f"{problem['code']}: {problem['detail']}{fields} {problem['remedy']}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return f"{answer.status_code} from {answer.request.url}"


def client_of(home: Path, url: str | None, token_file: Path | None) -> httpx.Client:
    """ШЭП at `url`, by default that of the deployment which runs on the home; OSError when there
    is no token to read."""
    here = Home(home)
    token = (token_file or here.admin_token(SHEP)).read_text().strip()
    note = note_of(here)
    address = url or (note["urls"][SHEP] if note else f"http://127.0.0.1:{BY_CODE[SHEP].port}")
    return httpx.Client(base_url=address, headers=bearer(token), timeout=TIMEOUT_S, trust_env=False, verify=here.trust)
