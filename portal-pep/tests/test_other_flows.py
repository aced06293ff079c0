"""Flows unlike the common one: the signature before the check of the certificate (A1), no registration of its own (N2),
no check of documents. Which acts have them, and at which steps, is asked of the catalogue."""

from __future__ import annotations

import functools
import io
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from pypdf import PdfReader

from egovkit.contracts import contracts_dir, read_once
from egovkit.messages import MessageRegister
from egovkit.signatures.authority import Span
from egovlaw.catalogue import Channel, Regulation
from egovlaw.flow import OrderAccepted, TrailStep, judge_order
from egovlaw.loader import load_catalogue

pytestmark = pytest.mark.service


@functools.cache
def offered() -> tuple[Regulation, ...]:
    return tuple(
        one
        for one in read_once(load_catalogue, contracts_dir()).regulations
        if (channel := one.channels.get("portal")) is not None and channel.has_flow
    )


def has(regulation: Regulation, kind: str) -> bool:
    return any(item.kind.name == kind for item in regulation.channels["portal"].flow)


def label(channel: Channel, kind: str) -> str:
    return next(item.label for item in channel.flow if item.kind.name == kind)


SIGNED_FIRST = [one.code for one in offered() if one.settings["sign_order"].value == "sign_before_check"]
UNREGISTERED = [one.code for one in offered() if not has(one, "register")]
EITHER_ORDER = [SIGNED_FIRST[0], next(code for code in UNREGISTERED if code not in SIGNED_FIRST)]


def forms_of(code: str) -> list[tuple[str | None, list[str]]]:
    """An act may print more than one application."""
    forms = next(one for one in offered() if one.code == code).forms
    return [(form.variant, [field.name for field in form.fields]) for form in forms if form.kind == "application"]


def channel_of(code: str) -> Channel:
    return next(one for one in offered() if one.code == code).channels["portal"]


def places(code: str) -> dict[str, str]:
    """At which step of this act the provider's messages stand."""
    channel = channel_of(code)
    sending = next(item.label for item in channel.flow if "case.submitted" in item.entering)
    told = dict.fromkeys(("case.registered", "case.status", "case.extended", "case.paused", "case.resumed"), sending)
    return {**told, "case.completed": label(channel, "issue_result")}


def judged(world: Any, envelope: Any) -> Any:
    """What a gateway that knows the act says of the envelope as the first of its case."""
    read_once(MessageRegister.load, world.app.state.node.contracts).check(envelope.type, envelope.data)
    steps = [TrailStep(one["step"], one["outcome"], world.clock.now()) for one in envelope.data["trail"]]
    return judge_order(channel_of(envelope.regulation), None, envelope.type, envelope.step, steps)


def kinds(envelope: Any) -> list[tuple[str, str]]:
    by_label = channel_of(envelope.regulation).by_label
    return [(by_label[step["step"]].kind.name, step["outcome"]) for step in envelope.data["trail"]]


async def everywhere(world: Any) -> None:
    """One provider's system for all regions."""
    world.shep.regions = {"provider-arm": (*world.shep.regions["provider-arm"], "semey")}
    world.shep.version += 1
    await world.app.state.node.refresh()


def rule_of(regulation: Regulation) -> tuple[str, ...] | None:
    """On what this act notifies; None where it has no rule of notifications."""
    return next((form.sent_on for form in regulation.forms if form.kind == "notification"), None)


RULES = {rule_of(one): one.code for one in offered()}  # one act for each rule


@pytest.mark.parametrize(("rule", "code"), RULES.items())
async def test_an_extension_is_notified_as_the_acts_own_rule_of_notifications_has_it(
    world: Any, citizen: Any, provider_of: Any, rule: tuple[str, ...] | None, code: str
) -> None:
    """N13: some acts notify of extensions, some of changes of the status alone; where there is no rule he is told."""
    await everywhere(world)
    envelope = await citizen.send(code)
    told = provider_of(envelope.subject, places(code))
    await told.say("case.extended", 1)
    await told.say("case.paused", 2)
    page = await citizen.page(envelope.subject)
    assert page["term"]["until"] and page["status"]["code"] == "paused"  # shown in any case
    expected = ["extended"] if rule is None or "extension" in rule else []
    assert [one for one in await citizen.notices() if one != "registered"] == [*expected, "paused"]


