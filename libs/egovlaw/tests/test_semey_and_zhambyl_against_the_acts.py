"""The seven regulations of Semey (act 1868) and the one of Zhambyl (act 25) against tables read by hand from the acts.

Nothing here was made from the YAML. Names in the comments (N1-N20, A24-A36) are those of the differences between
the acts and of the decisions on their gaps.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest

from egovlaw.catalogue import Catalogue, Channel, FlowItem, Form, Regulation, Rule

ZHAMBYL = "zhambyl-social-assistance-certificate"
UNEMPLOYED, DISABLED, KINDERGARTEN, FUNDS, PROPERTY, GUARDIANSHIP, HOUSING = (
    f"semey-{name}"
    for name in (
        "unemployed-certificate", "disabled-child-home-education", "kindergarten-queue", "minor-funds-certificate",
        "minor-property-certificate", "guardianship-certificate", "housing-queue",
    )
)  # fmt: skip
SEMEY = (UNEMPLOYED, DISABLED, KINDERGARTEN, FUNDS, PROPERTY, GUARDIANSHIP, HOUSING)
OF_MINORS = (FUNDS, PROPERTY, GUARDIANSHIP)

# channel, clause, flow items, visible rows of its table, in the order of the act (N12)
CHANNELS = {
    UNEMPLOYED: "portal 6 12 5, provider 7 10 5, centre 8 11 5",
    DISABLED: "provider 6 10 5, portal 7 12 5",
    KINDERGARTEN: "provider 6 10 5, centre 7 11 5, portal 8 12 5",
    FUNDS: "centre 6 11 5, portal 7 12 5",
    PROPERTY: "centre 6 11 5, portal 7 12 5",
    GUARDIANSHIP: "centre 6 11 5, portal 7 12 5",
    HOUSING: "provider 6 10 5, centre 7 11 5, portal 8 12 5",
    ZHAMBYL: "portal 10-1 10 0, centre - 0 0, provider - 0 0, akim - 0 0",
}
# application, positive, negative, notification, survey
FORMS = {
    UNEMPLOYED: (1, 1, 1, 1, 1), DISABLED: (1, 1, 1, 1, 1), KINDERGARTEN: (0, 2, 1, 0, 1), FUNDS: (3, 3, 1, 1, 1),
    PROPERTY: (2, 1, 1, 1, 1), GUARDIANSHIP: (0, 1, 2, 1, 1), HOUSING: (0, 1, 1, 1, 1), ZHAMBYL: (0, 0, 0, 0, 0),
}  # fmt: skip
# label, kind, next (ok/violation); Semey's are the same seven times (N1, N3)
FLOWS = {
    "portal": "pre1 register_account P1, P1 authenticate C1, C1 verify_login P3/P2, P2 refuse_login -, "
    "P3 choose_and_fill C2, C2 check_certificate P5/P4, P4 refuse_signature -, P5 sign_and_send P6, P6 register C3, "
    "C3 check_documents P8/P7, P7 refuse_documents -, P8 issue_result -",
    "provider": "P1 authenticate P2, P2 choose_and_fill P3, P3 query_registers C1, C1 check_registers P5/P4, "
    "P4 report_no_data -, P5 attach_and_sign P6, P6 register C2, C2 check_documents P8/P7, P7 refuse_documents -, "
    "P8 issue_result -",
    "centre": "P1 authenticate P2, P2 choose_and_fill P3, P3 query_registers C1, C1 check_registers P5/P4, "
    "P4 report_no_data -, P5 attach_and_sign P6, P6 send P7, P7 register C2, C2 check_documents P9/P8, "
    "P8 refuse_documents -, P9 hand_over -",
}
ZHAMBYL_FLOW = (
    "pre1 register_account P1, P1 authenticate C1, C1 verify_login P3/P2, P2 refuse_login -, P3 choose_and_fill P4, "
    "P4 sign C2, C2 check_certificate P6/P5, P5 refuse_signature -, P6 send_and_process P7, P7 issue_result -"
)
# The deadlines that can be read, rows 1 to 5 (N9); a dash is a clipped or lost cell (A33).
DEADLINES = {
    ("portal", UNEMPLOYED): "30-60 30 90 90 -",
    ("portal", DISABLED): "30-60 30 90 90 -",
    ("portal", KINDERGARTEN): "30-60 30 90 90 -",
    ("portal", FUNDS): "60 30 90 90 60",
    ("portal", PROPERTY): "60 30 90 90 -",
    ("portal", GUARDIANSHIP): "60 30 90 90 60",
    ("portal", HOUSING): "30-60 30 90 90 -",
    ("provider", UNEMPLOYED): "10-15 10 90 10-15 10-15",
    ("provider", DISABLED): "10-15 10 90 10-15 10-15",
    ("provider", KINDERGARTEN): "10-15 10 90 10-15 10-15",
    ("provider", HOUSING): "10-15 10 90 10-15 10-15",
    ("centre", UNEMPLOYED): "30-60 30 90 90 -",
    ("centre", KINDERGARTEN): "30-60 30 90 90 -",
    ("centre", FUNDS): "60 30 90 90 60",
    ("centre", PROPERTY): "60 30 90 90 60",
    ("centre", GUARDIANSHIP): "60 30 90 90 60",
    ("centre", HOUSING): "30-60 30 90 90 -",
}
# which annex holds tables, diagrams, forms, survey (N19)
ANNEXES = {
    UNEMPLOYED: "1234", DISABLED: "2143", KINDERGARTEN: "2134", FUNDS: "1234", PROPERTY: "1234",
    GUARDIANSHIP: "1234", HOUSING: "1234",
}  # fmt: skip


@pytest.fixture(params=(*SEMEY, ZHAMBYL))
def regulation(request: pytest.FixtureRequest, catalogue: Catalogue) -> Regulation:
    return catalogue.by_code[request.param]


@pytest.fixture(params=SEMEY)
def semey(request: pytest.FixtureRequest, catalogue: Catalogue) -> Regulation:
    return catalogue.by_code[request.param]


def as_read(channel: Channel) -> str:
    lines = []
    for item in channel.flow:
        onward = (
            item.next if isinstance(item.next, str) or item.next is None else f"{item.next.ok}/{item.next.violation}"
        )
        lines.append(f"{item.label} {item.kind.name} {onward or '-'}")
    return ", ".join(lines)


def item(channel: Channel, kind: str) -> FlowItem:
    return next(one for one in channel.flow if one.kind.name == kind)


def rules(regulation: Regulation, topic: str) -> list[Rule]:
    return [rule for rule in regulation.rules if rule.topic == topic]


def forms(regulation: Regulation, kind: str) -> list[Form]:
    return [form for form in regulation.forms if form.kind == kind]


def test_the_channels_have_the_clauses_items_and_rows_of_the_act(regulation: Regulation) -> None:
    read = [line.split() for line in CHANNELS[regulation.code].split(", ")]
    found = list(regulation.channels.values())
    assert [[one.code, str(len(one.flow)), str(len(one.table))] for one in found] == [
        [code, flow, table] for code, _, flow, table in read
    ]
    for channel, (_, clause, flow, _) in zip(found, read, strict=True):
        assert [one.clause for one in channel.flow] == [f"{clause} {n})" for n in range(1, int(flow) + 1)]


def test_a_flow_leads_where_the_act_leads(semey: Regulation) -> None:
    for code, channel in semey.channels.items():
        assert as_read(channel) == FLOWS[code]


def test_every_item_names_its_own_number(regulation: Regulation) -> None:
    word = {"P": "процесс", "C": "условие"}
    for channel in regulation.channels.values():
        for one in channel.flow:
            if one.label != "pre1":
                assert re.match(rf"{word[one.label[0]]} {one.label[1:]} [–-] ", one.text_ru), (channel.code, one.label)


def test_the_forms_are_those_of_the_annexes(regulation: Regulation) -> None:
    count = Counter(form.kind for form in regulation.forms)
    kinds = ("application", "positive", "negative", "notification", "survey")
    assert tuple(count[kind] for kind in kinds) == FORMS[regulation.code]


def test_together_they_are_two_hundred_items_eighty_five_rows_and_thirty_eight_forms(catalogue: Catalogue) -> None:
    found = [catalogue.by_code[code] for code in (*SEMEY, ZHAMBYL)]
    channels = [channel for one in found for channel in one.channels.values()]
    assert sum(len(channel.flow) for channel in channels) == 200
    rows = [row for channel in channels for row in channel.table]
    assert (len(rows), sum(row.limit is not None for row in rows)) == (85, 77)
    assert sum(len(one.forms) for one in found) == 38


def test_the_deadlines_are_those_that_can_be_read(semey: Regulation) -> None:
    for code, channel in semey.channels.items():
        read = []
        for row in channel.table:
            low = "" if row.limit is None or row.limit.min_s is None else f"{row.limit.min_s}-"
            read.append("-" if row.limit is None else f"{low}{row.limit.max_s}")
        assert " ".join(read) == DEADLINES[code, semey.code]


def test_a_limit_without_a_readable_deadline_is_the_declared_default(catalogue: Catalogue, semey: Regulation) -> None:
    """A33: Atyrau's of the same channel, marked, and never in the table itself."""
    assert semey.settings["table_default"].value == "atyrau-housing-queue"
    atyrau = catalogue.by_code["atyrau-housing-queue"]
    for code, channel in semey.channels.items():
        default = {limit.label: (limit.min_s, limit.max_s) for limit in atyrau.channels[code].limits}
        assert {limit.label for limit in channel.limits} == set(default), "every process has a limit"
        for limit in channel.limits:
            assert (limit.table_row is None) == ("A33" in limit.decisions)
            if limit.table_row is None:
                assert (limit.min_s, limit.max_s) == default[limit.label]
        assert "A33" in channel.decisions
        assert f"columns 6-{9 if code == 'centre' else 8}" in channel.table[4].lost


