"""What a gateway knows and decides, as plain data. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from egovkit.envelope import Envelope, WireEnvelope
from egovkit.errors import EgovError
from egovkit.membership import Member
from egovkit.signatures.receipt import Receipt

GRACE = timedelta(seconds=2)  # clocks of two systems differ; NTP keeps them within one second
HTTP_DOOR = "http"
REDRIVE_QUEUE = "rshep.redrive"  # dead letters on their way from ШЭП, which keeps them, to queues of the regions
REDRIVEN_TO = "x-egov-redriven-to"  # header of such a letter: the queue it died in


class EnvelopeState(StrEnum):
    """Where an envelope stands at this gateway. A row never goes back, but from WAITING to ACCEPTED when its recipient
    takes from the broker after all."""

    PARKED = "parked"  # came before its predecessor; waits for it or for its expiry
    ACCEPTED = "accepted"  # committed; the gateway answers for it and will publish it until it is confirmed
    FORWARDED = "forwarded"  # the next hop's queue has confirmed it
    WAITING = "waiting"  # lies in the HTTP inbox of a participant that fetches for itself
    CONSUMED = "consumed"  # addressed to this gateway
    REFUSED = "refused"  # the sender has a signed refusal


SETTLED = frozenset({EnvelopeState.FORWARDED, EnvelopeState.WAITING, EnvelopeState.CONSUMED, EnvelopeState.REFUSED})


RETURNING = ">"  # behind the source of a passage; no participant's code has it


@dataclass(frozen=True, slots=True)
class Arrival:
    """One envelope as it came in: exact bytes, the door (ingress queue or `http`) and the moment."""

    wire: WireEnvelope
    door: str
    received: datetime
    resumed: bool = False  # a parked row that is judged again, with the time it first came
    returning: bool = False  # passed here before, on its way to the other gateway: between two systems of our regions

    def key_of(self, envelope: Envelope) -> tuple[str, str]:
        """What makes an envelope the same one: (source, id); each of two passages is remembered by itself."""
        return envelope.source + (RETURNING if self.returning else ""), envelope.id

    def digest(self, code: str) -> str:
        """Identifies these bytes turned away for this reason, also when nothing in them can be trusted.

        The signature is left out: the same bytes can be signed (or missigned) anew as often as one likes.
        """
        return sha256(f"{code}\n".encode() + self.wire.raw).hexdigest()


@dataclass(frozen=True, slots=True)
class Verified:
    """An arrival whose sender is proved (steps 1 and 2)."""

    arrival: Arrival
    envelope: Envelope
    sender: Member
    receipts: tuple[Receipt, ...]

    @property
    def key(self) -> tuple[str, str]:
        return self.arrival.key_of(self.envelope)


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """An arrival that failed step 1 or 2. `sender` is set only when the signature proved one."""

    arrival: Arrival
    error: EgovError
    sender: Member | None = None
    envelope: Envelope | None = None

    @property
    def key(self) -> tuple[str, str] | None:
        """(source, id), when the one who signed may speak of that id at all."""
        if self.sender is None or self.envelope is None or self.envelope.source != self.sender.code:
            return None
        return self.arrival.key_of(self.envelope)


@dataclass(frozen=True, slots=True)
class Question:
    """A query that passed here on its way to a register: its answer must come back to its asker, once."""

    type: str
    asker: str
    register: str
    at: datetime
    answered: bool = False


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A gateway's view of a case: who takes part, how far it is, what each side has sent.

    `sequences` is the last caseseq per source, `times` the moment (UTC) each message type was accepted here,
    `questions` what registers were asked (by the query's id), `version` the compare-and-set counter. `provider` is
    empty until the case has one. `due_at`, `due_step` and `due_clause`: the limit that runs until the next message.
    """

    case_id: str
    regulation: str
    regulation_version: int
    channel: str
    region: str
    origin: str
    provider: str
    position: str | None = None
    ended: bool = False
    version: int = 0
    sequences: Mapping[str, int] = field(default_factory=dict)
    times: Mapping[str, datetime] = field(default_factory=dict)
    questions: Mapping[str, Question] = field(default_factory=dict)
    due_at: datetime | None = None
    due_step: str | None = None
    due_clause: str | None = None


@dataclass(frozen=True, slots=True)
class Trace:
    """What the journal says of a passage, besides who and what: the state, the clause and the limit (seconds)."""

    step: str
    clause: str | None = None
    state_before: str | None = None
    state_after: str | None = None
    limit_s: float | None = None
    used_s: float | None = None
    late: bool = False


@dataclass(frozen=True, slots=True)
class Forward:
    """Take it. `to` is the participant it goes to (None: consumed here); `case` replaces the case's row."""

    to: Member | None
    case: CaseRow | None
    trace: Trace
    notify_sender: bool = False


@dataclass(frozen=True, slots=True)
class Refuse:
    """Do not take it; the sender gets `error` in a signed refusal."""

    error: EgovError
    trace: Trace


@dataclass(frozen=True, slots=True)
class Park:
    """Too early: keep it until its predecessor comes, or refuse it at `until`."""

    until: datetime
    trace: Trace


Decision = Forward | Refuse | Park


@dataclass(frozen=True, slots=True)
class Standing:
    """What the judge may look at beside the envelope: the case, the sender's refused numbers, the moment.

    A refused envelope uses up its caseseq: its successor does not wait for it.
    """

    case: CaseRow | None
    refused: frozenset[int]
    now: datetime

    def early(self, source: str, caseseq: int) -> bool:
        """Whether an earlier envelope of this source is still on its way."""
        last = self.case.sequences.get(source, 0) if self.case else 0
        return any(number not in self.refused for number in range(last + 1, caseseq))

    def taken(self, source: str, caseseq: int) -> bool:
        """Whether this number, or a later one, has been accepted already."""
        return self.case is not None and caseseq <= self.case.sequences.get(source, 0)


Judge = Callable[[Verified, Standing], Decision]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one arrival: the state of its row, the gateway's receipt, or the refusal."""

    state: EnvelopeState
    receipt: str | None = None
    error: EgovError | None = None
