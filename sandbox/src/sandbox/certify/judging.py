"""The verdicts: what the act has the partner do beside what the gateways' journals and the envelopes themselves show.

Nothing the partner's driver answered is looked at.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from egovkit.envelope import Envelope
from egovkit.errors import EgovError
from egovkit.signatures.certificates import TrustStore
from egovkit.signatures.documents import DocumentSignatures
from egovlaw.kinds import message_name
from sandbox.composition import SHEP
from sandbox.partner import BIN
from sandbox.trace import Difference, Hop, Line, judge, spent, trace

if TYPE_CHECKING:
    from egovkit.journal import JournalRow
    from sandbox.certify.playing import Play
    from sandbox.certify.saying import Speech
    from sandbox.replay.scenario import Scenario

Verdict = Literal["met", "broken", "not reached"]
TAKEN = frozenset({"accepted", "consumed", "waiting", "forwarded"})
NO_CLAUSE = "-"


@dataclass(frozen=True, slots=True)
class Obligation:
    """One thing the partner owes. `clause` is the act's, `code` the bus's rule where no act speaks of it; `wrong`:
    clause or code of every violation, with what was seen."""

    scenario: str
    regulation: str
    channel: str
    step: str
    clause: str
    rule: str
    expected: str
    seen: str
    verdict: Verdict
    code: str = ""
    wrong: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """What is judged: the act's lines between the participants, the rows of both gateways, what the partner sent."""

    scenario: Scenario
    lines: Sequence[Line]
    rows: Sequence[JournalRow]
    partner: str
    reached: int


def obligations(case: Case, unlike: Mapping[str, Sequence[Difference]] | None = None) -> list[Obligation]:
    """Line by line. `unlike`: what is wrong with the content of the partner's messages, by message."""
    found: list[Obligation] = []
    lines, contents = list(case.lines), dict(unlike or {})
    optional = {line.message for line in lines}
    hops = [one for one in _hops(case) if one.message in optional or one.sender == case.partner]
    for one in judge(lines, [one for one in hops if not _aside(one)]):
        if one.line is None and one.hop is not None and one.hop.sender == case.partner:
            found.append(_beside_the_act(case, one.hop, one.differences))
        if one.line is not None and one.line.sender == case.partner:
            more = tuple(contents.pop(one.line.message, ())) if one.hop is not None else ()
            late = one.hop is None and lines.index(one.line) > case.reached
            found.append(_owed(case, one.line, one.hop, (*one.differences, *more), reached=not late))
    return found


def _hops(case: Case) -> Iterator[Hop]:
    """ШЭП's, and refusals of either gateway; that something lies in an inbox is one of the ways to be accepted."""
    for one in trace(case.rows):
        if one.notice or (one.service != SHEP and one.kind != "refusal"):
            continue
        yield replace(one, outcome="accepted") if one.outcome in ("waiting", "forwarded") else one


def _aside(one: Hop) -> bool:
    """Questions to an akimat's register are an official's own affair."""
    return one.message in ("query.register", "answer.register")


def _owed(case: Case, line: Line, one: Hop | None, wrong: Sequence[Difference], *, reached: bool) -> Obligation:
    verdict: Verdict = "met" if not wrong else "broken" if reached else "not reached"
    seen = "nothing" if one is None else f"{one.message} {one.outcome}{spent(one)}"
    return Obligation(
        case.scenario.name, case.scenario.regulation, case.scenario.channel, line.step, line.clause, line.rule,
        f"{line.message} to {line.recipient}{_within(line)}", seen, verdict,
        wrong=tuple((found.clause, found.text) for found in wrong) if reached else (),
    )  # fmt: skip


def _within(line: Line) -> str:
    return f", within {line.limit_s:g} s ({line.table})" if line.limit_s else ""


