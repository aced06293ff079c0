"""The output documents: every regulation has its own, and printed ones say word for word what the act's form says."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from egovlaw.catalogue import Catalogue, Form
from egovlaw.loader import CatalogueInvalid
from egovlaw.output_pages import PageFacts, date_in, page_of
from egovlaw.outputs import LANGUAGES, PLACE, Output, OutputForm, Outputs, load_outputs

AT = datetime(2013, 2, 4, 10, tzinfo=UTC)
# The heading of the electronic document, its number and day, the sentence on paper and the note under the codes stand
# in common.yaml: once for all.
SHARED = {
    "ru": ("Документ сформирован", "Уникальный номер", "Дата выдачи", "Данный документ согласно", "*Штрих-код"),
    "kk": ("Құжат электрондық үкімет", "Бірегей нөмір", "Берілген күні", "Осы құжат «Электрондық", "*Штрих-код"),
}


@pytest.fixture(scope="module")
def outputs(contracts: Path, catalogue: Catalogue) -> Outputs:
    return load_outputs(contracts, catalogue)


def act_form(output: Output) -> Form | None:
    found = (
        form for form in output.regulation.forms if (form.kind, form.variant) == (output.form.kind, output.form.variant)
    )
    return next(found, None)


def words(text: str) -> list[str]:
    """What is said, without blanks, signs and the printed half of a year."""
    return re.findall(r"[^\W_]+", re.sub(r"20__|\[…\]|_+", " ", text).casefold())


def printed_words(text: str, language: str, left_out: Any) -> list[str]:
    lines = [line for line in text.split("\n") if not line.startswith(SHARED[language])]
    lines = [line for line in lines if not re.fullmatch(r"[\d|\s]*", line)]  # the empty row of a table
    joined = "\n".join(lines)
    for sample in left_out:
        assert sample in joined, sample
        joined = joined.replace(sample, " ", 1)
    return words(joined)


def own_words(form: OutputForm, language: str) -> list[str]:
    said: list[str] = []
    for item in form.body[language]:
        text = " ".join(item.columns) if item.kind == "table" else item.text
        said += words(PLACE.sub(lambda match: f" {match[3] or ''} ", text))
    return said


def test_every_regulation_has_every_document_and_each_printed_form_of_its_act(
    outputs: Outputs, catalogue: Catalogue
) -> None:
    kinds = {(one.regulation.code, one.form.kind) for one in outputs.all}
    assert len(catalogue.regulations) == 21
    for regulation in catalogue.regulations:
        for kind in ("positive", "negative", "notification", "receipt"):
            assert (regulation.code, kind) in kinds
    assert sum(one.form.kind == "receipt_refusal" for one in outputs.all) == 3
    assert sum(one.form.printed for one in outputs.all) == 15 and len(outputs.all) == 91


def test_a_printed_form_says_what_the_act_says_and_nothing_else(outputs: Outputs) -> None:
    compared = 0
    for one in outputs.all:
        found = act_form(one)
        if not one.form.printed or one.form.restored:
            continue
        assert found is not None and found.text_ru is not None and found.text_kk is not None, one.code
        texts = {"ru": found.text_ru, "kk": found.text_kk.text}
        for language in LANGUAGES:
            expected = printed_words(texts[language], language, one.form.left_out[language])
            assert own_words(one.form, language) == expected, (one.code, language)
        assert one.clause == found.clause and one.form.kk_status == found.text_kk.status
        assert found.decisions == one.form.decisions, one.code
        compared += 1
    assert compared == 14


def test_the_note_under_the_codes_is_the_acts_own(outputs: Outputs) -> None:
    compared = 0
    for one in outputs.all:
        found = act_form(one)
        if one.form.signer is None or found is None or found.text_kk is None:
            continue
        page = filled(outputs, one.code, codes=["<svg/>"])
        assert found.text_ru is not None
        assert [note["ru"] for note in page["notes"]][1] == found.text_ru.split("\n")[-1], one.code
        assert [note["kk"] for note in page["notes"]][1] == found.text_kk.text.split("\n")[-1], one.code
        compared += 1
    assert compared == 14
    ours = filled(outputs, "wko-oralman-status.positive", codes=["<svg/>"])["notes"][1]
    assert 'услугодателя (государственное учреждение "Управление' in ours["ru"]  # E12


def test_the_half_lost_form_of_tayynsha_keeps_every_field_of_the_act(outputs: Outputs) -> None:
    one = outputs.coded("tayynsha-social-assistance.positive")
    assert one is not None and one.form.restored
    found = act_form(one)
    assert found is not None and {field.name for field in found.fields} - {"unique_number", "issued_on"} == (
        one.form.fields()
    )
    assert {"уведомление", "назначена", "период", "специалист", "начальник", "отдела"} <= set(own_words(one.form, "ru"))


def test_every_field_of_a_printed_form_has_its_place_in_both_languages(outputs: Outputs) -> None:
    for one in outputs.all:
        found = act_form(one)
        if not one.form.printed or found is None:
            continue
        places = {
            language: {match[1] for item in one.form.body[language] for match in PLACE.finditer(item.text)}
            | {item.text for item in one.form.body[language] if item.kind in ("list", "table")}
            for language in LANGUAGES
        }
        expected = {field.name for field in found.fields} - {"unique_number", "issued_on"}
        assert places["kk"] == places["ru"] == expected, one.code


def test_every_place_has_an_example(outputs: Outputs) -> None:
    assert {name for form in outputs.forms for name in form.fields()} - set(outputs.examples) == {"service"}


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("semey/housing-queue.positive.yaml", "kind: positive", "kind: yes", "kind"),
        (
            "semey/housing-queue.positive.yaml",
            "{semey-housing-queue:",
            "{semey-housing:",
            "no regulation semey-housing",
        ),
        ("semey/housing-queue.positive.yaml", "A32, ", "A99, ", "no decision A99"),
        ("semey/housing-queue.positive.yaml", "kind: positive", "kind: negative", "has another form"),
        ("general/receipt-refusal.yaml", "kind: receipt_refusal", "kind: negative", "no form of"),
    ],
)
def test_a_spoiled_form_is_a_fault_with_its_place(
    contracts: Path, catalogue: Catalogue, tmp_path: Path, file: str, old: str, new: str, message: str
) -> None:
    for folder in ("forms", "schemas"):
        shutil.copytree(contracts / folder, tmp_path / folder)
    spoiled = tmp_path / "forms" / file
    text = spoiled.read_text(encoding="utf-8")
    assert old in text
    spoiled.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CatalogueInvalid, match=message):
        load_outputs(tmp_path, catalogue)


# --- filled in ----------------------------------------------------------------------------------------------------


def said(page: dict[str, Any], language: str) -> str:
    """The body's lines, one under another."""
    part = next(part for part in page["parts"] if part["language"] == language)
    lines = [item for item in part["body"] if "runs" in item]
    return "\n".join("".join(text for text, _ in item["runs"]) for item in lines)


