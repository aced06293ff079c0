"""A scenario as data: what is given, what people do on the way through a channel's flow, and what the act says then.

The format is contracts/schemas/scenario.schema.json. Python names no regulation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from sandbox.composition import ATTORNEYS, PERSONS, PROVIDER, RSHEP
from sandbox.trace import Line

Certificate = Literal["valid", "expired", "of_another_person", "for_logging_in"]


@dataclass(frozen=True, slots=True)
class Paper:
    """A synthetic copy of a document: one empty page whose title is `text`."""

    name: str
    text: str

    media_type = "application/pdf"

    def content(self) -> bytes:
        title = ("\ufeff" + self.text).encode("utf-16-be").hex()  # PDF 32000-1, 7.9.2.2: text strings
        objects = (
            "<</Type/Catalog/Pages 2 0 R>>",
            "<</Type/Pages/Kids[3 0 R]/Count 1>>",
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
            f"<</Title<{title}>>>",
        )
        body, places = b"%PDF-1.4\n", []
        for n, text in enumerate(objects, 1):
            places.append(len(body))
            body += f"{n} 0 obj{text}endobj\n".encode()
        table = "".join(f"{place:010d} 00000 n \n" for place in places)
        end = f"xref\n0 5\n0000000000 65535 f \n{table}trailer<</Size 5/Root 1 0 R/Info 4 0 R>>\n"
        return body + f"{end}startxref\n{len(body)}\n%%EOF\n".encode()


@dataclass(frozen=True, slots=True)
class Person:
    """Synthetic, made when the scenario is played. `iin` only where a scenario needs this very person."""

    surname: str = "ҮЛГІЛІ"
    name: str = "АЙГҮЛ"
    iin: str | None = None


@dataclass(frozen=True, slots=True)
class Consumer:
    """Somebody the person register knows (or is known not to know), by the name of an example or by ИИН."""

    example: str | None = None
    iin: str | None = None


@dataclass(frozen=True, slots=True)
class ResultText:
    ru: str
    kk: str
    values: Mapping[str, Any] = field(default_factory=dict)
    outcome: Literal["positive", "negative"] = "positive"
    variant: str | None = None
    page: bool = False  # the official signs the page too


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of a register, switched on before anybody acts."""

    register: str
    kind: str
    seconds: float | None = None
    times: int | None = None

    def body(self) -> dict[str, Any]:
        wanted = {"kind": self.kind, "seconds": self.seconds, "times": self.times}
        return {name: value for name, value in wanted.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Given:
    regulation: str
    office: str = "Услугодатель"
    citizen: Person = Person("СЫНАҚ", "АЙГҮЛ")
    consumer: Consumer = Consumer()
    official: Person = Person(name="ДӘУРЕН")
    operator: Person = Person(name="ГҮЛНҰР")
    certificates: Mapping[str, Certificate] = field(default_factory=dict)
    attorney: str | None = None
    clock: timedelta | None = None
    faults: Sequence[Fault] = ()

    def certificate(self, whose: str) -> Certificate:
        return self.certificates.get(whose, "valid")


@dataclass(frozen=True, slots=True)
class Act:
    """One item of the flow with what people bring to it, or a wait (`step` is empty then)."""

    step: str = ""
    outcome: Literal["ok", "violation"] | None = None
    form: Mapping[str, Any] = field(default_factory=dict)
    papers: tuple[Mapping[str, str], ...] = ()
    attachments: tuple[Paper, ...] = ()
    reasons: tuple[Mapping[str, str], ...] = ()
    result: ResultText | None = None
    way: Literal["by_hand", "by_email"] = "by_hand"
    wait: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A refusal as a person is told it."""

    step: str
    code: str
    clause: str


@dataclass(frozen=True, slots=True)
class Then:
    act: str
    lines: tuple[Line, ...]
    state: str | None = None
    refusals: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class Cell:
    """A place of the summary: an act, a way to apply, and the item of the flow where it ends."""

    regulation: str
    channel: str
    outcome: str

    def __str__(self) -> str:
        return f"{self.regulation} {self.channel} {self.outcome}"


# A channel that the act names and gives no flow: what people do there, and what of it stands in the journals. The
# first is the channel's outcome too.
INTAKE, RESULT, HAND_OVER = "intake", "result", "hand_over"
TAKEN_IN, INTERNAL_DONE, CONSIDERED = "intake.accepted", "internal.done", "case.considered"
ISSUED, GIVEN_OUT, AT_COUNTER = "result.issued", "result.given_out", "intake.recorded"
ACTIONS = frozenset({TAKEN_IN, INTERNAL_DONE, CONSIDERED, ISSUED, GIVEN_OUT, AT_COUNTER})


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    title: str
    title_kk: str
    given: Given
    channel: str
    region: str
    side: Literal["portal", "provider", "centre"]  # who begins
    ends: str  # the item of the flow that decides how the case ends
    when: tuple[Act, ...]
    then: Then
    order: int = 0
    demo: bool = False
    generated: bool = False

    @property
    def regulation(self) -> str:
        return self.given.regulation

    @property
    def form(self) -> dict[str, Any]:
        """Whatever of the form is filled in on the way."""
        return {name: value for act in self.when for name, value in act.form.items()}

    @property
    def attachments(self) -> tuple[Paper, ...]:
        return tuple(paper for act in self.when for paper in act.attachments)

    @property
    def reasons(self) -> tuple[Mapping[str, str], ...]:
        return tuple(reason for act in self.when for reason in act.reasons)

    @property
    def result(self) -> ResultText | None:
        return next((act.result for act in self.when if act.result is not None), None)

    @property
    def cell(self) -> Cell:
        return Cell(self.regulation, self.channel, self.ends)

    @property
    def cast(self) -> frozenset[str]:
        """The systems it meets: whose lines the act says, who sends or gets a message, whose entries are given, and
        those every case may meet."""
        of_lines = {code for one in self.then.lines for code in (one.service, one.sender, one.recipient) if code}
        given = {fault.register for fault in self.given.faults} | ({ATTORNEYS} if self.given.attorney else set())
        return frozenset({RSHEP, PROVIDER, PERSONS} | of_lines | given)

    @property
    def alone(self) -> bool:
        """Whether nobody else may use its world meanwhile: it moves the clock, or a register is out of order."""
        moved = self.given.clock is not None or any(act.wait is not None for act in self.when)
        return moved or bool(self.given.faults)