async def test_a_negative_result_is_shown_as_a_reasoned_refusal_in_both_languages(
    citizen: Any, provider_of: Any
) -> None:
    code = SIGNED_FIRST[0]
    envelope = await citizen.send(code)
    told = provider_of(envelope.subject, places(code))
    reasons = [{"code": "income.above_the_line", "text": "Доход выше черты / Кірісі шектен жоғары"}]
    body = {"kind": "result", "outcome": "negative", "text_kk": "Бас тартылды.", "text_ru": "Отказано.", "values": {}}
    told.notice = json.dumps({**body, "reasons": reasons}, ensure_ascii=False).encode()
    await told.say("case.completed", 1, trail=[], outcome="negative")
    page = await citizen.page(envelope.subject)
    assert page["status"]["code"] == "completed" and page["status"]["outcome"] == "negative"
    assert page["status"]["text"]["ru"] == "В оказании услуги отказано"
    assert page["status"]["text"]["kk"] == "Қызмет көрсетуден бас тартылды"
    assert (await citizen.notices())[-1] == "refused"
    result = (await citizen.get(f"/v1/cases/{envelope.subject}/result")).json()
    assert (result["kind"], result["outcome"], result["reasons"]) == ("refusal", "negative", reasons)
    assert result["signature"] and result["judged"]["verdict"] == "accepted"
    printed = await citizen.get(f"/v1/cases/{envelope.subject}/result.pdf")
    text = re.sub(r"\s", "", "".join(one.extract_text() for one in PdfReader(io.BytesIO(printed.content)).pages))
    for words in ("Мотивированныйответоботказе", "дәлелдіжауап", "Отказано.", "Бастартылды.", "Доходвышечерты"):
        assert words in text, words
    assert "Электроннаяцифроваяподпись" in text and "refusal-" in printed.headers["content-disposition"]


async def test_a_result_of_several_kinds_names_its_form_and_the_day_it_holds_until(
    world: Any, citizen: Any, provider_of: Any
) -> None:
    await everywhere(world)
    form = next((one.code, form) for one in offered() for form in one.forms if form.kind == "positive" and form.variant)
    code, positive = form
    envelope = await citizen.send(code)
    told = provider_of(envelope.subject, places(code))
    told.notice = json.dumps({"kind": "result", "valid_until": "2026-02-15", "text_ru": "Выдана"}).encode()
    await told.say("case.completed", 1, outcome="positive", variant=positive.variant)
    result = (await citizen.get(f"/v1/cases/{envelope.subject}/result")).json()
    assert (result["kind"], result["outcome"], result["variant"]) == ("result", "positive", positive.variant)
    assert result["valid_until"] == "2026-02-15"
    printed = await citizen.get(f"/v1/cases/{envelope.subject}/result.pdf")
    text = re.sub(
        r"[\s\u200b]", "", "".join(one.extract_text() for one in PdfReader(io.BytesIO(printed.content)).pages)
    )
    assert "15февраля2026года" in text and "2026жылғы15ақпан" in text
    for words in positive.name_ru.split("____"):  # the number stands in the blank
        assert re.sub(r"\s", "", words) in text, words


def test_the_acts_have_all_three_rules_of_notifications() -> None:
    assert set(RULES) == {None, ("status_change",), ("status_change", "extension")}


@pytest.mark.law(topic="interface", regulation="semey-*", clause=("8", "9"))
@pytest.mark.law(topic="forms", regulation="tayynsha-social-assistance", clause="8")
async def test_every_act_with_a_flow_through_the_portal_is_offered_with_the_fields_of_its_form(
    world: Any, citizen: Any
) -> None:
    shown = {one["regulation"] for one in (await citizen.get("/v1/services")).json()["items"]}
    assert shown == {one.code for one in offered()} and {*SIGNED_FIRST, *UNREGISTERED} < shown
    for code in shown:
        form = (await citizen.get(f"/v1/services/{code}")).json()["form"]
        shown_forms = [(one["variant"], [field["name"] for field in one["fields"]]) for one in form["applications"]]
        assert shown_forms == forms_of(code)
        assert (form["note"] is None) == any(fields for _, fields in shown_forms)


