"""From the checked data of one file to the frozen facts of the catalogue. Pure; expects data that passed
all checks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from egovlaw.catalogue import (
    Act,
    Branch,
    Channel,
    Cited,
    Duration,
    Event,
    FlowItem,
    Form,
    FormField,
    InternalStep,
    Kazakh,
    Limit,
    Published,
    Regulation,
    Rule,
    ServiceTerm,
    Setting,
    SideMessage,
    TableRow,
)
from egovlaw.kinds import STEP_KINDS, messages_of

Raw = Mapping[str, Any]
Labels = Mapping[str, str]  # of forms, Russian -> Kazakh: our own translations

_HEADINGS = ("title", "standard", "provider", "form", "result")


def build_regulation(raw: Raw, labels: Labels) -> Regulation:
    title, channels = raw["title"], [_channel(entry) for entry in raw["channels"]]
    return Regulation(
        code=raw["code"],
        version=raw["version"],
        source=raw["source"],
        region=raw["region"],
        title_ru=title["ru"],
        title_kk=title["kk"],
        title_kk_status=title["kk_status"],
        act=_act(raw["act"]),
        standard_ru=raw["standard"]["ru"],
        provider_ru=raw["provider"]["ru"],
        provider_kk=_kazakh(raw["provider"].get("kk")),
        form_ru=raw["form"]["ru"],
        form_kind_ru=raw["form"].get("kind_ru"),
        result_ru=raw["result"]["ru"] if "result" in raw else None,
        participants=tuple(entry["name_ru"] for entry in raw["participants"]),
        participants_cited=tuple(_citation(entry) for entry in raw["participants"]),
        cited={heading: _citation(raw[heading]) for heading in _HEADINGS if heading in raw},
        channels={channel.code: channel for channel in channels},
        internal_procedure=tuple(_internal(entry) for entry in raw["internal_procedure"]),
        terms=tuple(_term(entry) for entry in raw["terms"]),
        forms=tuple(_form(entry, labels) for entry in raw["forms"]),
        rules=tuple(_rule(entry) for entry in raw["rules"]),
        settings={name: _setting(entry) for name, entry in raw["settings"].items()},
        decisions=tuple(sorted(set(_cited(raw)), key=decision_order)),
    )


def decision_order(decision: str) -> tuple[str, int]:
    return decision[0], int(decision[1:])


def _cited(raw: Any) -> Iterator[str]:
    """Every decision id anywhere in the entry."""
    if isinstance(raw, Mapping):
        for key, value in raw.items():
            if key == "decision":
                yield value
            elif key == "decisions":
                yield from value
            else:
                yield from _cited(value)
    elif isinstance(raw, list):
        for entry in raw:
            yield from _cited(entry)


def _decisions(raw: Raw) -> tuple[str, ...]:
    return tuple(raw.get("decisions", ()))


def _lost(raw: Raw) -> tuple[str, ...]:
    return tuple(raw.get("lost", ()))


def _citation(raw: Raw) -> Cited:
    return Cited(raw.get("clause"), _decisions(raw))


def _setting(raw: Raw) -> Setting:
    return Setting(raw["value"], raw["decision"], raw.get("note"))


def _duration(raw: Raw | None) -> Duration | None:
    return None if raw is None else Duration(**raw)


def _kazakh(raw: Raw | None) -> Kazakh | None:
    return None if raw is None else Kazakh(raw["text"], raw["status"])


def _published(raw: Raw | None) -> Published | None:
    return None if raw is None else Published(raw["number"], date.fromisoformat(raw["date"]), raw.get("body_ru"))


def _act(raw: Raw) -> Act:
    return Act(
        number=raw["number"],
        date=date.fromisoformat(raw["date"]),
        body_ru=raw["body_ru"],
        registered=_published(raw["registered"]),
        repealed=_published(raw["repealed"]),
        title_ru=raw.get("title_ru"),
        amends=_published(raw.get("amends")),
        lost=_lost(raw),
        decisions=_decisions(raw),
    )


def _channel(raw: Raw) -> Channel:
    return Channel(
        code=raw["channel"],
        origin_kind=raw["origin_kind"],
        clauses=tuple(raw["clauses"]),
        title_ru=raw["title_ru"],
        flow=tuple(_item(n, entry) for n, entry in enumerate(raw["flow"], start=1)),
        table=tuple(_row(entry) for entry in raw["table"]),
        limits=tuple(_limit(entry) for entry in raw["limits"]),
        side_messages=tuple(_side(entry) for entry in raw["side_messages"]),
        table_title_ru=raw.get("table_title_ru"),
        decisions=_decisions(raw),
    )


def _item(n: int, raw: Raw) -> FlowItem:
    kind, onward = STEP_KINDS[raw["kind"]], raw["next"]
    entering, standing = messages_of(kind, raw.get("registers", ()))
    return FlowItem(
        n=n,
        label=raw["label"],
        type=raw["type"],
        clause=raw["clause"],
        kind=kind,
        text_ru=raw["text_ru"],
        systems=tuple(raw["systems"]),
        outcome=raw["outcome"],
        limit=_duration(raw.get("limit")),
        next=Branch(onward["ok"], onward["violation"]) if isinstance(onward, Mapping) else onward,
        entering=entering,
        standing=standing,
        restored=raw.get("restored", False),
        lost=_lost(raw),
        decisions=_decisions(raw),
    )


def _row(raw: Raw) -> TableRow:
    return TableRow(
        n=raw["n"],
        clause=raw["clause"],
        actor_ru=raw["actor_ru"],
        action_ru=raw["action_ru"],
        completion_ru=raw["completion_ru"],
        limit_ru=raw["limit_ru"],
        limit=_duration(raw["limit"]),
        next_ru=raw["next_ru"],
        on_ok=raw["next"]["on_ok"],
        on_violation=raw["next"]["on_violation"],
        limit_by_branch={name: Duration(**entry) for name, entry in raw.get("limit_by_branch", {}).items()},
        lost=_lost(raw),
        uncertain=tuple(raw.get("uncertain", ())),
        decisions=_decisions(raw),
    )


def _limit(raw: Raw) -> Limit:
    return Limit(
        label=raw["label"],
        clause=raw["clause"],
        min_s=raw.get("min_s"),
        max_s=raw["max_s"],
        starts_on=_event(raw["starts_on"]),
        stops_on=_event(raw["stops_on"]),
        measured_by=raw["measured_by"],
        cls=raw["class"],
        table_row=raw.get("row"),
        text_wins=raw.get("text_wins"),
        decisions=_decisions(raw),
    )


def _event(raw: Raw) -> Event:
    if "message" in raw:
        return Event("message", raw["message"])
    return Event("step", raw["step"], raw.get("outcome"), raw.get("moment", "end"))


def _side(raw: Raw) -> SideMessage:
    return SideMessage(raw["type"], raw["from"], raw["to"], tuple(raw["during"]), _decisions(raw))


def _internal(raw: Raw) -> InternalStep:
    return InternalStep(
        branch=raw["branch"],
        n=raw["n"],
        clause=raw["clause"],
        actor_ru=raw["actor_ru"],
        action_ru=raw["action_ru"],
        limit_ru=raw["limit_ru"],
        limit=_duration(raw["limit"]),
        result_ru=raw["result_ru"],
        role=raw["role"],
        office=raw["office"],
        task=raw["task"],
        negative=raw.get("negative", False),
        only_for=raw.get("only_for"),
        decisions=_decisions(raw),
    )


def _term(raw: Raw) -> ServiceTerm:
    return ServiceTerm(
        kind=raw["kind"],
        channel=raw.get("channel"),
        clause=raw["clause"],
        limit_ru=raw["limit_ru"],
        limit=Duration(**raw["limit"]),
        starts_ru=raw.get("starts_ru"),
        decisions=_decisions(raw),
    )


def _form(raw: Raw, labels: Labels) -> Form:
    return Form(
        kind=raw["kind"],
        clause=raw["clause"],
        name_ru=raw["name_ru"],
        fields=tuple(_field(entry, labels) for entry in raw["fields"]),
        text_ru=raw["text_ru"],
        validity=_duration(raw["validity"]),
        variant=raw.get("variant"),
        attachments_ru=tuple(raw.get("attachments_ru", ())),
        free_form=raw.get("free_form", False),
        sent_on=tuple(raw.get("sent_on", ())),
        name_kk=_kazakh(raw.get("name_kk") or _shared(raw["name_ru"], labels)),
        text_kk=_kazakh(raw.get("text_kk")),
        languages=tuple(raw.get("languages", ())),
        validity_ru=raw.get("validity_ru"),
        lost=_lost(raw),
        omitted=raw.get("omitted"),
        decisions=_decisions(raw),
    )


def _shared(russian: str, labels: Labels) -> Raw | None:
    return {"text": labels[russian], "status": "translated"} if russian in labels else None


def _field(raw: Raw, labels: Labels) -> FormField:
    kazakh = raw.get("options_kk", {"texts": (), "status": "translated"})
    label = raw.get("label_kk") or _shared(raw["label_ru"], labels) or {}
    return FormField(
        name=raw["name"],
        label_ru=raw["label_ru"],
        label_kk=Kazakh(label["text"], label["status"]),
        type=raw["type"],
        options_ru=tuple(raw.get("options_ru", ())),
        required=raw.get("required", False),
        options_kk=tuple(Kazakh(text, kazakh["status"]) for text in kazakh["texts"]),
        per=raw.get("per"),
        co_signer=raw.get("co_signer"),
        decisions=_decisions(raw),
    )


def _rule(raw: Raw) -> Rule:
    return Rule(
        clause=raw["clause"],
        kind=raw["kind"],
        topic=raw["topic"],
        text_ru=raw["text_ru"],
        term_ru=raw.get("term_ru"),
        short_ru=raw.get("short_ru"),
        reason=raw.get("reason"),
        omitted=raw.get("omitted"),
        lost=_lost(raw),
        decisions=_decisions(raw),
    )
