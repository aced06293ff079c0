"""What an act says has to happen on a way through its flow, line by line.

A second reading, on purpose: it takes items, clauses and limits from the catalogue, and what each kind of item means on
the bus from its own tables below. It imports neither egovlaw.flow nor .limits nor .routing: the gateways judge by them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sandbox.composition import ATTORNEYS, CENTRE, PERSONS, PORTAL, PROVIDER, RSHEP, SHEP
from sandbox.composition import REGISTERS as REGISTERS_OF_AKIMAT
from sandbox.trace import Line

if TYPE_CHECKING:
    from egovlaw.catalogue import Channel, FlowItem, Limit
    from sandbox.replay.scenario import Act

ORIGINS: Mapping[str, str] = {"portal": PORTAL, "centre": CENTRE, "provider": PROVIDER}
REGISTERS: Mapping[str, str] = {"person": PERSONS, "attorney": ATTORNEYS}
# Where a case is, as ШЭП sees it, once this kind of item was told to it.
STATES: Mapping[str, str] = {
    "query_registers": "data_requested",
    "report_no_data": "no_data",
    "refuse_signature": "signature_refused",
    "sign_and_send": "submitted",
    "send": "submitted",
    "send_and_process": "submitted",
    "register": "registered",
    "refuse_documents": "refused",
    "decide": "decided",
    "issue_result": "completed",
    "hand_over": "completed",
}
# What people are told where a flow ends before the provider has seen it.
REFUSED_WITH: Mapping[str, str] = {"refuse_login": "login.refused", "refuse_signature": "certificate.expired"}
REFUSED_STAFF = "staff.login_refused"
BY_PROVIDER = frozenset({"register", "check_documents", "refuse_documents", "decide", "issue_result", "hand_over"})
SENDING = frozenset({"sign_and_send", "send", "send_and_process"})


class Reading:
    """The lines of one case, written as the way is followed."""

    def __init__(
        self, channel: Channel, way: Sequence[Act], asked: Sequence[str] = ("person",), *, asks_itself: bool = False
    ) -> None:
        self.channel = channel
        self.asks_itself = asks_itself  # the service is automated: the akimat's register is asked by the system
        self.way = way
        self.asked = asked
        self.origin = ORIGINS[channel.origin_kind]
        self.lines: list[Line] = []
        self.state = "new"

    def read(self) -> tuple[Line, ...]:
        for act in self.way:
            item = self.channel.by_label[act.step]
            write = WRITERS.get(item.kind.name)
            if write is None:
                self._local(item, act.outcome or "done")
            else:
                write(self, item, act)
        return tuple(self.lines)

    # what a service writes of itself

    def _local(self, item: FlowItem, outcome: str, *, message: str = "", to: str = "", code: str | None = None) -> None:
        service = PROVIDER if item.kind.name in BY_PROVIDER else self.origin
        limit = self._limit_of(item, service)
        self._line(
            service, item, outcome, message=message, sender=service if message else None, recipient=to or None,
            code=code, table=limit and limit.clause, limit_s=limit and float(limit.max_s),
        )  # fmt: skip

    def _by_provider(self, item: FlowItem, *, before: str | None = None) -> None:
        """A step of the provider that ends in a word of his: his own row names the state and not the envelope."""
        limit = self._limit_of(item, PROVIDER, begun_by_others=True)
        table, limit_s = (limit.clause, float(limit.max_s)) if limit else (None, None)
        state = STATES[item.kind.name]
        self._line(PROVIDER, item, "done", before=before, after=state, table=table, limit_s=limit_s)

    def _line(self, service: str, item: FlowItem, outcome: str, **more: Any) -> None:
        line = Line(service, item.label, item.clause, outcome, rule=brief(item.text_ru), **more)
        self.lines.append(line)

    # what the bus writes of an envelope

    def _passage(
        self, item: FlowItem, message: str, ends: tuple[str, str], *, stays: bool = False, state: str | None = None
    ) -> None:
        """Through both gateways, or through ШЭП alone where both ends are national or ШЭП itself listens."""
        sender, recipient = ends
        after = state or (self.state if stays else STATES[item.kind.name])
        regional = (PROVIDER in ends) and "through"
        if regional and sender == PROVIDER:
            self._at_rshep(item, message, ends)
        limit = self._limit_stopped(item, message)
        self._line(
            SHEP, item, "consumed" if recipient == SHEP else "accepted", message=message, sender=sender,
            recipient=recipient, before=self.state, after=after, table=limit and limit.clause,
            limit_s=limit and float(limit.max_s),
        )  # fmt: skip
        if regional and recipient == PROVIDER:
            self._at_rshep(item, message, ends)
        self.state = after

    def _at_rshep(self, item: FlowItem, message: str, ends: tuple[str, str]) -> None:
        self._line(RSHEP, item, "accepted", message=message, sender=ends[0], recipient=ends[1])

    def _applied(self, item: FlowItem, message: str, after: str | None = None) -> None:
        """The origin has the provider's word; at his own desk nobody else waits for it."""
        if self.origin != PROVIDER:
            self._line(
                self.origin, item, "applied", message=message, sender=PROVIDER, recipient=self.origin, after=after
            )

    def _to_origin(self, item: FlowItem, message: str, *, stays: bool = False, after: str | None = None) -> None:
        recipient = SHEP if self.origin == PROVIDER else self.origin
        self._passage(item, message, (PROVIDER, recipient), stays=stays)
        self._applied(item, message, after)

    # limits

    def _limit_of(self, item: FlowItem, service: str, *, begun_by_others: bool = False) -> Limit | None:
        """What the acting system has for the step: its own measure, else that of the word the step ends in.
        `begun_by_others`: when an official began to make up his mind no system knows; only other steps' ends."""
        own = [one for one in self.channel.limits if one.label == item.label]
        if begun_by_others:
            own = [one for one in own if one.starts_on.moment == "end" and one.starts_on.name != one.stops_on.name]
        measured = [one for one in own if one.measured_by == service and one.stops_on.kind == "step"]
        return next(iter([*measured, *(one for one in own if one.stops_on.kind == "message")]), None)

    def _limit_stopped(self, item: FlowItem, message: str) -> Limit | None:
        for limit in self.channel.limits:
            stops = limit.stops_on
            if limit.label == item.label and limit.measured_by == SHEP and (stops.kind, stops.name) == (
                "message", message,
            ):  # fmt: skip
                return limit
        return None

    # kinds of items

    def visit(self, item: FlowItem, act: Act) -> None:
        """At the provider's desk it is noted once there is a case, so behind the login; none without a case."""
        if not self._ends_at_login():
            self._local(item, "done")
            self._among_logins()

    def log_in(self, item: FlowItem, act: Act) -> None:
        self._local(item, act.outcome or "done")
        self._among_logins()

    def _among_logins(self) -> None:
        if self.origin == PROVIDER and self._has("visit") and not self._ends_at_login():
            self.lines[-1] = replace(self.lines[-1], together="coming to the desk")

    def _ends_at_login(self) -> bool:
        return any(self.channel.by_label[act.step].kind.name == "refuse_login" for act in self.way)

    def process(self, item: FlowItem, act: Act) -> None:
        """The provider's own: the number is told where the act lets it be, while he is at it."""
        if any(one.type == "case.registered" and item.label in one.during for one in self.channel.side_messages):
            self._passage(item, "case.registered", (PROVIDER, SHEP), stays=True, state="in_work")
        self._line(PROVIDER, item, "done")

    def decide(self, item: FlowItem, act: Act) -> None:
        self._local(item, "done")
        self._passage(item, "case.decided", (PROVIDER, SHEP))

    def refuse_login(self, item: FlowItem, act: Act) -> None:
        code = REFUSED_STAFF if self.origin == PROVIDER else REFUSED_WITH[item.kind.name]
        self._local(item, "refusal", code=code)

    def end_here(self, item: FlowItem, act: Act) -> None:
        """The flow ends at the origin, and ШЭП is told so."""
        if self.origin == PROVIDER:
            limit = self._limit_of(item, PROVIDER)
            self._line(PROVIDER, item, "done", table=limit and limit.clause, limit_s=limit and float(limit.max_s))
        else:
            code = REFUSED_WITH.get(item.kind.name)
            self._local(item, "refusal", message="steps.reported", to=SHEP, code=code)
        self._passage(item, "steps.reported", (self.origin, SHEP))

    def query_registers(self, item: FlowItem, act: Act) -> None:
        start = len(self.lines)
        for name in self.asked:
            register = REGISTERS[name]
            self._line(self.origin, item, "done", message=f"query.{name}", sender=self.origin, recipient=register)
            self._passage(item, f"query.{name}", (self.origin, register))
        for name in self.asked:
            self._answer(item, name)
        if len(self.asked) > 1:  # the act asks them in one step and says nothing of their order
            self.lines[start:] = [replace(line, together="registers") for line in self.lines[start:]]

    def _answer(self, item: FlowItem, name: str) -> None:
        register, message = REGISTERS[name], f"answer.{name}"
        self._line(register, item, "answered", message=message, sender=register, recipient=self.origin)
        self._passage(item, message, (register, self.origin), stays=True)
        limit = self._limit_stopped(item, message)
        self._line(
            self.origin, item, "applied", message=message, sender=register, recipient=self.origin,
            table=limit and limit.clause, limit_s=limit and float(limit.max_s),
        )  # fmt: skip

    def send(self, item: FlowItem, act: Act) -> None:
        self._local(item, "done", message="case.submitted", to=PROVIDER)
        self._passage(item, "case.submitted", (self.origin, PROVIDER))
        if not self._has("register"):  # N2: an act without the item lets the number be told during this one
            self._numbered(item)

    def register(self, item: FlowItem, act: Act) -> None:
        self._by_provider(item, before="submitted" if self.origin != PROVIDER else None)
        self._set_off(item, stays=False)

    def _numbered(self, item: FlowItem) -> None:
        self._line(PROVIDER, item, "done")
        self._set_off(item, stays=True)

    def _set_off(self, item: FlowItem, *, stays: bool) -> None:
        """What the number sets off. An automated service asks the akimat's register at once, beside everything else."""
        start = len(self.lines)
        self._to_origin(item, "case.registered", stays=stays)
        self._status(item)
        if self.asks_itself:
            self._asked_by_itself(item)
            self.lines[start:] = [replace(line, together="automated") for line in self.lines[start:]]

    def _asked_by_itself(self, item: FlowItem) -> None:
        """From region to region: both ways through ШЭП, so twice through РШЭП."""
        question, answer = "query.register", "answer.register"
        self._line(PROVIDER, item, "done", message=question, sender=PROVIDER, recipient=REGISTERS_OF_AKIMAT)
        self._through(item, question, (PROVIDER, REGISTERS_OF_AKIMAT))
        self._line(
            REGISTERS_OF_AKIMAT, item, "answered", message=answer, sender=REGISTERS_OF_AKIMAT, recipient=PROVIDER
        )
        self._through(item, answer, (REGISTERS_OF_AKIMAT, PROVIDER))
        self._line(PROVIDER, item, "answered", message=answer, sender=REGISTERS_OF_AKIMAT, recipient=PROVIDER)

    def _through(self, item: FlowItem, message: str, ends: tuple[str, str]) -> None:
        self._at_rshep(item, message, ends)
        self._line(
            SHEP, item, "accepted", message=message, sender=ends[0], recipient=ends[1], before=self.state,
            after=self.state,
        )  # fmt: skip
        self._at_rshep(item, message, ends)

    def _status(self, item: FlowItem) -> None:
        """E3: whoever takes a case up says so, where the act gives the citizen a status to look at."""
        allowed = any(one.type == "case.status" and item.label in one.during for one in self.channel.side_messages)
        if allowed and self.origin != PROVIDER:
            self._to_origin(item, "case.status", stays=True)

    def check_documents(self, item: FlowItem, act: Act) -> None:
        before = "registered" if self._has("register") else None
        self._line(PROVIDER, item, act.outcome or "ok", before=before)

    def refuse_documents(self, item: FlowItem, act: Act) -> None:
        self._by_provider(item)
        self._to_origin(item, "case.refused", after="refused")

    def issue_result(self, item: FlowItem, act: Act) -> None:
        self._by_provider(item)
        self._to_origin(item, "case.completed", after="completed")

    def hand_over(self, item: FlowItem, act: Act) -> None:
        """Two words of one step: the provider completes, the counter hands over; what was refused nobody completes."""
        if not any(line.message == "case.refused" for line in self.lines):
            self.issue_result(item, act)
        if self.origin == PROVIDER:  # at his own desk it is one stroke with the end of the case
            self._passage(item, "case.handed_over", (PROVIDER, SHEP))
            return
        self._line(
            self.origin, item, "done", message="case.handed_over", sender=self.origin, recipient=PROVIDER,
            after="handed_over",
        )  # fmt: skip
        self._passage(item, "case.handed_over", (self.origin, PROVIDER))
        self._line(PROVIDER, item, "applied", message="case.handed_over", sender=self.origin, recipient=PROVIDER)

    def _has(self, kind: str) -> bool:
        return any(item.kind.name == kind for item in self.channel.flow)


WRITERS = {
    "visit": Reading.visit,
    "authenticate": Reading.log_in,
    "verify_login": Reading.log_in,
    "process": Reading.process,
    "decide": Reading.decide,
    "refuse_login": Reading.refuse_login,
    "refuse_signature": Reading.end_here,
    "report_no_data": Reading.end_here,
    "query_registers": Reading.query_registers,
    "sign_and_send": Reading.send,
    "send": Reading.send,
    "send_and_process": Reading.send,
    "register": Reading.register,
    "check_documents": Reading.check_documents,
    "refuse_documents": Reading.refuse_documents,
    "issue_result": Reading.issue_result,
    "hand_over": Reading.hand_over,
}


def brief(text: str, length: int = 90) -> str:
    """The act's sentence, short enough for a line."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def final_state(lines: Sequence[Line]) -> str | None:
    """Where the case stands for ШЭП after the last line that moved it."""
    seen = [line.after for line in lines if line.service == SHEP and line.after is not None]
    return seen[-1] if seen else None
