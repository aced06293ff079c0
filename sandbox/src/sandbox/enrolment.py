"""How a system becomes a participant: what is asked of НУЦ and of ШЭП, by an operator of both."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import httpx

from egovlaw.identifiers import bin_problem
from sandbox.bootstrap import answer, bearer, certify
from sandbox.composition import RSHEP, SHEP

CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")  # as envelopes name their sender
REGIONAL = ("provider", "akimat_register")  # they work in regions, and belong to РШЭП's door
NATIONAL = ("portal", "centre", "person_register", "attorney_register")
BIN_WORDS = {
    "not_12_digits": "it is not 12 digits",
    "bad_date": "digits 3 and 4 are no month",
    "bad_type": "digit 5 has to be 4, 5 or 6, digit 6 one of 0 to 3",
    "bad_check_digit": "its last digit is not the check digit of the others",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """A system that wants to take part. No `services` named: all of them."""

    code: str
    kind: str
    bin: str
    regions: tuple[str, ...] = ()
    services: tuple[str, ...] = ("*",)
    name_ru: str = "Система партнёра (синтетическая)"
    name_kk: str = "Серіктес жүйесі (синтетикалық)"
    kato: str = "750000000"

    @property
    def door(self) -> str:
        """The gateway it belongs to."""
        return RSHEP if self.regions else SHEP

    def body(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "kind": self.kind,
            "name_ru": self.name_ru,
            "name_kk": self.name_kk,
            "bin": self.bin,
            "kato": self.kato,
            "regions": list(self.regions),
            "services": list(self.services),
            "delivery": "http",
        }


def mistakes(wish: Wish, regions: Collection[str], regulations: Collection[str]) -> list[str]:
    """What would be refused, all of it at once and in plain words."""
    found = []
    if not CODE.fullmatch(wish.code) or len(wish.code) > 64:
        found.append(f"the code {wish.code!r} is not made of small Latin letters and digits, parted by hyphens")
    if wish.kind not in REGIONAL + NATIONAL:
        found.append(f"{wish.kind!r} is no kind of participant; there are {', '.join(REGIONAL + NATIONAL)}")
    if (problem := bin_problem(wish.bin)) is not None:
        found.append(f"the БИН {wish.bin} is wrong: {BIN_WORDS[problem]}")
    if wish.kind in REGIONAL and not wish.regions:
        found.append(f"a {wish.kind} works in regions: give --region, of {', '.join(sorted(regions))}")
    if wish.kind in NATIONAL and wish.regions:
        found.append(f"a {wish.kind} serves the whole country: leave --region out")
    found += [
        f"there is no region {one!r}; there are {', '.join(sorted(regions))}"
        for one in wish.regions
        if one not in regions
    ]
    unknown = [one for one in wish.services if one != "*" and one not in regulations]
    found += [f"there is no service {one!r}; `egov regulations list` names them" for one in unknown]
    return found


@dataclass(frozen=True, slots=True)
class Operators:
    """Operators of НУЦ and of ШЭП, with the tokens of both."""

    http: httpx.AsyncClient
    nuc_url: str
    shep_url: str
    nuc_token: str
    shep_token: str

    async def admit(self, wish: Wish, request: str) -> dict[str, Any]:
        """What nuc-mock issued for the PKCS#10 request. Asked again after an interruption it goes on; a code that
        another organisation holds is `participant.exists`."""
        known = await self._register("GET", f"/{wish.code}")
        held = known.json() if known.is_success else {}
        if any(held.get(name) != value for name, value in wish.body().items()):
            answer(await self._register("POST", "", json=wish.body()))
        return await self.certify(wish.code, wish.bin, request)

    async def certify(self, code: str, bin: str, request: str) -> dict[str, Any]:
        """One more certificate, beside those it has."""
        issued = await certify(self.http, self.nuc_url, self.nuc_token, request=request, code=code, bin=bin)
        pem = {"certificate": issued["certificate"]}
        answer(await self._register("POST", f"/{code}/certificates", json=pem))
        return issued

    async def end_certificate(self, code: str, print_: str) -> None:
        """Its signatures are refused from now on."""
        answer(await self._register("DELETE", f"/{code}/certificates/{print_}"))

    async def participant(self, code: str) -> dict[str, Any]:
        found: dict[str, Any] = answer(await self._register("GET", f"/{code}"))
        return found

    async def set_state(self, code: str, action: str) -> dict[str, Any]:
        """`suspend` or `resume`."""
        found: dict[str, Any] = answer(await self._register("POST", f"/{code}/{action}"))
        return found

    async def _register(self, method: str, path: str, **sent: Any) -> httpx.Response:
        url = f"{self.shep_url}/v1/participants{path}"
        return await self.http.request(method, url, headers=bearer(self.shep_token), **sent)