def test_what_cannot_be_read_of_column_five_is_lost_and_not_invented(catalogue: Catalogue) -> None:
    clipped = catalogue.by_code[UNEMPLOYED].channels["portal"].table[4]
    assert (clipped.actor_ru, clipped.limit_ru) == ("Потреби", "30 секунда минута")
    for code in (PROPERTY, HOUSING):
        gone = catalogue.by_code[code].channels["portal"].table[4]
        assert (gone.completion_ru, gone.limit_ru, gone.next_ru) == (None, None, None)
        assert {"completion_ru", "limit_ru", "next_ru"} <= set(gone.lost)


def test_the_fifth_row_of_the_desk_has_the_next_number_that_is_printed(catalogue: Catalogue) -> None:
    """N11."""
    printed = {
        code: catalogue.by_code[code].channels["provider"].table[4].next_ru
        for code in (UNEMPLOYED, DISABLED, KINDERGARTEN, HOUSING)
    }
    assert printed == {UNEMPLOYED: "6", DISABLED: "-", KINDERGARTEN: "-", HOUSING: "6"}


def test_semey_checks_the_certificate_before_signing_and_zhambyl_after(catalogue: Catalogue, semey: Regulation) -> None:
    """N1, A1."""
    kinds = [one.kind.name for one in semey.channels["portal"].flow]
    assert kinds.index("check_certificate") < kinds.index("sign_and_send")
    assert semey.settings["sign_order"].value == "check_before_sign"
    zhambyl = catalogue.by_code[ZHAMBYL]
    assert as_read(zhambyl.channels["portal"]) == ZHAMBYL_FLOW
    assert zhambyl.settings["sign_order"].value == "sign_before_check"


