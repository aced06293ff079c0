"""The Atyrau regulation against a table read by hand from act 427 (clauses 6-8, annex 1)."""

from __future__ import annotations

import hashlib
import re
from collections import Counter

import pytest

from egovlaw.catalogue import Branch, Catalogue, Channel, Regulation, Rule

CODE = "atyrau-housing-queue"

# label, step kind, outcome, where it leads (ok/violation); the n-th line is item n of the clause
PORTAL = """
pre1 register_account continue P1
P1 authenticate continue C1
C1 verify_login continue P3/P2
P2 refuse_login refusal -
P3 choose_and_fill continue C2
C2 check_certificate continue P5/P4
P4 refuse_signature refusal -
P5 sign_and_send continue P6
P6 register continue C3
C3 check_documents continue P8/P7
P7 refuse_documents refusal -
P8 issue_result result -
"""
PROVIDER = """
P1 authenticate continue P2
P2 choose_and_fill continue P3
P3 query_registers continue C1
C1 check_registers continue P5/P4
P4 report_no_data refusal -
P5 attach_and_sign continue P6
P6 register continue C2
C2 check_documents continue P8/P7
P7 refuse_documents refusal -
P8 issue_result result -
"""
CENTRE = """
P1 authenticate continue P2
P2 choose_and_fill continue P3
P3 query_registers continue C1
C1 check_registers continue P5/P4
P4 report_no_data refusal -
P5 attach_and_sign continue P6
P6 send continue P7
P7 register continue C2
C2 check_documents continue P9/P8
P8 refuse_documents refusal -
P9 hand_over result -
"""
FLOWS = {"portal": ("6", PORTAL), "provider": ("7", PROVIDER), "centre": ("8", CENTRE)}

# printed deadline, next row as read: ok/violation
ROWS = {
    "portal": [
        ("30 сек – 1 минута", "3/2"), ("30 сек", "-/-"), ("1,5 мин", "5/4"), ("1,5 мин", "-/-"),
        ("30 сек – 1 минута", "6/-"), ("1 минута", "8/7"), ("30 сек", "-/-"), ("15 минут", "-/-"),
    ],
    "provider": [
        ("10–15 сек", "2/-"), ("10 сек", "3/-"), ("1,5 мин", "5/4"), ("10-15 сек", "-/-"),
        ("10-15 сек", "6/-"), ("1,5 мин", "8/7"), ("1,5 мин", "-/-"), ("10–15 сек", "-/-"),
    ],
    "centre": [
        ("30 сек – 1 минута", "2/-"), ("30 сек", "3/-"), ("1,5 мин", "5/4"), ("1,5 мин", "-/-"),
        ("30 сек – 1 минута", "6/-"), ("1 минута", "7/-"), ("1 минута", "9/8"), ("30 сек – 1 минута", "-/-"),
        ("15 минут", "-/-"),
    ],
}  # fmt: skip
ACTORS = {
    "portal": "Потребитель ПЭП Потребитель ПЭП Потребитель АРМ_РШЭП АРМ_РШЭП АРМ_РШЭП",
    "provider": "Услугодатель Услугодатель Услугодатель ГБД_ФЛ Услугодатель АРМ_РШЭП АРМ_РШЭП АРМ_РШЭП",
    "centre": "АРМ_ИС_ЦОН Оператор_Центра Оператор_Центра ГБД_ФЛ,_ЕНИС Оператор_Центра Оператор_Центра "
    "АРМ_РШЭП АРМ_РШЭП АРМ_РШЭП",
}
# the class of each row's limit, and who sees both of its ends
CLASSES = {
    "portal": "citizen fact citizen fact submission fact fact fact",
    "provider": "staff staff request fact staff fact fact fact",
    "centre": "staff staff request fact staff submission fact fact fact",
}
CHANNELS = list(FLOWS)

# Over every verbatim Russian text of the file, compared with the act character by character when it was
# written.
VERBATIM_SHA256 = "a2e2c73790552d3af1ec12fcbe5f9e1fc8d7f8fa3cc29b2fa88e55ccd74a17d1"


def seconds(printed: str) -> tuple[int | None, int]:
    """An independent reading of the printed deadlines: `30 сек – 1 минута`, `10-15 сек`, `1,5 мин`."""
    parts = re.findall(r"(\d+(?:,\d+)?)\s*(сек|мин)?", printed)
    last_unit = parts[-1][1]
    values = [float(n.replace(",", ".")) * (60 if (unit or last_unit) == "мин" else 1) for n, unit in parts]
    return (None if len(values) == 1 else int(values[0])), int(values[-1])


