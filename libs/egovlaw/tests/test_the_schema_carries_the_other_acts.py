"""The schema, the kinds and the flow must carry all 21 regulations, not only the one that is written.

The entries below are cut short on purpose: each holds what is peculiar to one act.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from egovlaw.catalogue import Catalogue, Kazakh
from egovlaw.export import export_catalogue
from egovlaw.flow import CaseProgress, OrderAccepted, allowed_messages, judge_order, states
from egovlaw.loader import CatalogueInvalid, load_catalogue

Raw = dict[str, Any]


def entry(code: str, source: str, region: str, channels: list[Raw], **more: Any) -> Raw:
    base: Raw = {
        "code": code, "version": 1, "source": source, "region": region,
        "title": {"ru": code, "kk": code, "kk_status": "translated"},
        "act": {"number": "34", "date": "2018-02-23", "body_ru": "акимат",
                "registered": {"number": "5093", "date": "2018-03-19"},
                "repealed": {"number": "131", "date": "2020-06-05"}},
        "standard": {"ru": "Стандарт", "clause": "1", "in_seeds": False},
        "provider": {"ru": "услугодатель", "clause": "1"},
        "form": {"ru": "бумажная", "clause": "3"},
        "participants": [], "channels": channels, "internal_procedure": [], "terms": [], "forms": [],
        "rules": [], "settings": {"service_term": {"value": None, "decision": "D2"}}, "decisions": ["D20"],
    }  # fmt: skip
    return {**base, **more}


def channel(code: str, origin: str, flow: list[Raw], table: list[Raw] | None = None, **more: Any) -> Raw:
    rows = table or []
    return {
        "channel": code, "origin_kind": origin, "clauses": ["10", "11"], "title_ru": "Описание порядка",
        "counts": {"flow": len(flow), "table": len(rows)}, "flow": flow, "table": rows, "limits": [],
        "side_messages": [], **more,
    }  # fmt: skip


def item(clause: str, label: str, kind: str, onward: Any, **more: Any) -> Raw:
    types = {"pre": "precondition", "P": "process", "C": "condition"}
    return {
        "label": label, "clause": clause, "type": types[label.rstrip("0123456789")], "kind": kind,
        "text_ru": f"{label} – …", "systems": [], "outcome": "continue", "next": onward, **more,
    }  # fmt: skip


def minutes(n: int) -> Raw:
    return {"limit": {"max_s": 60 * n}}


def corporation_flow(register: str = "person") -> list[Raw]:
    """Act 004, the Corporation's counter: eleven items, their minutes in the text, refusals handed over."""
    asked = ["person", "attorney"] if register == "attorney" else ["person"]
    return [
        item("10 1)", "pre1", "visit", "P1", **minutes(2)),
        item("10 2)", "P1", "authenticate", "P2", **minutes(1)),
        item("10 3)", "P2", "choose_and_fill", "P3", **minutes(1)),
        item("10 4)", "P3", "query_registers", "C1", registers=asked, **minutes(1)),
        item("10 5)", "C1", "check_registers", {"ok": "P5", "violation": "P4"}, **minutes(1)),
        item("10 6)", "P4", "report_no_data", None, outcome="refusal", **minutes(1)),
        item("10 7)", "P5", "send", "P6", **minutes(1)),
        item("11 1)", "P6", "register", "C2", **minutes(1)),
        item("11 2)", "C2", "check_documents", {"ok": "P8", "violation": "P7"}, **minutes(2)),
        item("11 3)", "P7", "refuse_documents", "P8", outcome="refusal", decisions=["D17"], **minutes(2)),
        item("11 4)", "P8", "hand_over", None, outcome="result", decisions=["D7"], **minutes(2)),
    ]


def step(n: int, limit: Raw | None, branch: str = "default") -> Raw:
    return {
        "branch": branch, "n": n, "clause": f"7 {n})", "actor_ru": "специалист канцелярии услугодателя",
        "role": "clerk", "office": "provider", "task": "register",
        "action_ru": "регистрирует", "limit_ru": None if limit is None else "в течение", "limit": limit,
        "result_ru": "запись в журнале",
    }  # fmt: skip


