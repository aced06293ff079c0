"""How a regulation is shown in a terminal: everything the catalogue holds, each with its clause."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from egovlaw.catalogue import (
    Branch,
    Catalogue,
    Channel,
    Duration,
    Event,
    FlowItem,
    Form,
    FormField,
    Kazakh,
    Limit,
    Published,
    Regulation,
    Rule,
    TableRow,
)
from egovlaw.compare import Difference

STYLES = {"continue": "", "refusal": "red", "result": "green"}
WIDTH = 100  # of a page when nobody's terminal says otherwise


def console() -> Console:
    """The acts' own brackets are no markup."""
    own = Console(markup=False, highlight=False, emoji=False)
    return own if own.is_terminal else Console(markup=False, highlight=False, emoji=False, width=WIDTH)


def show(out: Console, law: Catalogue, regulation: Regulation) -> None:
    _head(out, regulation)
    for channel in regulation.channels.values():
        show_channel(out, channel)
    _internal(out, regulation)
    _terms(out, regulation)
    _forms(out, regulation)
    _settings(out, regulation)
    _rules(out, regulation.rules)
    _decisions(out, law, regulation)


def show_differences(out: Console, one: Regulation, other: Regulation, found: Sequence[Difference]) -> None:
    if not found:
        out.print(f"{one.code} and {other.code} are equal but for names")
        return
    for area, members in groupby(found, key=lambda difference: difference.area):
        rows = [(each.where, _or_dash(each.one), _or_dash(each.other)) for each in members]
        _table(out, area, ("where", one.code, other.code), rows, (2, 3, 3))
    out.print(f"{len(found)} difference{'s' if len(found) != 1 else ''}")


def _heading(out: Console, text: str) -> None:
    out.print()
    out.print(Text(text, style="bold underline"))


def _table(
    out: Console,
    title: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str | Text]],
    ratios: Sequence[int],
) -> None:
    """Nothing where there are no rows."""
    if not rows:
        return
    _heading(out, title)
    table = Table(box=box.SIMPLE_HEAD, show_lines=False, pad_edge=False, expand=True, padding=(0, 1))
    for column, ratio in zip(head, ratios, strict=True):
        table.add_column(column, ratio=ratio, overflow="fold")
    for row in rows:
        table.add_row(*row)
    out.print(table)


def _or_dash(text: str | None) -> str:
    return text if text else "-"


def _cited(decisions: Sequence[str]) -> str:
    return f" [{', '.join(decisions)}]" if decisions else ""


def _kazakh(kazakh: Kazakh | None) -> str:
    return "-" if kazakh is None else f"{kazakh.text} ({kazakh.status})"


def _head(out: Console, regulation: Regulation) -> None:
    act = regulation.act
    out.print(Text(regulation.title_ru, style="bold"))
    out.print(Text(f"{regulation.title_kk} ({regulation.title_kk_status})"))
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bold")
    facts.add_column(overflow="fold")
    for name, value in (
        ("code", f"{regulation.code}, version {regulation.version}, region {regulation.region}"),
        ("act", f"№ {act.number}, {act.date}, {act.body_ru}{_cited(act.decisions)}"),
        ("amends", _published(act.amends)),
        ("registered", _published(act.registered)),
        ("repealed", _published(act.repealed)),
        ("lost", "; ".join(act.lost) or "-"),
        ("standard", regulation.standard_ru),
        ("provider", regulation.provider_ru),
        ("", _kazakh(regulation.provider_kk)),
        ("form", regulation.form_ru),
        ("participants", ", ".join(regulation.participants) or "-"),
    ):
        facts.add_row(name, value)
    out.print()
    out.print(facts)


def _published(entry: Published | None) -> str:
    return "-" if entry is None else f"№ {entry.number}, {entry.date}" + (f", {entry.body_ru}" if entry.body_ru else "")


def show_channel(out: Console, channel: Channel) -> None:
    out.print()
    out.rule()
    _heading(out, f"channel {channel.code}: clause {', '.join(channel.clauses)}{_cited(channel.decisions)}")
    out.print(Text(channel.title_ru, style="italic"))
    if not channel.has_flow:
        out.print("The act names this channel and describes no steps of it.")
    head = ("item", "clause", "kind and text", "leads to")
    _table(out, f"{channel.code}: flow", head, [_item(item) for item in channel.flow], (1, 2, 13, 3))
    limit_head = ("item", "time", "clause", "from → to", "by, class")
    _table(out, f"{channel.code}: limits", limit_head, [_limit(limit) for limit in channel.limits], (1, 2, 5, 5, 3))
    row_head = ("n", "who", "does", "completed by", "time", "next")
    where = channel.table[0].clause.rpartition(", ")[0] if channel.table else ""  # the rest of a row's clause is its n
    title = f"{channel.code}: {channel.table_title_ru or 'table'} ({where})"
    _table(out, title, row_head, [_row(row) for row in channel.table], (1, 4, 6, 6, 4, 5))
    said = [
        (side.type, f"{side.sender} → {side.recipient}", ", ".join(side.during), ", ".join(side.decisions))
        for side in channel.side_messages
    ]
    side_head = ("message", "from → to", "during", "decisions")
    _table(out, f"{channel.code}: side messages", side_head, said, (2, 2, 2, 2))


