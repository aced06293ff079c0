"""Faults by name in a running sandbox: a wish is checked against the contracts before anything is asked, set at every
process of its system, and given the bad certificate it needs."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from egovkit.clock import SystemClock
from egovkit.contracts import contracts_dir, read_once
from egovkit.messages import MessageRegister
from egovkit.sandbox.clock import PATH as CLOCK_PATH
from egovkit.sandbox.fault_names import CERTIFICATE, REGISTER, FaultNames, nearest
from egovkit.sandbox.faults_api import PATH
from egovlaw.identifiers import iin_problem
from sandbox import bootstrap
from sandbox.composition import BY_CODE, NUC, PARTICIPANTS, SHEP, Home
from sandbox.people import KEYSTORE_PASSWORD
from sandbox.target import Aim

if TYPE_CHECKING:
    from egovkit.signatures.keys import SigningKey


# Seconds a certificate lives that is to expire: long enough to be registered, since ШЭП takes no expired one. A slow
# machine needs the next one.
LIVES_S = (3, 12, 60)


class NamesNothing(Exception):
    """A fault, system, step, message or person that there is none of; says what there is."""


@dataclass(frozen=True, slots=True)
class Asked:
    """`body` is the wish as the sandbox's door takes it."""

    system: str
    body: Mapping[str, Any]

    @property
    def name(self) -> str:
        return str(self.body["name"])


def checked(system: str, body: dict[str, Any], contracts: Path | None = None) -> Asked:
    """What nobody has to be asked for. NamesNothing."""
    where = contracts_dir(contracts)
    names = read_once(FaultNames.load, where)
    _one_of(body["name"], names.specs, "fault")
    _one_of(system, BY_CODE, "system")
    wish = {name: value for name, value in body.items() if value is not None}
    if (message := wish.get("message")) is not None:
        types = {spec.name: spec.type for spec in read_once(MessageRegister.load, where)}
        short = message.removeprefix("kz.egov.").removesuffix(".v1")
        wish["message"] = types[_one_of(short, types, "message")]
    if (step := wish.get("step")) is not None:
        _one_of(step, _steps(where), "step of a regulation")
    if (person := wish.get("person")) is not None and (problem := iin_problem(person)) is not None:
        raise NamesNothing(f"{person!r} is no ИИН: {problem}")
    return Asked(system, wish)


def _one_of(name: str, known: Mapping[str, Any] | Sequence[str], what: str) -> str:
    if name not in known:
        raise NamesNothing(f"{name!r} is no {what}; nearest: {nearest(name, known)}")
    return name


def _steps(contracts: Path) -> list[str]:
    from egovlaw.loader import load_catalogue

    catalogue = read_once(load_catalogue, contracts)
    return sorted({item.label for one in catalogue.regulations for way in one.channels.values() for item in way.flow})


async def put(aim: Aim, home: Home, asked: Asked) -> list[dict[str, Any]]:
    """At every process of the system; a register keeps its own for all of them. NoTarget, TargetRefused."""
    spec = read_once(FaultNames.load, contracts_dir()).spec(asked.name)
    members, body = aim.of(asked.system), dict(asked.body)
    given = body.get("parameters", {})
    if CERTIFICATE in spec.bites and "pkcs12" not in given:
        key = await bad_certificate(aim, home, asked.system, revoked=asked.name == "revoked-certificate")
        body["parameters"] = {**given, **key}
    if REGISTER in spec.bites:
        members = members[:1]
    return [await aim.ask("POST", member, PATH, json=body) for member in members]


async def listed(aim: Aim, system: str | None = None) -> list[dict[str, Any]]:
    """The rules of every process, each with the name of the process as `process`."""
    members = aim.members if system is None else aim.of(system)
    found = []
    for member in members:
        rules = (await aim.ask("GET", member, PATH))["rules"]
        found += [{"process": member.name, **rule} for rule in rules]
    return found


async def clear(aim: Aim, system: str | None = None, name: str | None = None) -> None:
    """Everywhere, or at one system; all, or those of one name."""
    for member in aim.members if system is None else aim.of(system):
        await aim.ask("DELETE", member, PATH, params={} if name is None else {"name": name})


async def bad_certificate(aim: Aim, home: Home, system: str, *, revoked: bool) -> dict[str, str]:
    """A certificate of the system's own that ШЭП has registered and that is good no longer: key and password."""
    if system not in PARTICIPANTS:
        raise NamesNothing(f"{system} signs no envelopes; only {', '.join(PARTICIPANTS)}")
    for seconds in (30 * 86_400,) if revoked else LIVES_S:
        made = await _registered(aim, home, system, seconds)
        if made is not None:
            break
    else:
        raise bootstrap.RefusedByService(f"{SHEP} is too slow to register a certificate that lives {LIVES_S[-1]} s")
    key, ends = made
    if revoked:
        nuc, headers = aim.of(NUC)[0], bootstrap.bearer(home.admin_token(NUC).read_text())
        url = f"{nuc.url}/v1/certificates/{key.certificate.serial_number:040x}/revoke"
        bootstrap.answer(await aim.http.post(url, json={"reason": "keyCompromise"}, headers=headers))
    await everybody_looks_again(aim)
    if not revoked:
        await _until(aim, ends)
    return {
        "pkcs12": base64.b64encode(key.to_pkcs12(KEYSTORE_PASSWORD, system)).decode(),
        "password": KEYSTORE_PASSWORD,
    }


async def _registered(aim: Aim, home: Home, system: str, seconds: int) -> tuple[SigningKey, datetime] | None:
    """A new certificate of the system's and its end; None when it had expired before ШЭП looked at it."""
    nuc, shep = aim.of(NUC)[0], aim.of(SHEP)[0]
    now = datetime.fromisoformat((await aim.ask("GET", shep, CLOCK_PATH))["now"]).replace(microsecond=0)
    ends = now + timedelta(seconds=seconds)
    dates = {"not_before": (now - timedelta(hours=1)).isoformat(), "not_after": ends.isoformat()}
    bin_ = bootstrap.participants()[system]["bin"]
    key, pem = await bootstrap.request_certificate(aim.http, home, nuc.url, code=system, bin=bin_, **dates)
    url, headers = (
        f"{shep.url}/v1/participants/{system}/certificates",
        bootstrap.bearer(home.admin_token(SHEP).read_text()),
    )
    taken = await aim.http.post(url, json={"certificate": pem}, headers=headers)
    if taken.is_client_error and taken.json().get("code") == "certificate.expired":
        return None
    bootstrap.answer(taken)
    return key, ends


async def everybody_looks_again(aim: Aim) -> None:
    """At the list of members and that of revocations: what a move of the clock by nothing makes them do."""
    for member in aim.members:
        offset = (await aim.ask("GET", member, CLOCK_PATH))["offset_s"]
        await aim.ask("POST", member, f"{CLOCK_PATH}/prepare", json={"offset_s": offset})


async def _until(aim: Aim, moment: datetime) -> None:
    clock, shep = SystemClock(), aim.of(SHEP)[0]
    while (now := datetime.fromisoformat((await aim.ask("GET", shep, CLOCK_PATH))["now"])) <= moment:
        await clock.sleep((moment - now).total_seconds() + 0.05)