def test_the_desk_knows_no_refused_login_and_no_certificate(semey: Regulation) -> None:
    """N3, A7."""
    for code in {"provider", "centre"} & set(semey.channels):
        kinds = {one.kind.name for one in semey.channels[code].flow}
        assert not kinds & {"verify_login", "refuse_login", "check_certificate"}
        assert "A7" in semey.channels[code].decisions


def test_attachments_are_copies_named_by_the_standard(catalogue: Catalogue, semey: Regulation) -> None:
    """N5: Zhambyl's form takes none."""
    assert "указанные в пункте 11 Стандарта" in item(semey.channels["portal"], "choose_and_fill").text_ru
    text = item(catalogue.by_code[ZHAMBYL].channels["portal"], "choose_and_fill").text_ru
    assert "прикрепление" not in text and "регистрационного свидетельства" not in text


def test_the_notaries_are_asked_at_five_centres_and_not_for_the_unemployed(semey: Regulation) -> None:
    """N6, A24: table 3 of the unemployed names ЕНИС, the narrative does not."""
    if "centre" not in semey.channels:
        return
    centre = semey.channels["centre"]
    asked = {name for name in item(centre, "query_registers").standing if name.startswith("query.")}
    if semey.code == UNEMPLOYED:
        assert asked == {"query.person"}
        assert centre.table[3].actor_ru == "ГБД ФЛ, ЕНИС" and "A24" in centre.table[3].decisions
        assert semey.settings["enis"].decision == "A24"
    else:
        assert asked == {"query.person", "query.attorney"}
        assert "в ГБД ФЛ, данных доверенности в ЕНИС" in item(centre, "check_registers").text_ru
        assert semey.settings["enis"].decision == "A8"