def filled(outputs: Outputs, code: str, **changed: Any) -> dict[str, Any]:
    output = outputs.coded(code)
    assert output is not None
    known: dict[str, Any] = {"number": "13000000017", "issued_at": AT, "values": {}, "form": {}}
    return page_of(outputs, output, PageFacts(**(known | changed)))


def test_values_stand_in_their_places_and_days_are_written_out(outputs: Outputs) -> None:
    values = {"decree_date": "2013-01-25", "property": "имущества нет", "ward_born_on": "2001-05-14", "number": "5"}
    page = filled(outputs, "semey-guardianship-certificate.positive", values=values)
    ru, kk = said(page, "ru"), said(page, "kk")
    assert "СПРАВКА № 5" in ru and "от «25» января 2013 г." in ru and "(имущества нет)" in ru
    assert "2013 жылғы «25 қаңтар» №" in kk and "(мүлкі жоқ)" in kk and "14.05.2001 жылы туған" in kk


def test_what_is_missing_stays_the_acts_blank_or_the_acts_words(outputs: Outputs) -> None:
    page = filled(outputs, "semey-guardianship-certificate.positive", number=None)
    assert "СПРАВКА № __________" in said(page, "ru") and "(опись имущества в деле, имущества нет)" in said(page, "ru")
    assert page["number"][1] == "—"
    empty = filled(outputs, "semey-disabled-child-home-education.positive")
    tables = [item for part in empty["parts"] for item in part["body"] if item["kind"] == "table"]
    assert [table["rows"] for table in tables] == [[["1", *["__________"] * 3]]] * 2


