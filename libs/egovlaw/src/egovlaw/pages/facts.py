"""What several parts of a page say in the same way: clauses, decisions, durations, events. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from egovlaw.catalogue import Branch, Cited, Duration, Event, FlowItem, InternalStep, Kazakh, Limit, Published
from egovlaw.pages.markdown import bullet, escape, link, own, quote
from egovlaw.pages.words import UNITS, Words


def step_anchor(channel: str, label: str) -> str:
    """`portal-p5`: what other documents link to."""
    return f"{channel}-{label.lower()}"


def step_link(channel: str, label: str) -> str:
    return link(label, f"#{step_anchor(channel, label)}")


def decision_links(decisions: Sequence[str]) -> str:
    return ", ".join(link(one, f"#decision-{one.lower()}") for one in decisions)


def clause(words: Words, where: str | None) -> str:
    """A number is a clause; an annex and the decree are named by themselves."""
    if not where:
        return ""
    return f"{words('clause')} {escape(where)}" if where[0].isdigit() else escape(where)


def source(words: Words, cited: Cited | None) -> str:
    """` (cl. 2; A37)`, or nothing."""
    if cited is None:
        return ""
    parts = [part for part in (clause(words, cited.clause), decision_links(cited.decisions)) if part]
    return f" ({'; '.join(parts)})" if parts else ""


def kazakh(words: Words, text: Kazakh) -> str:
    return f"{escape(text.text)} ({origin_of(words, text.status)})"


def origin_of(words: Words, status: str) -> str:
    return words("restored_kk" if status == "restored" else status)


def published(words: Words, entry: Published | None) -> str:
    if entry is None:
        return words("none_given")
    number = f"{words('number')} {escape(entry.number)} " if entry.number else ""
    return f"{number}{words('of')} {entry.date.isoformat()}{', ' + escape(entry.body_ru) if entry.body_ru else ''}"


def duration(words: Words, limit: Duration | Limit | None) -> str:
    if limit is None:
        return "-"
    low = f"{limit.min_s}-" if limit.min_s else ""
    amounts = {unit: amount for unit in UNITS if (amount := getattr(limit, unit, None)) is not None}
    return ", ".join(f"{low}{amount} {words.unit(unit, amount)}" for unit, amount in amounts.items())


def event(words: Words, channel: str, when: Event) -> str:
    if when.kind == "message":
        return f"`{when.name}` {words('sent')}"
    how = {"ok": "in_order", "violation": "violation"}.get(when.outcome or "", "")
    word = words(how) if how else words("begins" if when.moment == "begin" else "done")
    return f"{step_link(channel, when.name)} {word}"


def onward(words: Words, channel: str, item: FlowItem) -> str:
    """Where an item leads, a refusal and the result said as such."""
    if item.next is None:
        return words("ends" if item.outcome == "result" else "refusal")
    refusal = f"{words('refusal_on')}, " if item.outcome == "refusal" else ""
    if isinstance(item.next, Branch):
        ok, violation = step_link(channel, item.next.ok), step_link(channel, item.next.violation)
        return f"{words('in_order')} → {ok}, {words('violation')} → {violation}"
    return f"{refusal}{words('leads')} {step_link(channel, item.next)}"


def remarks(words: Words, *, lost: Sequence[str], decisions: Sequence[str], uncertain: Sequence[str] = ()) -> list[str]:
    """The bullets that close an entry."""
    found = [bullet(words("lost"), own("; ".join(lost)))] if lost else []
    if uncertain:
        found.append(bullet(words("uncertain"), ", ".join(f"`{column}`" for column in uncertain)))
    return [*found, bullet(words("decisions"), decision_links(decisions))] if decisions else found


def quoted(name: str, text: str) -> list[str]:
    """A long text under its own name."""
    return ["", f"**{name}**", "", *quote(text), ""]


def total(words: Words, steps: Sequence[InternalStep]) -> str:
    """The times of the steps, each unit for itself: a working day is not turned into hours without a decision."""
    sums: dict[str, int] = {}
    for step in steps:
        for unit in UNITS:
            amount = getattr(step.limit, unit, None)
            if amount is not None:
                sums[unit] = sums.get(unit, 0) + amount
    untimed = sum(step.limit is None for step in steps)
    parts = [f"{amount} {words.unit(unit, amount)}" for unit in reversed(UNITS) if (amount := sums.get(unit))]
    missing = f" ({words('untimed')}: {untimed})" if untimed else ""
    return (" + ".join(parts) or "-") + missing


def value(of: Any) -> str:
    """The value of a setting, as data."""
    return f"`{of if isinstance(of, str) else json.dumps(of, ensure_ascii=False)}`"