@pytest.mark.law(topic="languages", regulation="semey-minor-*")
@pytest.mark.parametrize(
    ("code", "variant", "name", "label"),
    [
        ("semey-minor-funds-certificate", "pension", "depositor_name", ("вкладчика (Ф.И.О)", "салымшының (Т.А.Ә.)")),
        ("semey-minor-funds-certificate", "bank", "bank_name", ("(название банка)", "(банктің атауы)")),
        ("semey-minor-property-certificate", "pledge", "credit_amount", ("кредита в размере", "кредит мөлшері")),
        ("semey-minor-property-certificate", "disposal", "unique_number", ("Уникальный номер", "Бірегей нөмір")),
    ],
)
async def test_a_form_has_every_label_in_both_languages(
    world: Any, code: str, variant: str, name: str, label: tuple[str, str]
) -> None:
    forms = (await world.http.get(f"/v1/services/{code}")).json()["form"]["applications"]
    form = next(one for one in forms if one["variant"] == variant)
    assert form["name"]["kk"].startswith("Электрондық мемлекеттік қызметке өтініш")
    field = next(one for one in form["fields"] if one["name"] == name)
    assert (field["label"]["ru"], field["label"]["kk"]) == label
    words = [text for one in form["fields"] for text in (one["label"], *one["options"])]
    assert all(text["ru"] and text["kk"] and text["kk_status"] in ("translated", "restored") for text in words)
    assert not [text["kk"] for text in words if text["kk"] == text["ru"] != "№"]


@pytest.mark.law(topic="languages", regulation=("semey-guardianship-certificate", "semey-kindergarten-queue"))
@pytest.mark.parametrize("code", ["semey-guardianship-certificate", "semey-kindergarten-queue"])
async def test_where_the_act_prints_no_form_the_card_says_so_in_both_languages(
    world: Any, citizen: Any, code: str
) -> None:
    """A15: the fields are the applicant's own, and so are their names, in whatever language he writes."""
    form = (await world.http.get(f"/v1/services/{code}")).json()["form"]
    assert form["applications"] == [] and form["note"]["ru"].startswith("Регламент не приводит полей")
    assert form["note"]["kk"].startswith("Регламентте өтініштің өрістері келтірілмеген")
    values = {"child_name": "Әлихан", "address": "ул. Абая"}
    case = await citizen.open(regulation=code)
    assert (await citizen.put_form(case, values)).status_code == 200
    assert (await citizen.page(case))["form"] == values


@pytest.mark.parametrize("code", SIGNED_FIRST)
async def test_where_the_act_signs_first_the_signature_stands_before_the_check(
    world: Any, citizen: Any, code: str
) -> None:
    envelope = await citizen.send(code)
    assert kinds(envelope) == [
        ("authenticate", "done"), ("verify_login", "ok"), ("choose_and_fill", "done"),
        ("sign", "done"), ("check_certificate", "ok"),
    ]  # fmt: skip
    assert envelope.step == label(channel_of(code), "send_and_process")
    assert isinstance(judged(world, envelope), OrderAccepted)