def _item(item: FlowItem) -> tuple[str | Text, ...]:
    text = Text()
    text.append(item.kind.name, style=f"bold {STYLES[item.outcome]}".strip())
    text.append(
        f" · {', '.join(item.systems) or '-'}{' · restored' if item.restored else ''}{_cited(item.decisions)}\n"
    )
    text.append(item.text_ru)
    return Text(item.label, style="bold"), item.clause, text, _onward(item)


def _onward(item: FlowItem) -> str:
    if isinstance(item.next, Branch):
        return f"ok {item.next.ok}\nviolation {item.next.violation}"
    return item.next or f"end: {item.outcome}"


def _limit(limit: Limit) -> tuple[str, ...]:
    time = str(Duration(limit.min_s, limit.max_s))
    way = f"{_event(limit.starts_on)} → {_event(limit.stops_on)}"
    return limit.label, time, limit.clause + _cited(limit.decisions), way, f"{limit.measured_by}, {limit.cls}"


def _event(event: Event) -> str:
    words = [event.name, event.outcome or "", "begins" if event.moment == "begin" else ""]
    return " ".join(word for word in words if word)


def _row(row: TableRow) -> tuple[str | Text, ...]:
    time = [_or_dash(row.limit_ru), *(f"{name}: {limit}" for name, limit in row.limit_by_branch.items())]
    onward = Text(f"{_or_dash(row.next_ru)}\n= {row.on_ok or '-'} | {row.on_violation or '-'}{_cited(row.decisions)}")
    if row.lost:
        onward.append(f"\nlost: {', '.join(row.lost)}", style="yellow")
    does, done = _or_dash(row.action_ru), _or_dash(row.completion_ru)
    return str(row.n), _or_dash(row.actor_ru), does, done, "\n".join(time), onward


def _internal(out: Console, regulation: Regulation) -> None:
    for branch, steps in groupby(regulation.internal_procedure, key=lambda step: step.branch):
        rows = [
            (
                str(step.n),
                step.clause,
                f"{step.actor_ru}: {step.action_ru}" + (f" (only {step.only_for})" if step.only_for else ""),
                f"{_or_dash(step.limit_ru)}{_cited(step.decisions)}",
                _or_dash(step.result_ru),
            )
            for step in steps
        ]
        head = ("n", "clause", "who does what", "time", "result")
        _table(out, f"internal procedure, branch {branch}", head, rows, (1, 2, 8, 4, 6))


def _terms(out: Console, regulation: Regulation) -> None:
    rows = [
        (term.kind, _or_dash(term.channel), term.clause, term.limit_ru, str(term.limit) + _cited(term.decisions))
        for term in regulation.terms
    ]
    _table(out, "terms", ("term", "channel", "clause", "text", "that is"), rows, (3, 3, 2, 6, 3))


def _forms(out: Console, regulation: Regulation) -> None:
    rows = [(form.kind, form.clause, _form(form)) for form in regulation.forms]
    _table(out, "forms", ("kind", "clause", "name and fields"), rows, (2, 2, 9))


def _form(form: Form) -> Text:
    facts = [form.variant, "free form" if form.free_form else None, f"valid {form.validity}" if form.validity else None]
    facts += [f"sent on {', '.join(form.sent_on)}" if form.sent_on else None]
    lines = [_kazakh(form.name_kk)] if form.name_kk else []
    lines += [_field(field) for field in form.fields]
    lines += [f"+ {attachment}" for attachment in form.attachments_ru]
    lines += [form.text_ru] if form.text_ru else []
    text = Text(form.name_ru, style="bold")
    text.append("".join(f" · {fact}" for fact in facts if fact) + _cited(form.decisions), style="not bold")
    return text.append("".join(f"\n{line}" for line in lines), style="not bold")


def _field(field: FormField) -> str:
    options = f": {' | '.join(field.options_ru)}" if field.options_ru else ""
    return f"- {field.label_ru} ({field.type}{', required' if field.required else ''}){options}"


def _settings(out: Console, regulation: Regulation) -> None:
    rows = [(name, _plain(setting.value), setting.decision) for name, setting in regulation.settings.items()]
    _table(out, "settings", ("setting", "value", "decision"), rows, (4, 9, 2))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _rules(out: Console, rules: Sequence[Rule]) -> None:
    by_topic: dict[str, list[Rule]] = {}
    for rule in rules:
        by_topic.setdefault(rule.topic, []).append(rule)
    for topic, members in by_topic.items():
        rows = [(rule.clause, rule.kind, rule.text_ru + _cited(rule.decisions)) for rule in members]
        _table(out, f"rules: {topic}", ("clause", "kind", "text"), rows, (3, 3, 14))


def _decisions(out: Console, law: Catalogue, regulation: Regulation) -> None:
    rows = [(one, law.decisions[one].text) for one in regulation.decisions]
    _table(out, "decisions", ("id", "text"), rows, (1, 16))