@pytest.mark.parametrize(("channel", "flow", "rows"), [("portal", 12, 8), ("provider", 10, 8), ("centre", 11, 9)])
def test_a_channel_has_as_many_items_and_rows_as_the_act(
    housing: Regulation, channel: str, flow: int, rows: int
) -> None:
    found = housing.channels[channel]
    assert (len(found.flow), len(found.table)) == (flow, rows)
    assert len({limit.table_row for limit in found.limits}) == rows, "every printed deadline is a limit"


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_item_stands_where_the_act_puts_it_and_leads_where_the_act_leads(
    housing: Regulation, channel: str
) -> None:
    clause, table = FLOWS[channel]
    read = [line.split() for line in table.strip().splitlines()]
    found = []
    for item in housing.channels[channel].flow:
        onward = f"{item.next.ok}/{item.next.violation}" if isinstance(item.next, Branch) else (item.next or "-")
        found.append([item.label, item.kind.name, item.outcome, onward])
    assert found == read
    assert [item.clause for item in housing.channels[channel].flow] == [
        f"{clause} {n})" for n in range(1, len(read) + 1)
    ]
    assert [item.n for item in housing.channels[channel].flow] == list(range(1, len(read) + 1))


@pytest.mark.parametrize("channel", CHANNELS)
def test_the_text_of_an_item_names_its_own_number(housing: Regulation, channel: str) -> None:
    for item in housing.channels[channel].flow:
        word = {"process": "процесс", "condition": "условие"}.get(item.type)
        if word is not None:
            assert item.text_ru.startswith(f"{word} {item.label[1:]} – "), item.label
        else:
            assert item.text_ru.startswith("потребитель осуществляет регистрацию на ПЭП")


@pytest.mark.parametrize("channel", CHANNELS)
def test_every_row_has_its_actor_deadline_and_next_row(housing: Regulation, channel: str) -> None:
    table = housing.channels[channel].table
    number = {"portal": 1, "provider": 2, "centre": 3}[channel]
    assert [(row.actor_ru or "").replace(" ", "_") for row in table] == ACTORS[channel].split()
    for n, (row, (printed, onward)) in enumerate(zip(table, ROWS[channel], strict=True), start=1):
        assert row.n == n
        assert row.clause == f"Приложение 1, таблица {number}, {n}"
        assert row.limit_ru == printed
        assert row.limit is not None
        assert (row.limit.min_s, row.limit.max_s) == seconds(printed)
        assert f"{row.on_ok or '-'}/{row.on_violation or '-'}" == onward
        assert row.lost == ()


@pytest.mark.parametrize("channel", CHANNELS)
def test_row_n_is_the_limit_of_process_n(housing: Regulation, channel: str) -> None:
    found = housing.channels[channel]
    first = [limit for n, limit in enumerate(found.limits) if limit.table_row != found.limits[n - 1].table_row]
    for row, limit, cls in zip(found.table, first, CLASSES[channel].split(), strict=True):
        assert (limit.label, limit.table_row, limit.cls) == (f"P{row.n}", row.n, cls)
        assert limit.clause == row.clause
        assert (limit.min_s, limit.max_s) == seconds(row.limit_ru or "")
        assert limit.measured_by and limit.decisions, "who measures, and on whose decision"


def test_the_submission_runs_from_the_certificate_check_to_the_gateway(portal: Channel) -> None:
    limit = portal.limits[4]
    assert (limit.starts_on.kind, limit.starts_on.name, limit.starts_on.outcome) == ("step", "C2", "ok")
    assert (limit.stops_on.kind, limit.stops_on.name) == ("message", "case.submitted")
    assert (limit.measured_by, limit.min_s, limit.max_s) == ("gateway-shep", 30, 60)
    assert limit.clause == "Приложение 1, таблица 1, 5"


def test_refusal_and_result_start_their_clock_after_the_decision(housing: Regulation) -> None:
    for channel, check in (("portal", "C3"), ("provider", "C2"), ("centre", "C2")):
        limits = {limit.stops_on.name: limit for limit in housing.channels[channel].limits}
        refused, completed = limits["case.refused"], limits["case.completed"]
        assert (refused.starts_on.name, refused.starts_on.outcome) == (check, "violation")
        assert (completed.starts_on.name, completed.starts_on.outcome) == (check, "ok")
        assert "A32" in refused.decisions and "A32" in completed.decisions


def test_the_act_is_the_one_of_atyrau_without_its_lost_registration(housing: Regulation) -> None:
    act = housing.act
    assert (act.number, act.date.isoformat(), act.registered) == ("427", "2012-12-28", None)
    assert act.repealed is not None
    assert (act.repealed.number, act.repealed.date.isoformat()) == ("238", "2013-06-21")
    assert not housing.in_force(act.repealed.date)
    assert housing.in_force(act.date)


def test_the_service_term_is_open_and_says_why(housing: Regulation) -> None:
    assert housing.service_term is None
    assert housing.settings["service_term"].decision == "A4"
    assert housing.settings["required_documents"].value == []


def test_every_clause_from_1_to_17_is_in_the_rules_or_the_flow(housing: Regulation) -> None:
    clauses = {rule.clause for rule in housing.rules}
    clauses |= {item.clause for channel in housing.channels.values() for item in channel.flow}
    assert {str(n) for n in range(1, 18)} <= clauses
    for parent, items in ((5, 16), (6, 12), (7, 10), (8, 11), (9, 8), (16, 3), (17, 4)):
        assert {f"{parent} {n})" for n in range(1, items + 1)} <= clauses, parent
    paragraphs = {"9 4) абзац 2", "9 4) абзац 3", "9 8) абзац 2", "9 8) абзац 3", "10 абзац 2", "10 абзац 3"}
    assert paragraphs <= clauses
    assert {"Приложение 2", "Сноска"} <= clauses
    assert len(housing.rules) == len({rule.clause for rule in housing.rules})