@pytest.mark.parametrize("kind", ["expired", "of_another_person"])
async def test_a_certificate_is_refused_only_after_the_signature(world: Any, kind: str) -> None:
    citizen, now = await world.citizen().arrive(), world.clock.now()
    code = SIGNED_FIRST[0]
    if kind == "expired":
        citizen.key = world.pki.person(citizen.iin, span=Span(now - timedelta(days=400), now - timedelta(days=1)))
    else:
        citizen.key = world.citizen().key
    case = await citizen.open(regulation=code)
    document = await citizen.prepared(case)  # gives the bytes all the same
    assert (await citizen.page(case))["status"]["code"] == "prepared" and world.shep.arrived.empty()
    awaited = (await citizen.post(f"/v1/cases/{case}/status-check")).json()["awaited"]
    assert awaited["by"] == "applicant" and awaited["step"] == label(channel_of(code), "sign")
    answer = await citizen.submit(case, citizen.sign(document))
    refusal = channel_of(code).by_label[label(channel_of(code), "refuse_signature")]
    assert answer.status_code == 403 and answer.json()["code"] == f"certificate.{kind}"
    assert (answer.json()["clause"], answer.json()["step"]) == (refusal.clause, refusal.label)
    report = await world.shep.next()
    assert report.type == "kz.egov.steps.reported.v1" and report.step == refusal.label
    assert kinds(report)[-2:] == [("sign", "done"), ("check_certificate", "violation")]
    assert isinstance(judged(world, report), OrderAccepted)
    assert (await citizen.page(case))["status"]["code"] == "signature_refused"
    assert (await citizen.prepare(case)).json()["code"] == "case.wrong_state"


async def test_a_signature_that_does_not_hold_ends_nothing_where_the_act_signs_first(world: Any, citizen: Any) -> None:
    case = await citizen.open(regulation=SIGNED_FIRST[0])
    document = await citizen.prepared(case)
    answer = await citizen.submit(case, citizen.sign(document + b" "))
    assert answer.json()["code"] == "signature.of_other_data" and world.shep.arrived.empty()
    assert (await citizen.submit(case, citizen.sign(document))).status_code == 202
    assert kinds(await world.shep.next()).count(("sign", "done")) == 1


async def test_an_old_revocation_list_is_no_refusal_where_the_act_signs_first(world: Any, citizen: Any) -> None:
    case = await citizen.open(regulation=SIGNED_FIRST[0])
    signature = citizen.sign(await citizen.prepared(case))
    trust = world.app.state.portal.trust
    lists, trust._crls = trust._crls, {}
    answer = await citizen.submit(case, signature)
    assert answer.status_code == 503 and (await citizen.page(case))["status"]["code"] == "prepared"
    trust._crls = lists
    assert (await citizen.submit(case, signature)).status_code == 202


@pytest.mark.parametrize("code", EITHER_ORDER)
async def test_without_a_registration_of_its_own_the_number_is_told_where_the_case_was_sent(
    world: Any, citizen: Any, provider_of: Any, code: str
) -> None:
    envelope = await citizen.send(code)
    assert isinstance(judged(world, envelope), OrderAccepted)
    told = provider_of(envelope.subject, places(code))
    await told.say("case.registered", 1)
    page = await citizen.page(envelope.subject)
    assert page["status"]["code"] == "registered" and page["number"] == told.data("case.registered", 1)[0]["number"]
    [sending] = [one for one in page["progress"] if one["step"] == envelope.step]
    assert sending["outcome"] == "submitted"  # the number is no step of this act
    channel = channel_of(code)
    follows = channel.by_label[envelope.step].next
    awaited = (await citizen.post(f"/v1/cases/{envelope.subject}/status-check")).json()["awaited"]
    assert (awaited["by"], awaited["step"]) == ("provider", follows)
    await told.say("case.completed", 2, trail=[])
    assert (await citizen.page(envelope.subject))["status"]["code"] == "completed"
    assert await citizen.notices() == ["registered", "completed"]


async def test_a_region_of_several_providers_has_each_named_by_the_catalogue(citizen: Any) -> None:
    """E7: where the catalogue tells them apart their codes differ as their names do; elsewhere the region stands for
    all its bodies, and the card says so."""
    by_code: dict[str, set[str]] = {}
    for act in offered():
        provider = (await citizen.get(f"/v1/services/{act.code}")).json()["provider"]
        assert provider["named"] is ("provider" in act.settings) and provider["ru"] == act.provider_ru
        assert provider["code"] == act.region or provider["named"]
        if provider["named"]:
            by_code.setdefault(provider["code"], set()).add(act.provider_ru.split(",")[0].split("»")[0])
    assert len(by_code) > 1 and all(len(names) == 1 for names in by_code.values()), by_code