def test_who_decides_and_signs(semey: Regulation) -> None:
    """N7: the provider, but МИО where a minor is concerned; the centre never says who signs (A5)."""
    who = "МИО" if semey.code in OF_MINORS else "услугодателем"
    assert f"проверка (обработка) {who}" in item(semey.channels["portal"], "check_documents").text_ru
    signer = "МИО" if semey.code in OF_MINORS else "услугодателя"
    result = item(semey.channels["portal"], "issue_result")
    assert f"уполномоченного лица {signer}".lower() in result.text_ru.lower()
    if "centre" in semey.channels:
        result = item(semey.channels["centre"], "hand_over")
        assert "A5" in result.decisions
        assert ("сформированной АРМ РШЭП" in result.text_ru) == (semey.code not in OF_MINORS)  # N8


def test_notifications_are_sent_when_the_act_says_so(semey: Regulation) -> None:
    """N13."""
    sent = [form.sent_on for form in forms(semey, "notification")]
    if semey.code == KINDERGARTEN:
        assert sent == []
    elif semey.code in (UNEMPLOYED, HOUSING):
        assert sent == [("status_change",)]
    else:
        assert sent == [("status_change", "extension")]


def test_refusals_are_free_letters_samples_or_fixed(semey: Regulation) -> None:
    """N14."""
    refusals = forms(semey, "negative")
    free = {
        UNEMPLOYED: [True], DISABLED: [True], KINDERGARTEN: [False], FUNDS: [True], PROPERTY: [True],
        GUARDIANSHIP: [False, True], HOUSING: [True],
    }  # fmt: skip
    assert [form.free_form for form in refusals] == free[semey.code]
    text = refusals[0].text_ru or ""
    assert ("комиссии" in text) == (semey.code == DISABLED)
    assert ("обжаловать" in text) == (semey.code == HOUSING)
    assert ("запись не найдена в Электронном реестре" in text) == (semey.code == GUARDIANSHIP)


def test_where_a_status_is_asked(semey: Regulation) -> None:
    """N15."""
    (rule,) = rules(semey, "status_check")
    ending = {
        UNEMPLOYED: "к услугодателю или Центр.", DISABLED: "к услугодателю.", KINDERGARTEN: "к услугодателю или Центр.",
        FUNDS: "в Центр или МИО.", PROPERTY: "в ЦОН или МИО.", GUARDIANSHIP: "в Центр или МИО.",
        HOUSING: "к услугодателю или Центр.",
    }  # fmt: skip
    assert rule.text_ru.endswith(ending[semey.code]) and "«История получения услуг»" in rule.text_ru


def test_quality_languages_and_the_call_centre(semey: Regulation) -> None:
    """N16, N17, N18: for the minors and the kindergarten two languages, and complaints about quality by telephone."""
    assert len(rules(semey, "quality")) == 6, "the heading, two duties, three properties of information"
    (help_,) = rules(semey, "help")
    education = semey.code in (KINDERGARTEN, *OF_MINORS)
    assert "1414" in help_.text_ru and ("обжалование" in help_.text_ru) == education
    assert len(rules(semey, "languages")) == education


def test_zhambyl_has_no_list_of_units_no_tables_no_forms_and_no_call_centre(catalogue: Catalogue) -> None:
    """N13-N18."""
    zhambyl = catalogue.by_code[ZHAMBYL]
    assert (zhambyl.participants, zhambyl.forms, zhambyl.terms) == ((), (), ())
    topics = {rule.topic for rule in zhambyl.rules}
    assert not topics & {"help", "quality", "status_check", "survey", "notification", "languages"}
    assert not [limit for channel in zhambyl.channels.values() for limit in channel.limits]


def test_the_annexes_stand_in_the_order_of_the_act(semey: Regulation) -> None:
    """N19."""
    headings = [rule for rule in semey.rules if re.fullmatch(r"Приложение \d", rule.clause)]
    annex = {rule.topic: rule.clause[-1] for rule in headings}
    assert "".join(annex[topic] for topic in ("tables", "diagram", "forms", "survey")) == ANNEXES[semey.code]
    for form in semey.forms:
        expected = annex["survey" if form.kind == "survey" else "forms"]
        assert form.clause.removesuffix(", примечание") == f"Приложение {expected}"


