"""Standing in for a system with a cassette: what comes is looked for among the recorded, and answered as recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import httpx

from egovkit import strictjson
from egovkit.clock import Clock
from egovkit.envelope import Envelope
from egovkit.ids import Ids
from sandbox.cassettes.cassette import Cassette, Entry, counted, short
from sandbox.cassettes.matching import Matcher, Nearest
from sandbox.cassettes.remaking import Conversation

POLL_SECONDS = 0.2
MOST_SHOWN = 20  # differences
GATEWAYS_OWN = ("kz.egov.envelope.accepted.v1", "kz.egov.members.updated.v1")
REFUSED = "kz.egov.envelope.refused.v1"

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a gateway did not take something."""

    code: str
    text: str
    by: str


class Seat(Protocol):
    """The missing system's place in the deployment."""

    @property
    def place(self) -> str:
        """What its envelopes are taken from, in words."""

    async def inbox(self) -> list[Envelope]:
        """What waits, oldest first; offered again until it is acknowledged."""

    async def acknowledge(self, ids: Sequence[str]) -> None: ...

    async def send(self, envelope: Envelope) -> Problem | None:
        """Signed by the system's own key."""


@dataclass(frozen=True, slots=True)
class How:
    """`speed`: of the recorded delays; `once`: until every recorded request was made, or nobody came for `patience`
    seconds; `opening`: say also what the system said without being asked."""

    speed: float = 1.0
    loop: bool = False
    once: bool = False
    opening: bool = False
    patience: float = 60.0


@dataclass(frozen=True, slots=True)
class Unmatched:
    received: Envelope
    nearest: Nearest | None


@dataclass(frozen=True, slots=True)
class Refusal:
    said: Envelope
    problem: Problem


@dataclass(slots=True)
class Score:
    """What came of it."""

    answered: int = 0
    said: int = 0
    unmatched: list[Unmatched] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    left: tuple[Entry, ...] = ()

    def well(self, *, once: bool) -> bool:
        return not (self.unmatched or self.refused or (once and self.left))


@dataclass(slots=True)
class _Due:
    """A recorded answer whose time comes; `made` once it was tried, so that it is tried again as it is."""

    at: datetime
    entry: Entry
    conversation: Conversation
    to: dict[str, Any] | None
    made: Envelope | None = None


