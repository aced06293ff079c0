"""The result and the refusal as PDF (act 427, cl. 10: "сохранить")."""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import zxingcpp
from PIL import Image
from pypdf import PdfReader

from egovkit.barcodes import Carried, decode, unpack
from egovkit.errors import EgovError
from egovkit.pdf import codes_of, codes_svg
from egovlaw.output_pages import PageFacts
from egovlaw.result_pages import NOT_SIGNED_ITSELF, QR_HOLDS, ResultFacts, code_of, facts_of
from portal_pep.store.files import files

pytestmark = pytest.mark.service

KAZAKH = "ӘәҒғҚқҢңӨөҰұҮүҺһІі"
HERE = timezone(timedelta(hours=5))
MARKUP = [
    '#import "x.typ": *',
    "*bold* _it_ `raw` $x^2$ @ref <l>",
    "<script>alert(1)</script>",
    "'; DROP TABLE results; --",
    "back\\slash #panic()",
]


def facts(**changed: Any) -> ResultFacts:
    made: dict[str, Any] = {
        "number": "26000000001",
        "iin": "990101600017",
        "form": {},
        "service": {"kk": "Қызмет", "ru": "Услуга"},
        "content": {"text_kk": "Қойылды", "text_ru": "Поставлен", "values": {"queue_number": 17, "paid": True}},
        "sha256": "ab" * 32,
        "reasons": (),
        "submitted_at": None,
        "issued_at": datetime(2026, 1, 12, 14, 3, tzinfo=HERE),
        "signer": {"name": "ҮЛГІЛІ ДӘУРЕН", "serial": "4f1c", "certificate": "thumb"},
        "signed_at": datetime(2026, 1, 12, 14, 2, 1, tzinfo=HERE),
    }
    return ResultFacts(**{**made, **changed})


def shown(**changed: Any) -> PageFacts:
    return facts_of(facts(**changed), code="<svg/>")


def test_a_signed_result_tells_who_signed_and_that_the_pdf_is_not_signed() -> None:
    page = shown()
    assert page.signed == [
        ("signed_by", "ҮЛГІЛІ ДӘУРЕН"), ("office", ""), ("signed_at", "12.01.2026 14:02:01 (UTC+05:00)"),
        ("serial", "4f1c"), ("thumbprint", "thumb"),
    ]  # fmt: skip
    assert [note["ru"] for note in page.notes] == [NOT_SIGNED_ITSELF["ru"], QR_HOLDS["ru"]]
    assert page.values == {"queue_number": 17, "paid": True} and page.text == {"kk": "Қойылды", "ru": "Поставлен"}


def test_an_unsigned_refusal_has_its_reasons_its_basis_and_its_official() -> None:
    letter = {"basis_ru": "процесс 7", "clause": "6 11)", "official": {"name": "ҮЛГІЛІ ДӘУРЕН", "office": "Бөлім"}}
    reasons = [{"code": "documents.incomplete", "text": "Нет копии"}]
    page = shown(signer=None, signed_at=None, content=letter, reasons=reasons)
    assert page.signed is None and page.text is None and page.official == "ҮЛГІЛІ ДӘУРЕН, Бөлім"
    assert page.reasons == ["Нет копии"] and page.basis == {"kk": "6 11): процесс 7", "ru": "6 11): процесс 7"}


@pytest.mark.parametrize("content", [None, {}, {"text_kk": 5, "values": [1], "authorised": "x", "official": 1}])
@pytest.mark.parametrize("signer", [None, {}, {"name": None}])
def test_a_document_of_another_shape_still_has_its_page(signer: Any, content: Any) -> None:
    page = shown(content=content, number=None, signer=signer, signed_at=None)
    assert page.values == {} and page.official is None and page.service == {"kk": "Қызмет", "ru": "Услуга"}


def test_the_documents_own_name_of_the_service_goes_before_the_catalogues() -> None:
    assert shown(content={"service_kk": "Ескі атауы", "service_ru": ""}).service == {"kk": "Ескі атауы", "ru": "Услуга"}


def test_the_qr_code_names_the_document_and_no_person() -> None:
    assert code_of(facts()) == f"number=26000000001;sha256={'ab' * 32}"
    assert "990101600017" not in code_of(facts())


# --- as the citizen gets it ---------------------------------------------------------------------------------------