def test_the_terms_are_the_acts_own(catalogue: Catalogue, semey: Regulation) -> None:
    """N20: consumer in Semey; recipient in Zhambyl, with one consumer left over."""
    assert "потребитель осуществляет регистрацию" in semey.channels["portal"].flow[0].text_ru
    flow = catalogue.by_code[ZHAMBYL].channels["portal"].flow
    assert [one.label for one in flow if "потребител" in one.text_ru] == ["pre1"]
    assert flow[0].text_ru.startswith("услугополучатель осуществляет регистрацию")


def test_every_clause_of_the_general_part_is_there(semey: Regulation) -> None:
    clauses = [rule.clause for rule in semey.rules]
    assert len(clauses) == len(set(clauses))
    last = {UNEMPLOYED: 18, KINDERGARTEN: 18, HOUSING: 18}.get(semey.code, 17)
    assert {str(n) for n in range(1, last + 1)} <= set(clauses)
    definitions = 19 if semey.code in (KINDERGARTEN, *OF_MINORS) else 18
    assert [rule.clause for rule in semey.rules if rule.kind == "definition"] == [
        f"5 {n})" for n in range(1, definitions + 1)
    ]
    assert all(rule.reason for rule in semey.rules if rule.kind != "executable")


def test_the_lists_of_units_are_printed_as_the_act_prints_them(catalogue: Catalogue) -> None:
    """A12: incomplete, and in one regulation torn in the middle of a name."""
    count = {code: len(catalogue.by_code[code].participants) for code in SEMEY}
    assert count == {UNEMPLOYED: 8, DISABLED: 6, KINDERGARTEN: 10, FUNDS: 8, PROPERTY: 8, GUARDIANSHIP: 8, HOUSING: 9}
    assert catalogue.by_code[KINDERGARTEN].participants[-2:] == ("ГБД", "ФЛ")
    assert "ЕНИС" not in catalogue.by_code[UNEMPLOYED].participants


def test_the_acts_are_repealed_and_registered(semey: Regulation, catalogue: Catalogue) -> None:
    act, zhambyl = semey.act, catalogue.by_code[ZHAMBYL].act
    assert act.registered is not None and act.repealed is not None
    assert (act.number, act.date.isoformat(), act.registered.number, act.repealed.number) == (
        "1868", "2012-12-28", "2864", "806",
    )  # fmt: skip
    assert (act.registered.date.isoformat(), act.repealed.date.isoformat()) == ("2013-01-28", "2013-05-22")
    assert zhambyl.registered is not None and zhambyl.repealed is not None and zhambyl.amends is not None
    assert (zhambyl.number, zhambyl.registered.number, zhambyl.repealed.number, zhambyl.amends.number) == (
        "25", "2946", "73", "158",
    )  # fmt: skip


def test_persons_are_left_out(regulation: Regulation) -> None:
    """E6: the official who controls, those who signed."""
    omitted = [rule.clause for rule in regulation.rules if rule.omitted == "person"]
    control = "Постановление, 3" if regulation.code == ZHAMBYL else "Постановление, 2"
    assert omitted[:2] == [control, "Постановление, подпись"]


def test_the_certificate_of_the_unemployed_carries_the_block_of_signatures(catalogue: Catalogue) -> None:
    """A25."""
    application, certificate = catalogue.by_code[UNEMPLOYED].forms[:2]
    assert "(о/й)" in (application.text_ru or "")
    assert "Специалист:" not in (application.text_ru or "")
    assert "Начальник отдела:" in (certificate.text_ru or "") and "A25" in certificate.decisions


def test_the_application_for_a_disabled_child_has_fifteen_fields_and_five_attachments(catalogue: Catalogue) -> None:
    """A15, A26."""
    disabled = catalogue.by_code[DISABLED]
    (application,) = forms(disabled, "application")
    assert (len(application.fields), len(application.attachments_ru)) == (15, 5)
    assert {"rnn", "sic"} <= {field.type for field in application.fields}
    assert list(application.attachments_ru) == disabled.settings["required_documents"].value
    (notice,) = forms(disabled, "positive")
    assert "обратиться в отдел занятости" in (notice.text_ru or "") and "A26" in notice.decisions


