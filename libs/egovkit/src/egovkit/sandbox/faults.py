"""Faults by name at one service: the rules in force, whom each hits, and what is told of every hit.

A rule counts what meets it. Whether the n-th is hit depends on the rule's seed, the fault's name and n alone, so the
same run over the same traffic breaks the same things. Rules live in the process: none outlives it, and each process of
a service has its own.

    rule = faults.set(Wish("drop", message="kz.egov.query.person.v1", times=1))

What a register does to its answers is the register's own (`egovregister`): its faults are passed on to `register`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from egovkit.contracts import read_once
from egovkit.envelope import Envelope
from egovkit.errors import EgovError, FieldError
from egovkit.log import get_logger
from egovkit.messages import MessageRegister
from egovkit.sandbox.fault_names import (
    AUTHORITY,
    BROKER,
    CERTIFICATE,
    CLOCK,
    DELIVERY,
    PUBLISH,
    REGISTER,
    FaultNames,
    FaultSpec,
)
from egovkit.sandbox.skew import SkewedClock
from egovkit.signatures.custody import KeyCustody
from egovkit.signatures.keys import SigningKey, read_key_file

if TYPE_CHECKING:
    from egovkit.sandbox.faulty_bus import FaultyBus

MOST = 100  # rules of one service: a tester who sets more has lost count
_ON_BUS = frozenset({PUBLISH, DELIVERY, CERTIFICATE, BROKER})
_log = get_logger("egovkit.faults")


@dataclass(frozen=True, slots=True)
class Wish:
    """What a tester asks for; what is left out narrows nothing down."""

    name: str
    step: str | None = None
    message: str | None = None
    person: str | None = None
    case: str | None = None
    rate: float = 1.0
    times: int | None = None
    seed: int = 0
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def selectors(self) -> list[str]:
        """Those that narrow it down."""
        given = [name for name in ("step", "message", "person", "case", "times") if getattr(self, name) is not None]
        return given + (["rate"] if self.rate != 1.0 else []) + (["seed"] if self.seed else [])


@dataclass(frozen=True)
class Item:
    """A message as far as rules look at it."""

    body: bytes
    message_id: str

    @cached_property
    def envelope(self) -> Envelope | None:
        try:
            return Envelope.parse(self.body)
        except EgovError:
            return None

    @cached_property
    def texts(self) -> frozenset[str]:
        return frozenset(_texts(self.envelope.data)) if self.envelope is not None else frozenset()


@dataclass(slots=True)
class Rule:
    """A wish in force. `key` is what a certificate's fault signs with."""

    id: str
    spec: FaultSpec
    wish: Wish
    parameters: dict[str, Any]
    key: SigningKey | None = None
    matched: int = 0
    hits: int = 0

    @property
    def place(self) -> str:
        return self.spec.place(self.parameters)

    @property
    def spent(self) -> bool:
        return self.wish.times is not None and self.hits >= self.wish.times

    def meets(self, item: Item) -> bool:
        """Whether a message is one this rule is about."""
        wish, envelope = self.wish, item.envelope
        if not (wish.step or wish.message or wish.case or wish.person):
            return True
        if envelope is None:
            return False
        about = (wish.step, envelope.step), (wish.message, envelope.type), (wish.case, envelope.subject)
        if any(wanted is not None and wanted != found for wanted, found in about):
            return False
        return wish.person is None or wish.person in item.texts

    def meets_call(self, path: str, content: bytes) -> bool:
        """Whether a call is one this rule is about; `content` is what it says: path, query and body."""
        below = str(self.parameters.get("path", "/"))
        said = (self.wish.person, self.wish.case)
        return path.startswith(below) and all(one is None or one.encode() in content for one in said)

    def takes(self) -> bool:
        """Counts one that met it; whether this one is hit."""
        if self.spent:
            return False
        self.matched += 1
        if self.wish.rate < 1.0 and share(self.wish.seed, self.spec.name, self.matched) >= self.wish.rate:
            return False
        self.hits += 1
        return True


@dataclass(frozen=True, slots=True)
class Hit:
    """One thing that was bent: for the log, and for whoever asked to be told. `what` is a message's id, or a route."""

    rule: str
    fault: str
    place: str
    what: str
    facts: Mapping[str, Any]


class RegisterFaults(Protocol):
    """What a twin of a register offers: one fault at a time, kept in its database."""

    async def bend(self, name: str, *, seconds: float | None, times: int | None, person: str | None) -> None:
        """Instead of the one before."""
        ...

    async def bent(self) -> Mapping[str, Any] | None:
        """{name, seconds, times, person} of the one in force."""
        ...

    async def mend(self) -> None: ...