def test_rules_are_of_the_right_kind(housing: Regulation) -> None:
    assert Counter(rule.kind for rule in housing.rules)["definition"] == 16
    by_clause = {rule.clause: rule for rule in housing.rules}
    assert by_clause["5 1)"].short_ru == "ИИН"
    assert by_clause["5 12)"].term_ru == 'региональный шлюз "электронного правительства"'
    assert {by_clause[f"16 {n})"].kind for n in (1, 2, 3)} == {"executable"}
    assert all(rule.reason for rule in housing.rules if rule.kind != "executable")


def test_the_survey_is_the_only_form_and_asks_two_questions(housing: Regulation) -> None:
    (survey,) = housing.forms
    assert survey.kind == "survey"
    questions = [entry for entry in survey.fields if entry.type == "choice"]
    assert [len(question.options_ru) for question in questions] == [3, 3]
    assert survey.text_ru is not None
    for question in questions:
        assert question.label_ru in survey.text_ru


def test_the_survey_and_the_provider_are_translated_and_say_so(housing: Regulation) -> None:
    """The act prints Russian alone (E11)."""
    (survey,) = housing.forms
    kazakh = [survey.name_kk, housing.provider_kk]
    for entry in survey.fields:
        assert len(entry.options_kk) == len(entry.options_ru)
        kazakh += [entry.label_kk, *entry.options_kk]
    assert len(kazakh) == 2 + 3 + 6
    assert all(one is not None and one.text and one.status == "translated" for one in kazakh)
    assert "E11" in survey.decisions


def test_the_participants_are_the_ten_of_clause_12_and_cover_the_tables(housing: Regulation) -> None:
    assert housing.participants == (
        "Потребитель", "Услугодатель", "Оператор Центра", "ПЭП", "ШЭП", "РШЭП", "АРМ РШЭП", "АРМ ИС ЦОН",
        "ГБД ФЛ", "ЕНИС",
    )  # fmt: skip
    actors = {
        actor
        for channel in housing.channels.values()
        for row in channel.table
        for actor in (row.actor_ru or "").split(", ")
    }
    assert actors <= set(housing.participants)


def test_no_person_of_the_act_is_named(housing: Regulation) -> None:
    omitted = [rule for rule in housing.rules if rule.omitted == "person"]
    assert [rule.clause for rule in omitted] == ["Постановление, 2"]
    initials = re.compile(r"\b[А-ЯЁ]\.\s?[А-ЯЁ]?\.?\s?[А-ЯЁ][а-яё]+|[А-ЯЁ][а-яё]+ [А-ЯЁ]\.[А-ЯЁ]\.")
    assert not [rule.clause for rule in housing.rules if initials.search(rule.text_ru)]


def verbatim(regulation: Regulation) -> list[str]:
    texts = [rule.text_ru for rule in regulation.rules]
    for channel in regulation.channels.values():
        texts += [channel.title_ru, channel.table_title_ru or "", *(item.text_ru for item in channel.flow)]
        for row in channel.table:
            texts += [row.actor_ru or "", row.action_ru or "", row.completion_ru or ""]
            texts += [row.limit_ru or "", row.next_ru or ""]
    return texts + [form.text_ru or "" for form in regulation.forms]


def test_the_verbatim_text_is_the_one_compared_with_the_act(housing: Regulation) -> None:
    """Whoever mends a typo here changes the act: typos stay (A41)."""
    assert hashlib.sha256("\n".join(verbatim(housing)).encode()).hexdigest() == VERBATIM_SHA256


def test_the_typos_of_the_act_are_kept(housing: Regulation, portal: Channel) -> None:
    assert "запрашиваемы услуге" in (portal.table[1].action_ru or "")
    assert any("саll–центра" in rule.text_ru for rule in housing.rules)


def test_decisions_are_the_seventy_four_and_every_citation_resolves(catalogue: Catalogue) -> None:
    assert Counter(key[0] for key in catalogue.decisions) == {"A": 42, "D": 20, "E": 12}
    for regulation in catalogue.regulations:
        assert set(regulation.decisions) <= set(catalogue.decisions)
    assert all(len(decision.text) > 40 and decision.applies_to for decision in catalogue.decisions.values())


def test_decisions_of_the_housing_queue_are_exactly_those_its_items_cite(housing: Regulation) -> None:
    cited = set(housing.decisions)
    assert {f"A{n}" for n in (*range(1, 13), 15, 16, 32, *range(37, 43))} <= cited
    assert not {d for d in cited if d[0] == "D"} - {"D20"}, "act 004 has no say here"


def test_rules_know_no_empty_text(housing: Regulation) -> None:
    def full(rule: Rule) -> bool:
        return bool(rule.text_ru.strip())

    assert all(full(rule) for rule in housing.rules)
