"""The catalogue as plain JSON values, in the published form of `egov regulations export --json`. Pure."""

from __future__ import annotations

from typing import Any

from egovlaw.catalogue import (
    Act,
    Branch,
    Catalogue,
    Channel,
    Duration,
    FlowItem,
    Form,
    InternalStep,
    Published,
    Regulation,
    Rule,
    TableRow,
)

Json = dict[str, Any]

_UNITS = ("minutes", "hours", "working_days", "calendar_days", "months")


def export_catalogue(catalogue: Catalogue) -> list[Json]:
    """One object per regulation; JSON values only."""
    return [_regulation(regulation) for regulation in catalogue.regulations]


def _regulation(regulation: Regulation) -> Json:
    return {
        "code": regulation.code,
        "source": regulation.source,
        "title_ru": regulation.title_ru,
        "title_kk": regulation.title_kk,
        "act": _act(regulation.act),
        "region": regulation.region,
        "provider_ru": regulation.provider_ru,
        "form_ru": regulation.form_ru,
        "participants": list(regulation.participants),
        "channels": [_channel(channel) for channel in regulation.channels.values()],
        "internal_procedure": [_internal(step) for step in regulation.internal_procedure],
        "forms": [_form(form) for form in regulation.forms],
        "rules": [_rule(rule) for rule in regulation.rules],
        "decisions": list(regulation.decisions),
    }


def _act(act: Act) -> Json:
    return {
        "number": act.number,
        "date": act.date.isoformat(),
        "body": act.body_ru,
        "registered": _published(act.registered),
        "repealed": _published(act.repealed),
    }


def _published(entry: Published | None) -> Json | None:
    return None if entry is None else {"no": entry.number, "date": entry.date.isoformat()}


def _channel(channel: Channel) -> Json:
    return {
        "channel": channel.code,
        "clauses": list(channel.clauses),
        "has_flow": channel.has_flow,
        "flow": [_item(item) for item in channel.flow],
        "table": [_row(row) for row in channel.table],
    }


def _item(item: FlowItem) -> Json:
    onward = {"ok": item.next.ok, "violation": item.next.violation} if isinstance(item.next, Branch) else item.next
    return {
        "n": item.n,
        "label": item.label,
        "type": item.type,
        "clause": item.clause,
        "text_ru": item.text_ru,
        "systems": list(item.systems),
        "outcome": item.outcome,
        "limit": _duration(item.limit),
        "next": onward,
    }


def _row(row: TableRow) -> Json:
    return {
        "n": row.n,
        "actor_ru": row.actor_ru,
        "action_ru": row.action_ru,
        "completion_ru": row.completion_ru,
        "limit_ru": row.limit_ru,
        "limit": _duration(row.limit),
        "next": {"on_ok": row.on_ok, "on_violation": row.on_violation},
        "lost": list(row.lost),
    }


def _internal(step: InternalStep) -> Json:
    return {
        "branch": step.branch,
        "n": step.n,
        "clause": step.clause,
        "actor_ru": step.actor_ru,
        "action_ru": step.action_ru,
        "limit_ru": step.limit_ru,
        "limit": _duration(step.limit),
        "result_ru": step.result_ru,
    }


def _form(form: Form) -> Json:
    fields = [
        {"name": f.name, "label_ru": f.label_ru, "type": f.type, "options_ru": list(f.options_ru)} for f in form.fields
    ]
    return {
        "kind": form.kind,
        "name_ru": form.name_ru,
        "fields": fields,
        "text_ru": form.text_ru,
        "validity": _duration(form.validity),
    }


def _rule(rule: Rule) -> Json:
    return {"clause": rule.clause, "kind": rule.kind, "text_ru": rule.text_ru}


def _duration(limit: Duration | None) -> Json | None:
    """Seconds always with both bounds, `min_s` null where the act gives none; any other unit alone."""
    if limit is None:
        return None
    if limit.max_s is not None:
        return {"min_s": limit.min_s, "max_s": limit.max_s}
    return {unit: value for unit in _UNITS if (value := getattr(limit, unit)) is not None}
