"""Step limits: how a limit of the act is measured, and what lateness means for each class. Pure.

Two clocks are never added: these are step limits (seconds to minutes); service terms run on the
working-day calendar.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol

from egovlaw.catalogue import Channel, Limit, LimitClass
from egovlaw.kinds import message_name

TimeClass = LimitClass | Literal["answer"]  # an answer is measured by the limit of its request
Action = Literal["pass", "refuse", "record", "escalate", "measure"]
TimePolicy = Literal["normal", "strict"]

GRACE_S = 2.0  # clocks of two systems differ; NTP keeps them within one second each

EXPIRED = "time.expired"
LATE = "time.late"
IN_FUTURE = "time.in_future"
CLAIM_BEYOND_LIMIT = "time.claim_beyond_limit"


class TrailStepLike(Protocol):
    @property
    def step(self) -> str: ...
    @property
    def outcome(self) -> str: ...
    @property
    def at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class TimeVerdict:
    """`used_s` is None when nothing started the limit; `code` is the problem to answer with when the
    action refuses, and the reason to write down when it records or escalates. `capped`: the sender claimed
    more time than the act gives, and the act's limit was used."""

    limit_s: float | None
    used_s: float | None
    share: float | None
    late: bool
    action: Action
    clause: str | None
    code: str | None = None
    capped: bool = False

    @property
    def params(self) -> dict[str, str]:
        """For the problem's text; every placeholder of the `time.*` codes is here."""
        return {
            "clause": self.clause or "-",
            "limit_s": "-" if self.limit_s is None else f"{self.limit_s:g}",
            "used_s": "-" if self.used_s is None else f"{self.used_s:g}",
        }


# What lateness leads to. A request expires, and its late answer is passed on as late, for the asker not to apply
# (E1); a submission is refused at ШЭП's door and afterwards only escalated; a fact has happened and is never refused
# for time (E4); staff overrun stays doable; a citizen is only measured.
LATE_ACTION: Mapping[TimeClass, Action] = {
    "request": "refuse", "submission": "refuse", "fact": "record", "answer": "record", "staff": "escalate",
    "citizen": "measure",
}  # fmt: skip


def judge_time(
    limit: Limit | None,
    cls: TimeClass,
    started: datetime | None,
    received: datetime,
    expires: datetime | None = None,
    *,
    grace_s: float = GRACE_S,
    policy: TimePolicy = "normal",
    at_door: bool = True,
) -> TimeVerdict:
    """Judge one message at the moment `received` (the judge's own clock).

    `started`: when the limit's `starts_on` happened, if known. `expires`: the envelope's own expirytime.
    `at_door`: this is where a submission enters the bus; behind it a late submission is escalated, never
    dropped.
    """
    grace = timedelta(seconds=grace_s)
    limit_s = None if limit is None or started is None else float(limit.max_s)
    used_s = None if started is None else max(0.0, (received - started).total_seconds())
    due = None if limit_s is None or started is None else started + timedelta(seconds=limit_s)
    capped = due is not None and expires is not None and expires > due + grace
    code = _fault(due, started, received, expires, grace)
    if code is None and capped and policy == "strict":
        code = CLAIM_BEYOND_LIMIT
    return TimeVerdict(
        limit_s=None if limit is None else float(limit.max_s),
        used_s=used_s,
        share=None if limit_s is None or used_s is None else round(used_s / limit_s, 4),
        late=code in (EXPIRED, LATE),
        action=_action(code, cls, policy, at_door),
        clause=None if limit is None else limit.clause,
        code=code,
        capped=capped,
    )


def _fault(
    due: datetime | None,
    started: datetime | None,
    received: datetime,
    expires: datetime | None,
    grace: timedelta,
) -> str | None:
    if started is not None and started > received + grace:
        return IN_FUTURE
    if due is not None and received > due + grace:
        return LATE
    if expires is not None and received > expires + grace:
        return EXPIRED
    return None


def _action(code: str | None, cls: TimeClass, policy: TimePolicy, at_door: bool) -> Action:
    if code is None:
        return "pass"
    if policy == "strict":
        return "refuse"
    if cls == "submission" and not at_door:
        return "escalate"
    return LATE_ACTION[cls]


def limit_stopped_by(limits: Sequence[Limit], name: str, step: str, measured_by: str | None = None) -> Limit | None:
    """The limit that message `name` standing for `step` stops, as seen by `measured_by` (None = by
    anybody).
    """
    short = message_name(name)
    for limit in limits:
        stops = limit.stops_on.kind == "message" and limit.stops_on.name == short and limit.label == step
        if stops and measured_by in (None, limit.measured_by):
            return limit
    return None


def started_at(limit: Limit, trail: Sequence[TrailStepLike], message_times: Mapping[str, datetime]) -> datetime | None:
    """When the limit began: the last matching step of the trail, or the time the starting message was
    received.

    `message_times`: short message name -> receipt time at the measuring system. A `begin` moment is in neither.
    """
    start = limit.starts_on
    if start.moment == "begin":
        return None
    if start.kind == "message":
        return message_times.get(start.name)
    for done in reversed(trail):
        if done.step == start.name and start.outcome in (None, done.outcome):
            return done.at
    return None


@dataclass(frozen=True, slots=True)
class Spent:
    """What a system saw or was told of a step: the seconds used, and the limit they were measured by. `message`: the
    one that ended the limit, empty for the step's own end. `measured_by` tells apart the limits one message ends."""

    step: str
    limit_s: float | None
    used_s: float | None
    message: str = ""
    measured_by: str = ""


@dataclass(frozen=True, slots=True)
class LimitUsed:
    """One limit of the act as one case used it, named as `egov budget` names it. `used_s` is None when nobody who told
    of it saw it begin."""

    step: str
    clause: str
    cls: LimitClass
    measured_by: str
    max_s: float
    used_s: float | None
    share: float | None
    late: bool


def limits_used(channel: Channel, spent: Iterable[Spent]) -> list[LimitUsed]:
    """In the act's order, the last word on each; limits that nobody told of are left out."""
    found: dict[Limit, LimitUsed] = {}
    for one in spent:
        ended = [limit for limit in channel.limits if limit.label == one.step and _ends(limit, one)]
        for limit in [limit for limit in ended if limit.measured_by == one.measured_by] or ended:
            if one.used_s is not None or limit not in found:
                found[limit] = _limit_used(limit, one.used_s)
    return [found[limit] for limit in channel.limits if limit in found]


def _ends(limit: Limit, one: Spent) -> bool:
    if one.limit_s not in (None, limit.max_s):
        return False
    return limit.stops_on.name == one.message if one.message else limit.stops_on.kind == "step"


def _limit_used(limit: Limit, used_s: float | None) -> LimitUsed:
    share = None if used_s is None else round(used_s / limit.max_s, 4)
    late = used_s is not None and used_s > limit.max_s + GRACE_S
    return LimitUsed(limit.label, limit.clause, limit.cls, limit.measured_by, float(limit.max_s), used_s, share, late)