def test_a_direction_is_handed_in_within_five_calendar_days(catalogue: Catalogue) -> None:
    """A27; a place in the queue is the other result."""
    kindergarten = catalogue.by_code[KINDERGARTEN]
    direction, queue = forms(kindergarten, "positive")
    assert direction.validity is not None and direction.validity.calendar_days == 5
    assert queue.validity is None and "Журнале регистрации детей" in (queue.text_ru or "")
    assert kindergarten.settings["hand_in_term"].value == {"calendar_days": 5}
    assert "A27" in forms(kindergarten, "negative")[0].decisions


def test_the_three_certificates_on_funds_are_valid_one_month_each(catalogue: Catalogue) -> None:
    """A28, A30: children sign for the bank alone."""
    funds = catalogue.by_code[FUNDS]
    variants = ["pension", "bank", "vehicle"]
    assert [form.variant for form in forms(funds, "application")] == variants
    assert [form.variant for form in forms(funds, "positive")] == variants
    assert [form.validity.months for form in forms(funds, "positive") if form.validity] == [1, 1, 1]
    signed = [any(field.name == "child_consent" for field in form.fields) for form in forms(funds, "application")]
    assert signed == [False, True, False]


def test_children_and_spouses_sign_for_real_estate(catalogue: Catalogue) -> None:
    """A29, A30."""
    estate = catalogue.by_code[PROPERTY]
    for form in forms(estate, "application"):
        sheets = {field.name for field in form.fields if field.type == "attachment" and field.required}
        assert sheets == {"child_consent", "promise", "spouse_signature"}
    row = estate.channels["portal"].table[3]
    assert row.limit is not None
    assert (row.limit_ru, row.limit.max_s) == ("1 минуты", 90) and "A29" in row.decisions


def test_the_guardianship_register_is_asked_during_the_check_of_documents(catalogue: Catalogue) -> None:
    """A31, E3: it stands in no flow and no table; the tail of P8 stays in the text."""
    guardianship = catalogue.by_code[GUARDIANSHIP]
    for code, channel in guardianship.channels.items():
        asked = [side for side in channel.side_messages if side.type == "query.register"]
        assert [side.during for side in asked] == [("P7",) if code == "centre" else ("P6",)]
    tail = guardianship.channels["portal"].flow[-1]
    assert tail.text_ru.endswith("незарегистрированных потребителей на ПЭП).") and "A31" in tail.decisions


def test_other_registers_of_the_akimat_are_asked_only_where_a_decision_names_them(catalogue: Catalogue) -> None:
    """E3: what the setting names is what the side messages open, and nothing else."""
    for code in SEMEY:
        one = catalogue.by_code[code]
        sides = {side.type for channel in one.channels.values() for side in channel.side_messages}
        assert ("query.register" in sides) == ("akimat_register" in one.settings)


def test_a_housing_commission_decides_before_the_clock_starts(catalogue: Catalogue) -> None:
    """A32; the typos stay."""
    housing = catalogue.by_code[HOUSING]
    assert housing.settings["commission"].decision == "A32"
    for channel in housing.channels.values():
        limits = {limit.stops_on.name: limit for limit in channel.limits}
        for message in ("case.refused", "case.completed"):
            assert limits[message].starts_on.name.startswith("C") and "A32" in limits[message].decisions
    assert item(housing.channels["provider"], "check_documents").text_ru.endswith("для оказания услуг;")
    assert any("очередьность" in rule.text_ru for rule in housing.rules)


def test_zhambyl_offers_three_channels_without_inventing_their_steps(catalogue: Catalogue) -> None:
    """A34, A35, A36, N2."""
    zhambyl = catalogue.by_code[ZHAMBYL]
    assert [code for code, channel in zhambyl.channels.items() if not channel.has_flow] == [
        "centre",
        "provider",
        "akim",
    ]
    assert all("A36" in channel.decisions for channel in zhambyl.channels.values())
    assert "подтверждающей" in zhambyl.title_ru and "A35" in zhambyl.decisions
    kinds = {one.kind.name for one in zhambyl.channels["portal"].flow}
    assert not kinds & {"register", "check_documents", "refuse_documents"}
    assert zhambyl.channels["portal"].side_messages[0].type == "case.registered"
    assert [rule.clause for rule in zhambyl.rules if "A34" in rule.decisions] == [
        "10-1 часть 2", "11", "Приложение 3", "Приложение 4",
    ]  # fmt: skip


def test_every_title_has_its_kazakh_form(regulation: Regulation) -> None:
    assert re.search("[әғқңөұүһі]", regulation.title_kk)
