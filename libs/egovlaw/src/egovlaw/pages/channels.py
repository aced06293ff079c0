"""One channel on a page: its flow, limits, printed table and the messages beside the flow. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from egovlaw.catalogue import Channel, FlowItem, TableRow
from egovlaw.pages.facts import (
    clause,
    decision_links,
    duration,
    event,
    onward,
    remarks,
    step_anchor,
    step_link,
)
from egovlaw.pages.markdown import bullet, escape, heading, link, quote, table
from egovlaw.pages.words import Words


def channel_part(words: Words, channel: Channel, drawn: Mapping[str, str]) -> list[str]:
    name, places = words.name(channel.code), ", ".join(channel.clauses)
    lines = heading(2, f"{words('channel')}: {name}", channel.code)
    lines += [f"{clause(words, places)}:", "", *quote(channel.title_ru), ""]
    lines += remarks(words, lost=(), decisions=channel.decisions)
    if "svg" in drawn:
        lines += ["", f"![{words('diagram')}: {name}]({drawn['svg']})"]
    if "bpmn" in drawn:
        lines += ["", link("BPMN 2.0", drawn["bpmn"])]
    if not channel.has_flow:
        return [*lines, "", words("says_no_flow"), "", *_table(words, channel)]
    lines += heading(3, words("flow"), f"{channel.code}-flow")
    for item in channel.flow:
        lines += _item(words, channel, item)
    return [*lines, *_limits(words, channel), *_table(words, channel), *_side_messages(words, channel)]


def _item(words: Words, channel: Channel, item: FlowItem) -> list[str]:
    lines = heading(4, f"{item.label}: {words.name(item.kind.name)}", step_anchor(channel.code, item.label))
    facts = [words(item.type), clause(words, item.clause), *[escape(system) for system in item.systems]]
    if item.limit is not None:
        facts.append(f"{words('limit')} {duration(words, item.limit)}")
    lines += [" · ".join(facts), "", *quote(item.text_ru), ""]
    if item.restored:
        lines += [words("restored"), ""]
    lines.append(f"- {onward(words, channel.code, item)}")
    if messages := (*item.entering, *(name for name in item.standing if name not in item.entering)):
        lines.append(bullet(words("told_by"), ", ".join(f"`{name}`" for name in messages)))
    return [*lines, *remarks(words, lost=item.lost, decisions=item.decisions)]


def _limits(words: Words, channel: Channel) -> list[str]:
    if not channel.limits:
        return []
    keys = ("step", "time", "from_to", "measured_by", "class", "text_wins", "clause", "decisions")
    rows = [
        [
            step_link(channel.code, one.label),
            duration(words, one),
            f"{event(words, channel.code, one.starts_on)} - {event(words, channel.code, one.stops_on)}",
            one.measured_by,
            words.name(one.cls),
            words(f"wins_{one.text_wins}") if one.text_wins else "",
            escape(one.clause),
            decision_links(one.decisions),
        ]
        for one in channel.limits
    ]
    title = heading(3, words("limits"), f"{channel.code}-limits")
    return [*title, words("limits_intro"), "", *table([words(key) for key in keys], rows)]


def _table(words: Words, channel: Channel) -> list[str]:
    if not channel.table:
        return []
    lines = heading(3, words("table"), f"{channel.code}-table")
    if channel.table_title_ru:
        lines += [*quote(channel.table_title_ru), ""]
    for row in channel.table:
        lines += _row(words, channel, row)
    return lines


def _row(words: Words, channel: Channel, row: TableRow) -> list[str]:
    lines = heading(4, f"{words('row')} {row.n}", f"{channel.code}-row-{row.n}")
    lines += [clause(words, row.clause), ""]
    for column in ("actor", "action", "completion"):
        lines.append(bullet(words(column), _cell(words, row, f"{column}_ru")))
    limit = f"{words('as_data')} {duration(words, row.limit)}" if row.limit else ""
    by_branch = [f"{words.name(name)}: {duration(words, one)}" for name, one in row.limit_by_branch.items()]
    said = "; ".join(part for part in (_cell(words, row, "limit_ru"), limit, *by_branch) if part)
    lines.append(bullet(words("limit"), said))
    read = " / ".join(str(n) for n in (row.on_ok, row.on_violation) if n is not None) or "-"
    lines.append(bullet(words("next"), f"{_cell(words, row, 'next_ru')}; {words('read_as')} {read}"))
    return [*lines, *remarks(words, lost=row.lost, uncertain=row.uncertain, decisions=row.decisions)]


def _cell(words: Words, row: TableRow, column: str) -> str:
    text = getattr(row, column)
    if text is None:
        return words("cell_lost" if column in row.lost else "no_cell")
    return escape(text)


def _side_messages(words: Words, channel: Channel) -> list[str]:
    if not channel.side_messages:
        return []
    rows = [
        [
            f"`{one.type}`",
            words.name(one.sender),
            words.name(one.recipient),
            ", ".join(step_link(channel.code, label) for label in one.during),
            decision_links(one.decisions),
        ]
        for one in channel.side_messages
    ]
    head = [words(key) for key in ("message", "from", "to", "during", "decisions")]
    return [*heading(3, words("side_messages"), f"{channel.code}-messages"), *table(head, rows)]