def result_document(**changed: Any) -> bytes:
    body = {
        "kind": "result",
        "number": "26000000001",
        "service_kk": f"Тұрғын үй кезегі {KAZAKH}",
        "service_ru": "Очередь на жильё",
        "text_kk": "Сіз есепке қойылдыңыз.",
        "text_ru": "Вы поставлены на учёт.",
        "values": {"queue_number": 17, "address": "Үлгі көшесі, 1-үй"},
        "authorised": {"name": "ҮЛГІЛІ ДӘУРЕН", "office": "Тұрғын үй бөлімі"},
        **changed,
    }
    return json.dumps(body, ensure_ascii=False).encode()


async def issued(sent: Any, **changed: Any) -> str:
    _, provider = sent
    provider.notice = result_document(**changed)
    await provider.say("case.completed", 2)
    return str(provider.case)


def words(content: bytes) -> str:
    """The PDF's text without spaces and breaks: where a line ends is the layout's business."""
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(content)).pages)
    return re.sub(r"[\s\u200b]", "", text)


def bare(text: str) -> str:
    return re.sub(r"\s", "", text)


@pytest.mark.law(topic="interface", regulation="atyrau-housing-queue", clause="10 абзац 3")
async def test_the_result_is_saved_as_a_pdf_in_both_languages(citizen: Any, sent: Any) -> None:
    case = await issued(sent)
    answer = await citizen.get(f"/v1/cases/{case}/result.pdf")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-1.7")
    found = words(answer.content)
    _, provider = sent
    for text in (
        "26000000001", citizen.iin, KAZAKH, "Сіз есепке қойылдыңыз.", "Вы поставлены на учёт.", "queue_number",
        "17", "Үлгі көшесі, 1-үй", "Тұрғын үй бөлімі", "жолаушылар көлігі", "пассажирского транспорта",
        "Құжат электрондық үкімет жүйесінде құрылған", "Бірегей нөмір", "Берілген күні",
        "қағаз тасығыштағы құжатпен бірдей", "равнозначен документу на бумажном носителе",
        "оның өзіне қол қойылмаған", "сам не подписан", "құжаттың заңдық күші жоқ",
        hashlib.sha256(provider.notice).hexdigest(), provider.official.thumbprint,
    ):  # fmt: skip
        assert bare(text) in found, text
    assert "[U+" not in found