class Faults:
    """See the module. Until a rule is set nothing costs more than the look at an empty list."""

    def __init__(self, code: str, contracts: Path, clock: SkewedClock) -> None:
        self.code = code
        self.clock = clock
        self.contracts = contracts
        self.rules: list[Rule] = []
        self.on_hit: list[Callable[[Hit], None]] = []
        self.key: KeyCustody | None = None  # the service's own, once its node has started
        self.bus: FaultyBus | None = None
        self.register: RegisterFaults | None = None
        self.authority = False  # whether this is one who certifies, answers OCSP and stamps
        self._numbers = itertools.count(1)

    @property
    def names(self) -> FaultNames:
        return read_once(FaultNames.load, self.contracts)

    async def set(self, wish: Wish) -> Rule:
        """In force from now on. EgovError fault.unknown, fault.not_here, fault.too_many, request.invalid."""
        rule = self._checked(wish)
        if rule.place == REGISTER and self.register is not None:
            seconds = rule.parameters.get("seconds")
            await self.register.bend(wish.name, seconds=seconds, times=wish.times, person=wish.person)
        else:
            self.rules.append(rule)
            self._at_once(rule)
        _log.warning("fault.set", rule=rule.id, fault=wish.name, place=rule.place)
        return rule

    async def clear(self, name: str | None = None) -> None:
        """All rules are taken back, or those of one name."""
        gone = [rule for rule in self.rules if name in (None, rule.spec.name)]
        self.rules = [rule for rule in self.rules if rule not in gone]
        if any(rule.place == CLOCK for rule in gone):
            self._skew()
        if self.bus is not None and any(rule.place == BROKER for rule in gone):
            self.bus.reconnect()
        kept = await self.kept()
        if self.register is not None and kept is not None and name in (None, kept["name"]):
            await self.register.mend()
        elif not gone:
            return
        _log.warning("fault.cleared", rules=[rule.id for rule in gone], fault=name)

    async def kept(self) -> Mapping[str, Any] | None:
        """The register's own fault, if there is a register and it has one."""
        return None if self.register is None else await self.register.bent()

    def at(self, *places: str) -> list[Rule]:
        """Rules that may still hit there, in the order they were set."""
        return [rule for rule in self.rules if rule.place in places and not rule.spent]

    def told(self, rule: Rule, what: str, **facts: Any) -> None:
        hit = Hit(rule.id, rule.spec.name, rule.place, what, facts)
        _log.warning("fault.hit", rule=hit.rule, fault=hit.fault, place=hit.place, what=what, **facts)
        for tell in self.on_hit:
            tell(hit)

    def _checked(self, wish: Wish) -> Rule:
        spec = self.names.spec(wish.name)
        parameters = spec.completed(wish.parameters, wish.selectors)
        self._refuse_unknown_message(wish)
        rule = Rule(f"{self.code}-{next(self._numbers)}", spec, wish, parameters)
        if not self._is_possible(rule.place):
            raise EgovError("fault.not_here", name=wish.name, service=self.code, place=rule.place)
        if len(self.rules) >= MOST:
            raise EgovError("fault.too_many", limit=MOST)
        if rule.place == CERTIFICATE:
            rule.key = _key(parameters)
        return rule

    def _refuse_unknown_message(self, wish: Wish) -> None:
        if wish.message is not None and wish.message not in read_once(MessageRegister.load, self.contracts):
            problem = FieldError("message", "not_allowed", "no message type of contracts/messages.yaml")
            raise EgovError("request.invalid", errors=[problem])

    def _is_possible(self, place: str) -> bool:
        if place == REGISTER:
            return self.register is not None
        if place == AUTHORITY:
            return self.authority
        return self.bus is not None if place in _ON_BUS else True

    def _at_once(self, rule: Rule) -> None:
        """What hits by being set."""
        if rule.place == CLOCK:
            rule.takes()
            self._skew()
            self.told(rule, "clock", seconds=rule.parameters["seconds"])
        elif rule.place == BROKER and self.bus is not None:
            rule.takes()
            self.bus.disconnect(float(rule.parameters["seconds"]))
            self.told(rule, "broker", seconds=rule.parameters["seconds"])

    def _skew(self) -> None:
        """By the last rule that says so."""
        seconds = [rule.parameters["seconds"] for rule in self.rules if rule.place == CLOCK]
        self.clock.skew(float(seconds[-1]) if seconds else 0.0)


def share(seed: int, name: str, n: int) -> float:
    """A number of [0, 1) that only depends on these three."""
    digest = hashlib.sha256(json.dumps([seed, name, n]).encode()).digest()
    return int.from_bytes(digest[:8]) / 2**64


def _key(parameters: Mapping[str, Any]) -> SigningKey:
    import base64
    import binascii

    try:
        return read_key_file(base64.b64decode(parameters["pkcs12"], validate=True), parameters["password"])
    except (ValueError, binascii.Error, EgovError):
        problem = FieldError("parameters.pkcs12", "invalid", "no PKCS#12 in base64 that this password opens")
        raise EgovError("request.invalid", errors=[problem]) from None


def _texts(value: Any) -> list[str]:
    """Every text in it, however deep: the strict parser has limited the depth."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in _texts(one)]
