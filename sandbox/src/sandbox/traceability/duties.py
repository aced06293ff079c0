"""Everything in the catalogue that somebody has to do, each with its clause. Definitions and organisational sentences
are no duties of software; they stand beside them with the reason why.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from egovlaw.catalogue import Catalogue, Channel, Regulation

TOPICS = ("step", "limit", "internal", "term", "message", "validity")  # beside the topics that rules have


@dataclass(frozen=True, slots=True)
class Duty:
    """`topic`, `regulation`, `clause`, `channel` and `name` are what a test may name it by."""

    topic: str
    regulation: str
    clause: str
    item: str
    text: str
    channel: str = ""
    name: str = ""  # kind of a step or term, task of an internal step, type of a message
    origin: str = ""
    measured_by: str = ""
    limit_s: int | None = None

    @property
    def where(self) -> str:
        """Regulation, clause and what of it, for people."""
        return " ".join(part for part in (self.regulation, self.channel, self.item, f"({self.clause})") if part)


def duties_of(law: Catalogue) -> list[Duty]:
    """In the order of the catalogue."""
    return [duty for one in law.regulations for duty in _of_regulation(one)]


def _of_regulation(one: Regulation) -> Iterator[Duty]:
    for channel in one.channels.values():
        yield from _of_channel(one.code, channel)
    for step in one.internal_procedure:
        item = f"internal {step.branch} {step.n}, {step.role}"
        yield Duty("internal", one.code, step.clause, item, step.action_ru, name=step.task)
    for term in one.terms:
        yield Duty("term", one.code, term.clause, f"term {term.kind}", term.limit_ru, term.channel or "", term.kind)
    for form in one.forms:
        if form.validity is not None:
            item = " ".join(("validity of", form.kind, form.variant or "")).strip()
            text = form.validity_ru or str(form.validity)
            yield Duty("validity", one.code, form.clause, item, text, name=form.variant or "")
    terms = {term.clause for term in one.terms}
    for rule in one.rules:
        if rule.kind == "executable":  # the sentence that states a term is kept by whoever keeps the term
            topic = "term" if rule.clause in terms else rule.topic
            yield Duty(topic, one.code, rule.clause, f"rule, {rule.topic}", rule.text_ru)


def _of_channel(code: str, channel: Channel) -> Iterator[Duty]:
    place, origin = channel.code, channel.origin_kind
    for item in channel.flow:
        yield Duty("step", code, item.clause, item.label, item.text_ru, place, item.kind.name, origin)
    for limit in channel.limits:
        within = f"{limit.max_s} s" if limit.min_s is None else f"{limit.min_s}-{limit.max_s} s"
        yield Duty(
            "limit", code, limit.clause, f"limit {limit.label}", within, place, limit.cls, origin,
            limit.measured_by, limit.max_s,
        )  # fmt: skip
    for side in channel.side_messages:
        clause = ", ".join(channel.by_label[label].clause for label in side.during)
        shown = f"{side.type} during {', '.join(side.during)}"
        text = f"{side.sender} -> {side.recipient} ({', '.join(side.decisions)})"
        yield Duty("message", code, clause, shown, text, place, side.type, origin)