def wko_1() -> Raw:
    limits = [
        {"label": "P5", "clause": "10 7)", "max_s": 60, "starts_on": {"step": "C1", "outcome": "ok"},
         "stops_on": {"message": "case.submitted"}, "measured_by": "gateway-shep", "class": "submission",
         "text_wins": "flow", "decisions": ["D1"]},
    ]  # fmt: skip
    counter = channel("state_corporation", "centre", corporation_flow(), limits=limits)
    named = channel("provider", "provider", [], clauses=["2"])
    days = [step(1, {"minutes": 30}), step(2, {"working_days": 1}), step(3, {"working_days": 7})]
    return entry(
        "wko-prosthetic-orthopedic-aid", "004_6ff76ff4d97d79ed.txt", "wko", [counter, named], internal_procedure=days
    )


def wko_3() -> Raw:
    """No flow at all: two receiving points, two lists of steps."""
    named = [
        channel("employment_centre", "provider", [], clauses=["1"]),
        channel("akim", "provider", [], clauses=["1"], decisions=["D5"]),
    ]
    lists = [step(1, {"minutes": 20}, "akim"), step(2, {"working_days": 1}, "akim"), step(1, {"minutes": 20}, "centre")]
    receipt = {
        "clause": "3",
        "kind": "executable",
        "topic": "receipt",
        "text_ru": "выдается расписка",
        "decisions": ["E10"],
    }
    return entry(
        "wko-targeted-social-assistance",
        "004_6ff76ff4d97d79ed.txt",
        "wko",
        named,
        internal_procedure=lists,
        rules=[receipt],
    )


def wko_10() -> Raw:
    """Fifteen minutes for five steps together; the notaries' register at the counter."""
    counter = channel("state_corporation", "centre", corporation_flow("attorney"))
    total = {"kind": "internal_total", "clause": "5", "limit_ru": "в течение 15 (пятнадцати) минут",
             "limit": {"minutes": 15}, "decisions": ["D11"]}  # fmt: skip
    return entry(
        "wko-asp-recipient-certificate", "004_6ff76ff4d97d79ed.txt", "wko", [counter],
        internal_procedure=[step(n, None) for n in range(1, 6)], terms=[total],
    )  # fmt: skip


def wko_11() -> Raw:
    """Hours, the courier's and the counter's terms."""
    terms = [
        {"kind": "service", "clause": "4 1)", "limit_ru": "5 (пять) рабочих дней", "limit":
        {"working_days": 5}}, {"kind": "courier", "clause": "4 1)", "limit_ru": "5 (пять) рабочих дней",
        "limit": {"working_days": 5},  "decisions": ["D15"]},
        {"kind": "waiting", "clause": "4 2)", "limit_ru": "15 минут", "limit": {"minutes": 15}},
        {"kind": "counter", "clause": "4 3)", "limit_ru": "20 минут", "limit": {"minutes": 20}},
    ]  # fmt: skip
    settings = {
        "service_term": {"value": {"working_days": 5}, "decision": "D14"},
        "working_hours_per_day": {"value": 8, "decision": "D14"},
    }
    return entry(
        "wko-oralman-status", "004_6ff76ff4d97d79ed.txt", "wko",
        [channel("state_corporation", "centre", corporation_flow())],
        internal_procedure=[step(1, {"minutes": 30}), step(2, {"working_days": 1}), step(3, {"hours": 1})],
        terms=terms, settings=settings,
    )  # fmt: skip


