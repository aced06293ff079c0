"""Magic identities: shown, issued by nuc-mock, and as a page (docs/reference/identities.md)."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from egovkit.sandbox.clock import PATH as CLOCK_PATH
from egovkit.sandbox.fault_names import nearest
from egovkit.sandbox.identities import CERTIFICATE, Identity
from sandbox import bootstrap
from sandbox.composition import NUC, SHEP, Home
from sandbox.faults import NamesNothing, everybody_looks_again
from sandbox.people import KEYSTORE_PASSWORD
from sandbox.target import Aim

PAGE = "docs/reference/identities.md"

YEAR = 365  # days of a certificate whose order names none
HEADINGS = {
    "person": "Persons, by ИИН",
    "attorney": "Powers of attorney, by number and date",
    "queue": "Entries of the akimats' registers",
    "certificate": "Certificates",
}


def one_of(known: Mapping[str, Identity], name: str) -> Identity:
    """NamesNothing, with the names that come nearest."""
    if name not in known:
        raise NamesNothing(f"{name!r} is no magic identity; nearest: {nearest(name, known)}")
    return known[name]


async def issue(aim: Aim, home: Home, identity: Identity) -> dict[str, Any]:
    """A person's container from nuc-mock as the identity orders it: its answer, `pkcs12` in base64."""
    order = identity.order
    if order is None:
        certificates = "those of kind certificate"
        raise NamesNothing(f"{identity.name} has no certificate of its own; only {certificates}")
    nuc, headers = aim.of(NUC)[0], bootstrap.bearer(home.admin_token(NUC).read_text())
    now = datetime.fromisoformat((await aim.ask("GET", aim.of(SHEP)[0], CLOCK_PATH))["now"]).replace(microsecond=0)
    span = [now + timedelta(days=order.get(name, usual)) for name, usual in _USUAL.items()]
    body: dict[str, Any] = {
        "iin": order.get("iin", identity.iin),
        "surname": "СЫНАҚ",
        "name": "ҮЛГІ",
        "password": KEYSTORE_PASSWORD,
        "profile": order.get("profile", "person_sign"),
        "not_before": (span[0] - timedelta(minutes=5)).isoformat(),
        "not_after": span[1].isoformat(),
    }
    odd = {"odd": order["odd"]} if "odd" in order else {}
    path = "/v1/control/persons" if odd else "/v1/persons"
    issued: dict[str, Any] = bootstrap.answer(
        await aim.http.post(f"{nuc.url}{path}", json={**body, **odd}, headers=headers)
    )
    if (reason := order.get("revoke")) is not None:
        url = f"{nuc.url}/v1/certificates/{issued['serial']}/revoke"
        bootstrap.answer(await aim.http.post(url, json={"reason": reason}, headers=headers))
        await everybody_looks_again(aim)
    return issued


_USUAL = {"not_before_days": 0, "not_after_days": YEAR}


def write_container(issued: Mapping[str, Any], identity: Identity, folder: Path) -> list[Path]:
    """The PKCS#12 and, beside it, the file with its password."""
    folder.mkdir(parents=True, exist_ok=True)
    container, password = folder / f"{identity.name}.p12", folder / f"{identity.name}.password"
    bootstrap.write_private(container, base64.b64decode(issued["pkcs12"]))
    bootstrap.write_private(password, KEYSTORE_PASSWORD.encode())
    return [container, password]


def page(identities: Mapping[str, Identity]) -> str:
    """In markdown; a test holds the committed one to it."""
    return "\n".join(_page(identities)) + "\n"


def _page(identities: Mapping[str, Identity]) -> Iterator[str]:
    yield "# Magic identities\n"
    yield "<!-- Made by `egov identities page` from contracts/identities.yaml. -->\n"
    yield "Synthetic persons, deeds, places in queues and certificates that give the same outcome in every sandbox,"
    yield "without any control call. `egov identities show NAME` says how to ask; `egov identities issue NAME -o DIR`"
    yield "has nuc-mock issue a certificate, its dates counted from the deployment's today."
    for kind, group in groupby(identities.values(), key=lambda one: one.kind):
        yield f"\n## {HEADINGS[kind]}\n"
        yield "| name | asked by | what comes | ru | kk |"
        yield "|---|---|---|---|---|"
        for one in group:
            come = one.texts["en"] + (f" Refused with `{one.refusal}`." if one.refusal else "")
            yield f"| `{one.name}` | {_asked(one)} | {come} | {one.texts['ru']} | {one.texts['kk']} |"


def _asked(one: Identity) -> str:
    facts = [*([f"`{one.iin}`"] if one.iin else []), *(f"{name} `{value}`" for name, value in one.facts.items())]
    return ", ".join(facts)


def shown(one: Identity) -> Iterator[str]:
    """For a terminal."""
    yield f"{one.name}: {one.texts['en']}"
    yield f"  {one.texts['ru']}"
    yield f"  {one.texts['kk']}"
    yield f"  system    {one.system}"
    if one.iin:
        yield f"  ИИН       {one.iin}"
    for name, value in one.facts.items():
        yield f"  {name:<9} {value}"
    if one.fault:
        lasts = "" if one.seconds is None else f", {one.seconds:g} s"
        yield f"  always    {one.fault}{lasts}"
    if one.refusal:
        yield f"  refused   {one.refusal}"
    if one.kind == CERTIFICATE:
        yield f"  issue     egov identities issue {one.name} -o DIR"