async def test_nobody_waits_while_another_ones_codes_are_drawn(
    citizen: Any, sent: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of twelve takes half a second of a core."""
    drawn_in: list[threading.Thread] = []

    def draw(texts: list[str]) -> list[str]:
        drawn_in.append(threading.current_thread())
        return codes_svg(texts)

    monkeypatch.setattr("portal_pep.service.printing.codes_svg", draw)
    case = await issued(sent)
    assert (await citizen.get(f"/v1/cases/{case}/result.pdf")).status_code == 200
    assert len(drawn_in) == 1 and threading.main_thread() not in drawn_in


async def test_every_letter_is_set_in_the_fonts_that_were_chosen(citizen: Any, sent: Any) -> None:
    case = await issued(sent, values={"sum": "100 ₸"})
    content = (await citizen.get(f"/v1/cases/{case}/result.pdf")).content
    names = set(re.findall(rb"/FontName/[A-Z]{6}\+([A-Za-z]+)", content)) or {
        str(font.get_object()["/BaseFont"]).partition("+")[2].encode()
        for page in PdfReader(io.BytesIO(content)).pages
        for font in page["/Resources"].get_object()["/Font"].values()  # type: ignore[union-attr]
    }
    assert names and all(name.startswith((b"PTSans", b"PTSerif", b"NotoSans")) for name in names)


async def test_the_file_has_a_name_in_the_readers_language(world: Any, citizen: Any, sent: Any) -> None:
    case = await issued(sent)
    for language, name in (("kk", "Нәтиже"), ("ru", "Результат"), ("en", "Result")):
        headers = citizen.headers(**{"accept-language": language})
        answer = await world.http.get(f"/v1/cases/{case}/result.pdf", headers=headers)
        plain, extended = re.fullmatch(
            r"attachment; filename=\"([\x20-\x7e]+)\"; filename\*=UTF-8''([A-Za-z0-9%._-]+)",
            answer.headers["content-disposition"],
        ).groups()  # type: ignore[union-attr]
        assert plain == "result-26000000001.pdf" and unquote(extended) == f"{name} 26000000001.pdf"
        assert "Accept-Language" in answer.headers["vary"]


async def test_the_same_bytes_every_time_and_none_for_who_has_them(world: Any, citizen: Any, sent: Any) -> None:
    case = await issued(sent)
    first = await citizen.get(f"/v1/cases/{case}/result.pdf")
    await world.clock.advance(3600 - 60)
    again = await citizen.get(f"/v1/cases/{case}/result.pdf")
    assert again.content == first.content and again.headers["etag"] == first.headers["etag"]
    headers = citizen.headers(**{"if-none-match": f'"other", {first.headers["etag"]}'})
    kept = await world.http.get(f"/v1/cases/{case}/result.pdf", headers=headers)
    assert kept.status_code == 304 and kept.content == b"" and kept.headers["etag"] == first.headers["etag"]


# --- the page its official signed -----------------------------------------------------------------------------------


async def with_page(world: Any, sent: Any, pdf: bytes | None = None) -> tuple[str, bytes]:
    _, provider = sent
    provider.notice = result_document()
    pdf = pdf or await world.signed_page(provider.official)
    await provider.say("case.completed", 2, page=world.store_page(provider.case, pdf))
    return provider.case, pdf


async def test_the_signed_page_is_given_byte_for_byte_fetched_once_and_kept_sealed(
    world: Any, citizen: Any, sent: Any
) -> None:
    case, pdf = await with_page(world, sent)
    first, again = [await citizen.get(f"/v1/cases/{case}/result.pdf") for _ in range(2)]
    assert first.content == again.content == pdf and world.store.fetched == 1
    assert first.headers["etag"] == f'"{hashlib.sha256(pdf).hexdigest()}"'
    assert "result-26000000001.pdf" in first.headers["content-disposition"]
    headers = citizen.headers(**{"if-none-match": first.headers["etag"]})
    assert (await world.http.get(f"/v1/cases/{case}/result.pdf", headers=headers)).status_code == 304
    async with world.app.state.portal.db.read() as conn:
        kept = await files.page_of(conn, case, hashlib.sha256(pdf).hexdigest())
    assert kept is not None and len(kept) > len(pdf) and pdf[:64] not in kept


async def test_the_result_waits_for_no_store_and_its_page_comes_when_the_store_answers(
    world: Any, citizen: Any, sent: Any
) -> None:
    world.store.failure = EgovError("attachment.unavailable")
    case, pdf = await with_page(world, sent)
    assert (await citizen.get(f"/v1/cases/{case}/result")).status_code == 200
    assert (await citizen.get(f"/v1/cases/{case}/result.pdf")).json()["code"] == "attachment.unavailable"
    world.store.failure = None
    assert (await citizen.get(f"/v1/cases/{case}/result.pdf")).content == pdf


async def test_a_page_that_is_not_signed_as_the_result_is_given_to_nobody(world: Any, citizen: Any, sent: Any) -> None:
    colleague = world.pki.person("990101600017", bin_="999940000040", profile="employee_sign")
    case, _ = await with_page(world, sent, await world.signed_page(colleague))
    for _ in range(2):
        refused = await citizen.get(f"/v1/cases/{case}/result.pdf")
        assert (refused.status_code, refused.json()["code"]) == (502, "result.page_not_believed")
    assert refused.json()["reason"] == "signature.other_certificate" and world.store.fetched == 2


async def test_another_documents_page_of_the_same_official_is_given_to_nobody(
    world: Any, citizen: Any, sent: Any
) -> None:
    case, _ = await with_page(world, sent, await world.signed_page(sent[1].official, "26000000002"))
    refused = (await citizen.get(f"/v1/cases/{case}/result.pdf")).json()
    assert (refused["code"], refused["reason"]) == ("result.page_not_believed", "signature.of_other_data")


@pytest.mark.parametrize("spoil", [lambda pdf: pdf + b"\n% more\n", lambda pdf: b"%PDF-1.7 no page"])
async def test_a_page_changed_after_signing_is_given_to_nobody(
    world: Any, citizen: Any, sent: Any, spoil: Callable[[bytes], bytes]
) -> None:
    case, _ = await with_page(world, sent, spoil(await world.signed_page(sent[1].official)))
    assert (await citizen.get(f"/v1/cases/{case}/result.pdf")).json()["code"] == "result.page_not_believed"


@pytest.mark.parametrize("dpi", [150, 300])
async def test_the_codes_on_the_page_carry_the_signed_document_byte_by_byte(
    world: Any, citizen: Any, sent: Any, tmp_path: Path, dpi: int
) -> None:
    case = await issued(sent, text_kk=f"Сіз есепке қойылдыңыз. {KAZAKH} " * 20, text_ru="Вы поставлены на учёт. " * 20)
    content = (await citizen.get(f"/v1/cases/{case}/result.pdf")).content
    codes = [text for text in scanned(content, dpi, tmp_path) if "BarcodeElement" in text]
    async with world.app.state.portal.db.read() as conn:
        stored = await files.result_of(conn, case)
    assert stored is not None and sorted(codes) == sorted(codes_carrying(stored)) and len(codes) > 2
    carried = unpack(decode(codes))
    assert (carried.document, carried.signature) == (stored.document, stored.signature)
    checked = await world.http.post("/v1/verify/codes", json={"codes": codes})
    assert checked.json()["standing"] == "stands"


def codes_carrying(stored: files.Result) -> list[str]:
    assert stored.signature is not None
    return codes_of(Carried(stored.document, stored.signature, "26000000001"), stored.issued_at)


def scanned(pdf: bytes, dpi: int, folder: Path) -> list[str]:
    """What a scanner reads off the pages: rendered by poppler, read by zxing-cpp."""
    (folder / "page.pdf").write_bytes(pdf)
    subprocess.run(
        ["pdftoppm", "-r", str(dpi), "-gray", "-png", folder / "page.pdf", folder / "page"],
        check=True, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    images = [Image.open(path) for path in sorted(folder.glob("page-*.png"))]
    return [found.text for image in images for found in zxingcpp.read_barcodes(image)]


async def test_markup_in_texts_names_and_values_is_shown_as_it_stands(citizen: Any, sent: Any) -> None:
    values = {f"value_{number}": text for number, text in enumerate(MARKUP)}
    text = "\n".join(MARKUP)
    people = {"name": MARKUP[0], "office": MARKUP[1]}
    case = await issued(sent, text_kk=text, text_ru=text, service_kk=MARKUP[4], values=values, authorised=people)
    found = words((await citizen.get(f"/v1/cases/{case}/result.pdf")).content)
    for one in MARKUP:
        assert found.count(bare(one)) >= 3, one


async def test_a_long_text_goes_over_pages_and_loses_nothing(citizen: Any, sent: Any) -> None:
    sentences = [f"Сөйлем №{number}: {KAZAKH}." for number in range(330)]
    text = " ".join(sentences)
    assert len(text) > 10_000
    case = await issued(sent, text_kk=text, text_ru=text, values={f"v_{n}": "ж" * 1000 for n in range(20)})
    content = (await citizen.get(f"/v1/cases/{case}/result.pdf")).content
    pages = PdfReader(io.BytesIO(content)).pages
    assert len(pages) > 4
    found = words(content)
    assert all(bare(sentence).split(":")[0] in found for sentence in sentences)
    assert found.count("ж") >= 20_000
    for number, page in enumerate(pages, start=1):
        assert f"{number}/{len(pages)}" in bare(page.extract_text())


async def test_empty_texts_and_values_are_dashes(citizen: Any, sent: Any) -> None:
    case = await issued(sent, text_kk="", text_ru="", values={"note": ""}, authorised={})
    answer = await citizen.get(f"/v1/cases/{case}/result.pdf")
    assert answer.status_code == 200 and "note—" in words(answer.content)


async def test_a_reasoned_refusal_has_its_page_too(citizen: Any, sent: Any) -> None:
    _, provider = sent
    provider.letter = json.dumps(
        {
            "kind": "refusal", "clause": "6 11)", "basis_ru": "процесс 7 – формирование сообщения об отказе",
            "official": {"name": "ҮЛГІЛІ ДӘУРЕН", "office": "Бөлім"},
        },
        ensure_ascii=False,
    ).encode()  # fmt: skip
    await provider.say("case.registered", 1)
    await provider.say("case.refused", 2)
    answer = await citizen.get(f"/v1/cases/{provider.case}/result.pdf")
    found = words(answer.content)
    for text in ("Нет копии", "6 11)", "процесс 7", "ҮЛГІЛІ ДӘУРЕН, Бөлім", "дәлелді жауап", "Мотивированный ответ"):
        assert bare(text) in found, text
    assert bare("равнозначен документу") not in found
    assert 'filename="refusal-26000000001.pdf"' in answer.headers["content-disposition"]


async def test_bytes_that_are_no_document_of_ours_have_a_page_with_what_is_known(citizen: Any, sent: Any) -> None:
    _, provider = sent
    provider.notice = b"\xff\xfe not JSON"
    await provider.say("case.completed", 2)
    answer = await citizen.get(f"/v1/cases/{provider.case}/result.pdf")
    assert answer.status_code == 200 and hashlib.sha256(provider.notice).hexdigest() in words(answer.content)


async def test_there_is_no_pdf_before_there_is_a_result_and_none_for_others(
    world: Any, citizen: Any, sent: Any
) -> None:
    _, provider = sent
    early = await citizen.get(f"/v1/cases/{provider.case}/result.pdf")
    assert (early.status_code, early.json()["code"]) == (404, "result.not_ready")
    case = await issued(sent)
    stranger = await world.citizen().arrive()
    foreign = await stranger.get(f"/v1/cases/{case}/result.pdf")
    assert (foreign.status_code, foreign.json()["code"]) == (404, "case.not_found")
    unconfirmed = world.citizen()
    await unconfirmed.register()
    await unconfirmed.log_in()
    closed = await unconfirmed.get(f"/v1/cases/{case}/result.pdf")
    assert (closed.status_code, closed.json()["code"]) == (403, "account.not_confirmed")  # E5
    assert (await world.http.get(f"/v1/cases/{case}/result.pdf")).status_code == 401


async def test_every_look_is_recorded_and_shown_to_the_person(world: Any, citizen: Any, sent: Any) -> None:
    case = await issued(sent)
    for path in ("result", "result.pdf", "result.pdf"):
        await citizen.get(f"/v1/cases/{case}/{path}")
    first = (await citizen.get(f"/v1/cases/{case}/reads", limit=2)).json()
    assert [one["what"] for one in first["items"]] == ["pdf", "pdf"] and first["next"]
    rest = (await citizen.get(f"/v1/cases/{case}/reads", limit=2, cursor=first["next"])).json()
    assert [one["what"] for one in rest["items"]] == ["result"] and rest["next"] is None
    stranger = await world.citizen().arrive()
    assert (await stranger.get(f"/v1/cases/{case}/reads")).json()["code"] == "case.not_found"
    assert len((await citizen.get(f"/v1/cases/{case}/reads")).json()["items"]) == 3


# --- receipts and notifications ---------------------------------------------------------------------------------


async def test_the_receipt_is_there_from_registration_on(world: Any, citizen: Any, sent: Any) -> None:
    _, provider = sent
    path = f"/v1/cases/{provider.case}/receipt.pdf"
    early = await citizen.get(path)
    assert (early.status_code, early.json()["code"]) == (404, "receipt.not_found")
    await provider.say("case.registered", 1)
    answer = await citizen.get(path)
    assert answer.status_code == 200 and 'filename="receipt-26000000001.pdf"' in answer.headers["content-disposition"]
    found = words(answer.content)
    for text in ("РАСПИСКА О ПРИЕМЕ ДОКУМЕНТОВ № 26000000001", "ҚОЛХАТ", citizen.iin, "не подписан"):
        assert bare(text) in found, text
    assert (await citizen.get(path)).content == answer.content
    stranger = await world.citizen().arrive()
    assert (await stranger.get(path)).json()["code"] == "case.not_found"


async def test_a_notification_is_saved_as_a_page_and_stays_unread(world: Any, citizen: Any, sent: Any) -> None:
    _, provider = sent
    await provider.say("case.registered", 1)
    notices = (await citizen.get("/v1/notifications")).json()
    told = notices["items"][0]
    path = f"/v1/notifications/{told['id']}/notification.pdf"
    answer = await citizen.get(path)
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/pdf"
    found = words(answer.content)
    for text in (told["text"]["kk"], told["text"]["ru"], "Хабарлама", "Уведомление", "26000000001"):
        assert bare(text) in found, text
    headers = citizen.headers(**{"if-none-match": answer.headers["etag"]})
    assert (await world.http.get(path, headers=headers)).status_code == 304
    assert (await citizen.get("/v1/notifications")).json()["unread"] == notices["unread"]
    stranger = await world.citizen().arrive()
    assert (await stranger.get(path)).json()["code"] == "notification.not_found"