def _beside_the_act(case: Case, one: Hop, wrong: Sequence[Difference]) -> Obligation:
    """The partner did what the act does not have here; a refusal says by which rule."""
    clause = wrong[0].clause
    return Obligation(
        case.scenario.name, case.scenario.regulation, case.scenario.channel, one.step, clause,
        "Nothing but what the act leads to", "nothing", f"{one.message} {one.outcome} {one.code or ''}".strip(),
        "broken", one.code or "", tuple((found.clause, found.text) for found in wrong),
    )  # fmt: skip


# --- what the messages say


async def contents(play: Play, sent: Sequence[Envelope]) -> dict[str, list[Difference]]:
    """What is wrong with the data of what the partner sent, by message; each with the clause of the line it fills."""
    found: dict[str, list[Difference]] = {}
    version, number = 0, None
    clauses = {line.message: line.clause for line in play.lines}
    for envelope in sent:
        name, data = message_name(envelope.type), envelope.data
        texts = [*_numbered(data, number, version)]
        check = CHECKS.get(name)
        texts += [] if check is None else list(check(play.speech, envelope))
        if name in SIGNED:
            texts += await _signed_by_official(data, play.stage.lists.store, envelope)
        number, version = data.get("number") or number, max(version, int(data.get("version", 0)))
        if texts and name in clauses:
            found[name] = [Difference(clauses[name], f"{name}: {text}") for text in texts]
    return found


SIGNED = frozenset({"case.completed", "case.handed_over"})


def _numbered(data: Mapping[str, Any], number: str | None, version: int) -> Iterator[str]:
    """One application has one number, and each further word on it a higher version."""
    if number is not None and data.get("number") not in (None, number):
        yield f"the application's number was {number} and is {data['number']} now"
    if "version" in data and "received_by" not in data and data["version"] <= version:
        yield f"version {data['version']} of the status comes after version {version}"


async def _signed_by_official(data: Mapping[str, Any], trust: TrustStore, envelope: Envelope) -> list[str]:
    """By an employee of the very organisation, with a certificate good then, over exactly the document."""
    try:
        document, signature = (base64.b64decode(data[name]) for name in ("document", "signature"))
        facts = await DocumentSignatures(trust).verify(document, signature, envelope.time, None)
    except (ValueError, EgovError) as error:
        return [f"its signature is none ({error})"]
    if facts.refusal is not None:
        return [f"its signature does not stand: {facts.refusal}"]
    return [] if facts.signer.bin == BIN else ["it is signed by somebody who is not of this organisation"]


def _passed_on(speech: Speech, envelope: Envelope) -> Iterator[str]:
    """The application goes on as it was signed, for who signed it."""
    data = envelope.data
    if speech.given and any(data[name] != speech.given[name] for name in ("document", "signature")):
        yield "the document or its signature is not the one that was signed"
    if data["applicant"]["iin"] != speech.applicant:
        yield "it is for another person than the one who applied"


def _of_who_was_asked(speech: Speech, envelope: Envelope) -> Iterator[str]:
    """The answer is about the person asked about; nothing is found of who is not in the register."""
    data = envelope.data
    if "persons" in data:
        about = [one["iin"] for one in data["persons"]]
    else:
        about = [party.get("iin", "") for one in data["attorneys"] for party in one["representatives"]]
    known = speech.applicant == speech.stage.about.persons.get("known")
    if about and speech.applicant not in about:
        yield "it is about another person than the question"
    if known and not about:
        yield "nothing was found of a person the register knows"
    if not known and about:
        yield "something was found of a person the register does not know"


def _asked_about(speech: Speech, envelope: Envelope) -> Iterator[str]:
    if speech.applicant not in envelope.data["criterion"].values():
        yield "the question is about another person than the one who applies"


def _handed(speech: Speech, envelope: Envelope) -> Iterator[str]:
    if envelope.data["received_by"]["iin"] != speech.applicant:
        yield "the result went to another person than the one who applied"


CHECKS: Mapping[str, Callable[[Speech, Envelope], Iterator[str]]] = {
    "case.submitted": _passed_on, "answer.person": _of_who_was_asked, "answer.attorney": _of_who_was_asked,
    "query.person": _asked_about, "case.handed_over": _handed,
}  # fmt: skip