def tayynsha() -> Raw:
    """Signing before the certificate check, papers first, a lost item restored, 7 and 22 days in one cell."""
    desk = [
        item("6 1)", "pre1", "visit", "P1"),
        item("6 2)", "P1", "authenticate", "C1"),
        item("6 3)", "C1", "verify_login", {"ok": "P3", "violation": "P2"}),
        item("6 4)", "P2", "refuse_login", None, outcome="refusal"),
        item("6 5)", "P3", "choose_and_fill", "P4"),
        item("6 6)", "P4", "sign", "C2"),
        item("6 7)", "C2", "check_certificate", {"ok": "P6", "violation": "P5"}, decisions=["A1"]),
        item("6 8)", "P5", "refuse_signature", None, outcome="refusal"),
        item("6 9)", "P6", "process", "P7"),
        item("6 10)", "P7", "decide", "P8"),
        item("6 11)", "P8", "hand_over", None, outcome="result"),
    ]
    rows = [
        {"n": 1, "clause": "Приложение 1, таблица 2, 5", "actor_ru": "МИО", "action_ru": "Принятие решения",
         "completion_ru": None, "limit_ru": "не позднее [дв]адцати двух рабочих д[ней]",
         "limit": {"working_days": 7}, "limit_by_branch": {"akim": {"working_days": 22}}, "next_ru": "6",
         "next": {"on_ok": None, "on_violation": None}, "lost": ["completion_ru"], "uncertain": ["limit_ru"],
         "decisions": ["A17"]},
    ]  # fmt: skip
    opinion = {"commission": {"value": "optional", "decision": "A23"}}
    blank: Raw = {"clause": "Приложение 5", "fields": [], "text_ru": None, "validity": None}
    refusal = {**blank, "kind": "negative", "name_ru": "отказ", "free_form": True}
    sent: Raw = {"sent_on": ["status_change", "extension"], "lost": ["half of the image"]}
    notice = {**blank, **sent, "kind": "notification", "name_ru": "Уведомления"}
    return entry(
        "tayynsha-social-assistance", "000_6a0d123dba0fcbdb.txt", "tayynsha",
        [channel("provider", "provider", desk, rows)], settings=opinion, forms=[refusal, notice],
    )  # fmt: skip


def zhambyl() -> Raw:
    """Signed, then checked, then sent and handled in one item; three channels only named."""
    portal = [
        item("10-1 1)", "pre1", "register_account", "P1"),
        item("10-1 2)", "P1", "authenticate", "C1"),
        item("10-1 3)", "C1", "verify_login", {"ok": "P3", "violation": "P2"}),
        item("10-1 4)", "P2", "refuse_login", None, outcome="refusal"),
        item("10-1 5)", "P3", "choose_and_fill", "P4"),
        item("10-1 6)", "P4", "sign", "C2"),
        item("10-1 7)", "C2", "check_certificate", {"ok": "P6", "violation": "P5"}),
        item("10-1 8)", "P5", "refuse_signature", None, outcome="refusal"),
        item("10-1 9)", "P6", "send_and_process", "P7"),
        item("10-1 10)", "P7", "issue_result", None, outcome="result"),
    ]
    registered = {"type": "case.registered", "from": "provider", "to": "origin", "during": ["P6"], "decisions": ["E3"]}
    channels = [
        channel("portal", "portal", portal, side_messages=[registered]),
        *(
            channel(name, kind, [])
            for name, kind in (("centre", "centre"), ("provider", "provider"), ("akim", "provider"))
        ),
    ]
    raw = entry("zhambyl-social-assistance-certificate", "002_55d86f1772faba86.txt", "zhambyl", channels)
    raw["act"]["amends"] = {"number": "158", "date": "2015-07-27"}
    return raw


