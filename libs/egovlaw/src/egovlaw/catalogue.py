"""The catalogue: what the acts say, as frozen facts. Built by the loader only; knows no file and no
format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, Literal

from egovlaw.kinds import ItemType, StepKind

OriginKind = Literal["portal", "centre", "provider"]
Outcome = Literal["continue", "refusal", "result"]
InternalBranch = Literal["default", "akim", "centre"]
StaffRole = Literal["clerk", "head", "division_head", "executor", "commission", "authorised"]
Office = Literal["provider", "akim", "employment_centre"]
InternalTask = Literal[
    "register", "forward", "assign", "examine", "conclude", "approve", "prepare", "sign", "decide", "issue"
]
KazakhStatus = Literal["translated", "restored", "verbatim"]

LimitClass = Literal["request", "submission", "fact", "staff", "citizen"]

CHANNELS = ("portal", "centre", "state_corporation", "provider", "akim", "employment_centre")


@dataclass(frozen=True, slots=True)
class Duration:
    """A time as the act writes it, in exactly one unit family; seconds may have a lower bound."""

    min_s: int | None = None
    max_s: int | None = None
    minutes: int | None = None
    hours: int | None = None
    working_days: int | None = None
    calendar_days: int | None = None
    months: int | None = None

    def __str__(self) -> str:
        """`30-60 s`, `1 month`, `7 working days`."""
        if self.max_s is not None:
            return f"{self.max_s} s" if self.min_s is None else f"{self.min_s}-{self.max_s} s"
        units = ("minutes", "hours", "working_days", "calendar_days", "months")
        found = ((getattr(self, unit), unit.replace("_", " ")) for unit in units)
        return next(f"{value} {unit if value != 1 else unit[:-1]}" for value, unit in found if value is not None)


@dataclass(frozen=True, slots=True)
class Branch:
    """Where a condition leads."""

    ok: str
    violation: str


@dataclass(frozen=True, slots=True)
class FlowItem:
    """`limit` is what this very item of the text says (act 004); limits of the tables are in
    `Channel.limits`.
    """

    n: int
    label: str
    type: ItemType
    clause: str
    kind: StepKind
    text_ru: str
    systems: tuple[str, ...]
    outcome: Outcome
    limit: Duration | None
    next: str | Branch | None
    entering: tuple[str, ...]  # messages that reach this step; empty = local
    standing: tuple[str, ...]  # further messages while the case stands here
    restored: bool = False  # the text is ours, because the scan lost it
    lost: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()

    @property
    def successors(self) -> tuple[str, ...]:
        if isinstance(self.next, Branch):
            return (self.next.ok, self.next.violation)
        return () if self.next is None else (self.next,)


@dataclass(frozen=True, slots=True)
class TableRow:
    """One column of the act's printed table. `next_ru` as printed; `on_ok`/`on_violation` as read (A2,
    A40).
    """

    n: int
    clause: str
    actor_ru: str | None
    action_ru: str | None
    completion_ru: str | None
    limit_ru: str | None
    limit: Duration | None
    next_ru: str | None
    on_ok: int | None
    on_violation: int | None
    limit_by_branch: Mapping[str, Duration] = field(default_factory=dict)  # Tayynsha: 7 days, the akim 22 (A17)
    lost: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()  # columns that the scan ran together
    decisions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """A moment that starts or stops a limit.

    `moment` of a step: begin is known to the acting system alone (somebody opened the page); end is what trails carry.
    Of a message: begin is its sending, end its receipt by who measures.
    `outcome` narrows a condition's end to one branch.
    """

    kind: Literal["step", "message"]
    name: str
    outcome: Literal["ok", "violation"] | None = None
    moment: Literal["begin", "end"] = "end"


@dataclass(frozen=True, slots=True)
class Limit:
    """`min_s` is for display only ("30 сек - 1 минута"): nobody is refused for being quick."""

    label: str
    clause: str
    min_s: int | None
    max_s: int
    starts_on: Event
    stops_on: Event
    measured_by: str
    cls: LimitClass
    table_row: int | None
    text_wins: Literal["table", "flow"] | None = None  # where flow and table differ
    decisions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SideMessage:
    """A message that stands in no flow (E3), with the steps during which it is allowed."""

    type: str
    sender: Literal["origin", "provider", "register"]
    recipient: Literal["origin", "provider", "register"]
    during: tuple[str, ...]
    decisions: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Channel:
    code: str
    origin_kind: OriginKind
    clauses: tuple[str, ...]
    title_ru: str
    flow: tuple[FlowItem, ...]
    table: tuple[TableRow, ...]
    limits: tuple[Limit, ...]
    side_messages: tuple[SideMessage, ...]
    table_title_ru: str | None = None
    decisions: tuple[str, ...] = ()

    @property
    def has_flow(self) -> bool:
        return bool(self.flow)

    @cached_property
    def by_label(self) -> Mapping[str, FlowItem]:
        return {item.label: item for item in self.flow}

    def item(self, label: str) -> FlowItem | None:
        return self.by_label.get(label)


@dataclass(frozen=True, slots=True)
class Published:
    """A number and date in a register: of an act, its registration or its repeal."""

    number: str
    date: date
    body_ru: str | None = None


@dataclass(frozen=True, slots=True)
class Act:
    number: str
    date: date
    body_ru: str
    registered: Published | None
    repealed: Published | None
    title_ru: str | None = None
    amends: Published | None = None
    lost: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Cited:
    """Where the act says it, and the decisions its reading rests on."""

    clause: str | None
    decisions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InternalStep:
    """`role`, `office` and `task` are what the actor and the action of the act are at a workstation; `only_for`: the
    cases that take this step where not all do, by their decision (D14) or by where they were lodged (D3).
    """

    branch: InternalBranch
    n: int
    clause: str
    actor_ru: str
    action_ru: str
    limit_ru: str | None
    limit: Duration | None
    result_ru: str | None
    role: StaffRole
    office: Office
    task: InternalTask
    negative: bool = False  # the act lets this step's answer be a refusal
    only_for: Literal["positive", "akim", "centre"] | None = None
    decisions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kazakh:
    """A Kazakh text and where it comes from: the act itself, its garbled scan, or our translation (E11)."""

    text: str
    status: KazakhStatus


@dataclass(frozen=True, slots=True)
class FormField:
    """`options_kk` has one text for each of `options_ru`. `per`: asked once for each of them. `co_signer`: who else may
    sign the application electronically, in this role, instead of a scanned sheet here."""

    name: str
    label_ru: str
    label_kk: Kazakh
    type: str
    options_ru: tuple[str, ...] = ()
    required: bool = False
    options_kk: tuple[Kazakh, ...] = ()
    per: Literal["case", "child", "spouse"] | None = None
    co_signer: Literal["spouse"] | None = None
    decisions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    kind: Literal["application", "positive", "negative", "notification", "survey"]
    clause: str
    name_ru: str
    fields: tuple[FormField, ...]
    text_ru: str | None
    validity: Duration | None
    variant: str | None = None
    attachments_ru: tuple[str, ...] = ()
    free_form: bool = False  # a letter with reasons, no template
    sent_on: tuple[str, ...] = ()  # notifications: status_change, extension
    name_kk: Kazakh | None = None
    text_kk: Kazakh | None = None
    languages: tuple[str, ...] = ()  # those the act prints the form in, where it says so
    validity_ru: str | None = None
    lost: tuple[str, ...] = ()
    omitted: Literal["person"] | None = None
    decisions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """Any other sentence of the act. Only executable rules need tests; the others carry a reason."""

    clause: str
    kind: Literal["executable", "definition", "organisational"]
    topic: str
    text_ru: str
    term_ru: str | None = None
    short_ru: str | None = None
    reason: str | None = None
    omitted: str | None = None
    lost: tuple[str, ...] = ()
    decisions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """A value we had to choose, or to leave open, with the decision it rests on."""

    value: Any
    decision: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceTerm:
    """A term the act itself states: of the service, of waiting, of the counter, of the courier, of the
    procedure.
    """

    kind: Literal["service", "waiting", "counter", "courier", "internal_total"]
    channel: str | None
    clause: str
    limit_ru: str
    limit: Duration
    starts_ru: str | None = None
    decisions: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Regulation:
    code: str
    version: int
    source: str
    region: str
    title_ru: str
    title_kk: str
    title_kk_status: KazakhStatus
    act: Act
    standard_ru: str
    provider_ru: str
    provider_kk: Kazakh | None
    form_ru: str
    form_kind_ru: str | None
    result_ru: str | None
    participants: tuple[str, ...]
    participants_cited: tuple[Cited, ...]  # one for each of them
    cited: Mapping[str, Cited]  # of title, standard, provider, form and result
    channels: Mapping[str, Channel]
    internal_procedure: tuple[InternalStep, ...]
    terms: tuple[ServiceTerm, ...]
    forms: tuple[Form, ...]
    rules: tuple[Rule, ...]
    settings: Mapping[str, Setting]
    decisions: tuple[str, ...]  # every decision any part of the entry relies on, sorted

    def in_force(self, on: date) -> bool:
        """Only the repeal is known for every act, so it alone decides."""
        return on >= self.act.date and (self.act.repealed is None or on < self.act.repealed.date)

    def internal_steps(self, lodged: InternalBranch = "default", *, refused: bool = False) -> tuple[InternalStep, ...]:
        """The internal procedure of one case: the steps of the branch it was lodged with, then those of another
        branch that has steps for such cases (D3: what the akim took in goes on at the Centre).
        """
        skipped = ({"akim", "centre"} - {lodged}) | ({"positive"} if refused else set())
        own = [step for step in self.internal_procedure if step.branch == lodged]
        joined = {step.branch for step in self.internal_procedure if step.only_for == lodged} - {lodged}
        further = [step for step in self.internal_procedure if step.branch in joined]
        return tuple(step for step in (*own, *further) if step.only_for not in skipped)

    @property
    def service_term(self) -> Any:
        """The term of the whole service; None where only the Standard has it, and the Standard is not here
        (A4).
        """
        chosen = self.settings.get("service_term")
        return None if chosen is None else chosen.value


@dataclass(frozen=True, slots=True)
class Decision:
    id: str
    text: str
    applies_to: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Catalogue:
    """`regulations` are those in force for new cases, the newest version of each; `superseded` the versions before
    them, by which running cases are still judged. `regions` are those of contracts/regions.yaml, by short names.
    """

    regulations: tuple[Regulation, ...]
    decisions: Mapping[str, Decision]
    regions: frozenset[str]
    superseded: tuple[Regulation, ...] = ()

    @cached_property
    def by_code(self) -> Mapping[str, Regulation]:
        return {regulation.code: regulation for regulation in self.regulations}

    @cached_property
    def by_version(self) -> Mapping[tuple[str, int], Regulation]:
        return {(one.code, one.version): one for one in (*self.superseded, *self.regulations)}

    def regulation(self, code: str, version: int | None = None) -> Regulation | None:
        """The newest version, or the one a running case began with; None when the catalogue has it not (any more)."""
        return self.by_code.get(code) if version is None else self.by_version.get((code, version))

    def versions(self, code: str) -> tuple[int, ...]:
        """Every version the catalogue holds, oldest first."""
        return tuple(sorted(version for known, version in self.by_version if known == code))