def test_the_case_fills_what_the_provider_left_open_and_never_what_he_wrote(outputs: Outputs) -> None:
    form = {"family_size": 3, "applicant_name": "ҮЛГІЛІ"}
    values = {"family_size": 4, "application_number": "", "queue_number": 7}
    page = filled(outputs, "semey-housing-queue.positive", values=values, form=form, official="ҮЛГІЛІ БОЛАТ")
    text = said(page, "ru")
    for expected in ("семьи 4 человек", "заявителя: ҮЛГІЛІ", "№ 13000000017", "очередь № 7", "Начальник ҮЛГІЛІ БОЛАТ"):
        assert expected in text


def test_what_the_form_has_no_place_for_is_shown_under_it(outputs: Outputs) -> None:
    text = {"kk": "Қойылды", "ru": ""}
    page = filled(outputs, "semey-housing-queue.positive", values={"other": True, "deep": {"a": [1]}}, text=text)
    kk, ru = page["parts"]
    assert kk["values"]["rows"] == [["other", "иә"], ["deep", '{"a": [1]}']]
    assert (kk["text"], ru["text"]) == (["Мәтіні", "Қойылды"], ["Текст", "—"])
    refusal = filled(outputs, "semey-guardianship-certificate.negative.no_record", reasons=["a", "b"])
    assert refusal["parts"][1]["reasons"] == ["Причины отказа", ["a", "b"]]
    placed = filled(outputs, "semey-kindergarten-queue.negative", reasons=["a", "b"])
    assert placed["parts"][1]["reasons"] is None and "по причине a\nb" in said(placed, "ru")


def test_text_of_people_is_never_read_as_a_place(outputs: Outputs) -> None:
    page = filled(
        outputs, "semey-housing-queue.positive", values={"applicant_name": "{queue_number}", "queue_number": 7}
    )
    assert "ФИО заявителя: {queue_number}" in said(page, "ru")


def test_only_a_signed_document_equals_paper_and_only_codes_have_their_note(outputs: Outputs) -> None:
    code = "semey-housing-queue.positive"
    unsigned, signed = filled(outputs, code), filled(outputs, code, signed=[("signed_by", "")], codes=["<svg/>"])
    assert "не подписан" in unsigned["notes"][0]["ru"] and len(unsigned["notes"]) == 1
    assert "№ 370-II" in signed["notes"][0]["kk"] and "равнозначен" in signed["notes"][0]["ru"]
    assert "подписью Отдел жилищно-коммунального хозяйства" in signed["notes"][1]["ru"]
    assert signed["signature"]["rows"][0][1] == "—"


def test_a_document_the_acts_print_no_form_of_says_so(outputs: Outputs) -> None:
    assert "общая форма" in filled(outputs, "wko-wheelchairs.positive")["notes"][-1]["ru"]
    own = outputs.coded("wko-wheelchairs.positive")
    assert own is not None and own.clause == "4" and not own.form.printed


def test_a_provider_who_names_no_variant_gets_no_form_chosen_for_him(outputs: Outputs, catalogue: Catalogue) -> None:
    assert outputs.of("semey-kindergarten-queue", "positive") is None
    found = outputs.of("semey-guardianship-certificate", "negative")
    assert found is not None and found.form.variant == "letter"  # A31
    regulation = catalogue.regulation("semey-kindergarten-queue")
    assert regulation is not None
    general = outputs.general(regulation, "positive")
    assert not general.form.printed and general.clause is None
    assert page_of(outputs, general, PageFacts(number="1", issued_at=AT, values={}, form={}))["parts"]


def test_the_languages_asked_for_come_in_their_order(outputs: Outputs) -> None:
    page = filled(outputs, "wko-wheelchairs.negative", languages=["ru"])
    assert page["languages"] == ["ru"] and [part["language"] for part in page["parts"]] == ["ru"]


def test_days_are_written_as_each_language_writes_them(outputs: Outputs) -> None:
    day = date(2026, 6, 1)
    assert date_in(outputs.common, day, "kk") == "2026 жылғы 1 маусым"
    assert date_in(outputs.common, day, "ru") == "1 июня 2026 года"