def semey() -> Raw:
    """Forms with many fields, children who sign, a certificate that is valid for a month, columns that are
    lost.
    """
    application = {
        "kind": "application", "variant": "bank", "clause": "Приложение 3", "name_ru": "Заявление",
        "name_kk": {"text": "Өтініш", "status": "translated"},
        "text_ru": "Прошу…", "validity": None, "languages": ["kk", "ru"], "decisions": ["A30"],
        "text_kk": {"text": "Құжат электрондық үкімет жүйесінде құрылған", "status": "restored"},
        "fields": [{"name": "rnn", "label_ru": "РНН:", "type": "rnn", "required": True},
                   {"name": "consent", "label_ru": "согласны", "type": "attachment", "per": "child",
                    "label_kk": {"text": "келісемін", "status": "translated"}},
                   {"name": "kin", "label_ru": "родство", "type": "choice", "options_ru": ["отец", "мать"],
                    "label_kk": {"text": "туыстығы", "status": "restored"},
                    "options_kk": {"texts": ["әкесі", "анасы"], "status": "restored"}}],
        "attachments_ru": ["Электронная копия справки об инвалидности"],
    }  # fmt: skip
    certificate = {
        "kind": "positive", "clause": "Приложение 3", "name_ru": "Справка", "fields": [], "text_ru": "разрешает",
        "validity": {"months": 1}, "validity_ru": "Справка действительна в течение 1 (одного) месяца со дня выдачи.",
        "lost": ["blanks"], "decisions": ["A28"],
    }  # fmt: skip
    rows = [
        {"n": 1, "clause": "Приложение 1, таблица 1, 1", "actor_ru": "Оператор Центра", "action_ru": None,
         "completion_ru": "Маршру", "limit_ru": None, "limit": None, "next_ru": None,
         "next": {"on_ok": None, "on_violation": None}, "lost": ["action_ru", "limit_ru", "next_ru",
         "columns 6-9"]},
    ]  # fmt: skip
    return entry(
        "semey-minor-funds-certificate", "001_09a92a876531a40e.txt", "semey",
        [channel("centre", "centre", [], rows)], forms=[application, certificate],
        settings={"table_default": {"value": "atyrau-housing-queue", "decision": "A33"}},
    )  # fmt: skip


ENTRIES = [wko_1, wko_3, wko_10, wko_11, tayynsha, zhambyl, semey]


def write(root: Path, raw: Raw) -> Path:
    folder = root / str(raw["region"])
    folder.mkdir(exist_ok=True)
    path = folder / f"{raw['code']}.yaml"
    path.write_text(json.dumps(raw, ensure_ascii=False, indent=1), encoding="utf-8")  # JSON is YAML
    return path


@pytest.fixture
def copy(copy: Path) -> Path:
    """The entries of this file stand in for the real ones, whose codes they bear."""
    for folder in copy.iterdir():
        if folder.is_dir() and folder.name != "atyrau":
            shutil.rmtree(folder)
    return copy


@pytest.fixture
def all_acts(copy: Path) -> Catalogue:
    """The short entries beside the one complete file; those that are written whole by now step aside."""
    for path in copy.glob("*/*.yaml"):
        if path.parent.name != "atyrau":
            path.unlink()
    for make in ENTRIES:
        write(copy, make())
    return load_catalogue(copy)


def test_every_act_has_a_place_in_the_schema(all_acts: Catalogue) -> None:
    assert len(all_acts.regulations) == 8
    assert len(json.dumps(export_catalogue(all_acts))) > 1000


def test_days_hours_and_shared_minutes_survive_the_export(all_acts: Catalogue) -> None:
    exported = {entry["code"]: entry for entry in export_catalogue(all_acts)}
    internal = [step["limit"] for step in exported["wko-oralman-status"]["internal_procedure"]]
    assert internal == [{"minutes": 30}, {"working_days": 1}, {"hours": 1}]
    shared = exported["wko-asp-recipient-certificate"]["internal_procedure"]
    assert [step["limit"] for step in shared] == [None] * 5
    branches = [step["branch"] for step in exported["wko-targeted-social-assistance"]["internal_procedure"]]
    assert branches == ["akim", "akim", "centre"]
    (counter, named) = exported["wko-prosthetic-orthopedic-aid"]["channels"]
    assert counter["flow"][0]["limit"] == {"min_s": None, "max_s": 120}
    assert (named["has_flow"], named["flow"]) == (False, [])
    (row,) = exported["tayynsha-social-assistance"]["channels"][0]["table"]
    assert row["limit"] == {"working_days": 7}
    (_, certificate) = exported["semey-minor-funds-certificate"]["forms"]
    assert certificate["validity"] == {"months": 1}


def test_terms_and_settings_are_read(all_acts: Catalogue) -> None:
    oralman = all_acts.regulation("wko-oralman-status")
    assert oralman is not None
    assert oralman.service_term == {"working_days": 5}
    assert [term.kind for term in oralman.terms] == ["service", "courier", "waiting", "counter"]
    desk = all_acts.regulation("tayynsha-social-assistance")
    assert desk is not None
    assert desk.channels["provider"].table[0].limit_by_branch["akim"].working_days == 22
    assert [form.free_form for form in desk.forms] == [True, False]