class Player:
    def __init__(self, cassette: Cassette, seat: Seat, how: How, tell: Tell, *, clock: Clock, ids: Ids) -> None:
        self._cassette = cassette
        self._seat = seat
        self._clock = clock
        self._ids = ids
        self._how = how
        self._tell = tell
        self._matcher = Matcher(cassette, loop=how.loop)
        self._conversations: dict[str, Conversation] = {}
        self._due: list[_Due] = []
        self._heard: set[str] = set()  # taken, and perhaps not acknowledged yet
        self._sent: dict[str, Envelope] = {}
        self.score = Score()

    async def run(self) -> Score:
        """Until cancelled; with `once` until it is over."""
        self.bound()
        if self._how.opening:
            self.open()
        quiet = 0  # rounds; by rounds, since the deployment's clock may be moved meanwhile
        while True:
            try:
                quiet = 0 if await self.round() else quiet + 1
            except httpx.TransportError as error:
                self._tell(f"the gateway does not answer ({type(error).__name__}); trying again")
            idle = quiet * POLL_SECONDS >= self._how.patience
            if self._how.once and not self._due and (not self._matcher.left or idle):
                return self.finished()
            await self._clock.sleep(POLL_SECONDS)

    async def round(self) -> bool:
        """Take what waits, say what is due. Whether there was anything."""
        waiting = await self._seat.inbox()
        for envelope in waiting:
            if envelope.id not in self._heard:
                self._hear(envelope)
        spoke = await self._speak()
        if waiting:
            await self._seat.acknowledge([one.id for one in waiting])
        return spoke or bool(waiting)

    def bound(self) -> None:
        """What this seat can say, and where it listens."""
        answers = [one for one in self._cassette.entries if one.answers is not None]
        self._tell(f"standing in for {self._cassette.system}: {self._seat.place}")
        self._tell(f"  recorded to it: {counted(self._cassette.requests)}; from it: {counted(answers)}")
        if openings := self._cassette.openings:
            unsaid = "" if self._how.opening else ", said with --open only"
            self._tell(f"  of its own accord: {counted(openings)}{unsaid}")

    def finished(self) -> Score:
        self.score.left = self._matcher.left
        return self.score

    # --- in

    def _hear(self, envelope: Envelope) -> None:
        self._heard.add(envelope.id)
        if envelope.type == REFUSED:
            return self._told_refusal(envelope)
        if envelope.type in GATEWAYS_OWN:
            return None
        document = document_of(envelope)
        known = self._conversations.get(envelope.subject)
        entry = self._matcher.take(document, known.recorded_case if known else None)
        if entry is None:
            return self._miss(Unmatched(envelope, self._matcher.nearest(document)))
        conversation = self._conversations.setdefault(envelope.subject, Conversation(envelope.subject))
        conversation.heard(entry, document, self._matcher.persons(entry, document))
        now, answers = self._clock.now(), self._cassette.answers_to(entry)
        for one in answers:
            self._due.append(_Due(now + self._after(one.at - entry.at), one, conversation, document))
        self.score.answered += 1
        said = f"{len(answers)} to be said: {counted(answers)}" if answers else "nothing was said to it"
        self._tell(f"received {facts(envelope)}: entry {entry.n}, {said}")
        return None

    def _miss(self, unmatched: Unmatched) -> None:
        self.score.unmatched.append(unmatched)
        left = self._matcher.left
        self._tell(f"no match for what came to {self._cassette.system}")
        self._tell(f"  bound    {self._seat.place}; recorded to it: {counted(self._cassette.requests)}, "
                   f"not played yet: {counted(left)}")  # fmt: skip
        self._tell(f"  received {facts(unmatched.received)}")
        refused = [f"{short(one.said.type)} by {one.problem.by}: {one.problem.code}" for one in self.score.refused]
        self._tell(f"  refused  {'; '.join(refused) or 'nothing of what was said so far'}")
        for line in nearest_of(unmatched):
            self._tell(f"  {line}")

    def _told_refusal(self, notice: Envelope) -> None:
        """The gateway's letter about what it refused; one whose refusal we heard at the door says nothing new."""
        said = self._sent.get(str(notice.data.get("id")))
        if said is None or any(one.said.id == said.id for one in self.score.refused):
            return
        found = notice.data["problem"]
        self._refuse(Refusal(said, Problem(found["code"], f"{found['detail_en']} {found['remedy_en']}", found["hop"])))

    # --- out

    def open(self) -> None:
        start = self._clock.now()
        for one in self._cassette.openings:
            case = one.envelope["subject"]
            known = next((each for each in self._conversations.values() if each.recorded_case == case), None)
            if known is None:
                known = Conversation(self._ids.new())
                known.recorded_case = case
                self._conversations[known.case] = known
            self._due.append(_Due(start + self._after(one.at), one, known, None))

    def _after(self, seconds: float) -> timedelta:
        """The recorded delay at this speed; zero is at once."""
        return timedelta(seconds=max(seconds, 0.0) / self._how.speed if self._how.speed else 0.0)

    async def _speak(self) -> bool:
        now = self._clock.now()
        due = sorted((one for one in self._due if one.at <= now), key=lambda one: (one.at, one.entry.n))
        for one in due:
            one.made = one.made or one.conversation.say(one.entry, one.to, now, self._ids)
            self._sent[one.made.id] = one.made
            problem = await self._seat.send(one.made)
            self._due.remove(one)
            if problem is None:
                self.score.said += 1
                self._tell(f"said     {facts(one.made)}: entry {one.entry.n}")
            else:
                self._refuse(Refusal(one.made, problem))
        return bool(due)

    def _refuse(self, refusal: Refusal) -> None:
        self.score.refused.append(refusal)
        problem = refusal.problem
        self._tell(f"refused  {facts(refusal.said)} by {problem.by}: {problem.code}: {problem.text}")


def document_of(envelope: Envelope) -> dict[str, Any]:
    found: dict[str, Any] = strictjson.loads(envelope.encode())
    return found


def facts(envelope: Envelope) -> str:
    """One line of what an envelope is; nothing of its data."""
    place = f"{envelope.regulation}/{envelope.channel} {envelope.step} {envelope.region}"
    return f"{short(envelope.type)} {place}, {envelope.source} to {envelope.recipient}, case {envelope.subject}"


def nearest_of(unmatched: Unmatched) -> list[str]:
    """How the nearest recorded one differs."""
    nearest = unmatched.nearest
    if nearest is None:
        return ["nearest  nothing that came in was recorded"]
    entry = nearest.entry
    if not nearest.differences:
        return [f"nearest  entry {entry.n} is the same and was played already: --loop plays it again"]
    lines = [f"nearest  entry {entry.n}, {entry.name}; they differ in"]
    lines += [f"    {one}" for one in nearest.differences[:MOST_SHOWN]]
    more = len(nearest.differences) - MOST_SHOWN
    return [*lines, f"    and {more} more"] if more > 0 else lines


def summary(score: Score) -> list[str]:
    """The last words: what was answered, what not."""
    lines = [f"answered {score.answered}, said {score.said}, refused {len(score.refused)}, no match for "
             f"{len(score.unmatched)}"]  # fmt: skip
    for miss in score.unmatched:
        lines += [f"no match {facts(miss.received)}", *(f"  {line}" for line in nearest_of(miss))]
    for one in score.refused:
        lines.append(f"refused  {facts(one.said)} by {one.problem.by}: {one.problem.code}")
    if score.left:
        lines.append(f"nobody asked: {', '.join(f'entry {one.n} ({one.name})' for one in score.left)}")
    return lines