def test_kazakh_of_fields_and_options_is_read_with_where_it_comes_from(all_acts: Catalogue) -> None:
    funds = all_acts.regulation("semey-minor-funds-certificate")
    assert funds is not None
    rnn, _, kin = funds.forms[0].fields
    assert rnn.label_kk == Kazakh("СТН:", "translated") and rnn.options_kk == (), "the shared one"
    assert kin.label_kk == Kazakh("туыстығы", "restored")
    assert kin.options_kk == (Kazakh("әкесі", "restored"), Kazakh("анасы", "restored"))
    exported = {entry["code"]: entry for entry in export_catalogue(all_acts)}
    published = exported["semey-minor-funds-certificate"]["forms"][0]["fields"][2]
    assert published == {"name": "kin", "label_ru": "родство", "type": "choice", "options_ru": ["отец", "мать"]}


def test_options_in_two_languages_are_equally_many(copy: Path) -> None:
    raw = semey()
    raw["forms"][0]["fields"][2]["options_kk"]["texts"].append("әжесі")
    write(copy, raw)
    with pytest.raises(CatalogueInvalid, match=r"yaml:\d+: 3 Kazakh options for 2 Russian ones"):
        load_catalogue(copy)


def test_a_refusal_at_the_corporation_is_still_handed_over(all_acts: Catalogue) -> None:
    """D17: P7 is a refusal that leads on to P8."""
    regulation = all_acts.regulation("wko-prosthetic-orthopedic-aid")
    assert regulation is not None
    counter = regulation.channels["state_corporation"]
    here = CaseProgress("P7")
    assert here in states(counter)
    assert {message.type for message in allowed_messages(counter, here)} == {"case.handed_over"}
    verdict = judge_order(counter, here, "case.handed_over", "P8", ())
    assert isinstance(verdict, OrderAccepted) and verdict.progress.ended


def test_a_flow_without_registration_lets_the_provider_number_it(all_acts: Catalogue) -> None:
    """Zhambyl has no registration step (N2); the number travels as a side message."""
    regulation = all_acts.regulation("zhambyl-social-assistance-certificate")
    assert regulation is not None
    portal = regulation.channels["portal"]
    assert [m.type for m in allowed_messages(portal, CaseProgress("P6"))] == ["case.registered", "case.completed"]
    assert not regulation.channels["centre"].has_flow


def test_every_state_of_every_act_leads_to_an_end(all_acts: Catalogue) -> None:
    for regulation in all_acts.regulations:
        for found in regulation.channels.values():
            for here in states(found) if found.has_flow else ():
                assert here.ended or allowed_messages(found, here), (regulation.code, found.code, here)


def empty_limit(raw: Raw) -> str:
    raw["internal_procedure"][0]["limit"] = {}
    return "a limit has exactly one unit, found none"


def step_out_of_order(raw: Raw) -> str:
    raw["internal_procedure"][1]["n"] = 3
    return "step 3 of branch default follows step 1"


def channel_twice(raw: Raw) -> str:
    raw["channels"][1]["channel"] = "state_corporation"
    return "channel state_corporation stands twice"


def limit_unlike_its_item(raw: Raw) -> str:
    raw["channels"][0]["limits"][0]["max_s"] = 120
    return "limit P5 differs from the item it belongs to"


def registers_elsewhere(raw: Raw) -> str:
    raw["channels"][0]["flow"][1]["registers"] = ["person"]
    return "only query_registers asks registers"


@pytest.mark.parametrize(
    "spoil", [empty_limit, step_out_of_order, channel_twice, limit_unlike_its_item, registers_elsewhere]
)
def test_faults_of_the_other_acts_are_found_too(copy: Path, spoil: Callable[[Raw], str]) -> None:
    raw = wko_1()
    expected = spoil(raw)
    write(copy, raw)
    with pytest.raises(CatalogueInvalid) as caught:
        load_catalogue(copy)
    assert any(expected in error.message for error in caught.value.errors), caught.value.errors
