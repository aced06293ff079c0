"""The page of verification as bytes: one template, its words in Kazakh and Russian, a script and a style of our own.

The policy lets nothing else in, so whatever a document says can only be shown as text.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent.parent / "templates"
FILES: Final[Mapping[str, tuple[str, bytes]]] = {
    "verify.js": ("text/javascript; charset=utf-8", (FOLDER / "verify.js").read_bytes()),
    "verify.css": ("text/css; charset=utf-8", (FOLDER / "verify.css").read_bytes()),
}
SECURITY: Final[Mapping[str, str]] = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "kk": {
        "title": "Құжатты тексеру",
        "lead": "Электрондық құжатқа кім, қашан қол қойғанын және оның әлі күшінде екенін тексеріңіз. Кіру қажет емес.",
        "other": "ru",
        "other_name": "Русский",
        "by_pdf": "PDF файлы бойынша",
        "pdf": "Порталдан жүктелген PDF файл (10 МБ дейін)",
        "by_codes": "QR-кодтар бойынша",
        "codes": "QR-кодтардың мәтіндері: әр код жаңа жолдан, кез келген ретпен",
        "by_number": "Нөмірі бойынша",
        "number": "Бірегей нөмір (11 цифр)",
        "date": "Берілген күні",
        "check": "Тексеру",
        "waiting": "Тексерілуде…",
        "no_script": "Бұл бетке JavaScript керек. Онсыз: POST /v1/verify/number, /codes, /pdf.",
        "training": "Оқу және сынақ жүйесі: құжаттың заңдық күші жоқ.",
        "result": "Нәтиже",
        "problem": "Құжат расталмады",
        "failed": "Портал жауап бермеді. Кейінірек қайталаңыз.",
        "to_do": "Не істеу керек",
        "row_number": "Бірегей нөмір",
        "row_service": "Қызмет",
        "row_provider": "Көрсетілетін қызметті беруші",
        "row_issued": "Берілген күні",
        "row_valid": "Жарамдылық мерзімі",
        "row_organisation": "Қол қойған ұйымның БСН-і",
        "row_signer": "Қол қойды",
        "row_signed_at": "Қол қойылған уақыты",
        "stamped": "уақыт белгісімен дәлелденген",
        "claimed": "қол қоюшының сөзі бойынша",
        "row_then": "Сол кездегі куәлік",
        "row_now": "Бүгінгі куәлік",
        "good": "жарамды",
        "bad": "жарамсыз",
        "row_serial": "Куәліктің сериялық нөмірі",
        "row_text": "Құжаттың мәтіні",
        "row_checked": "Тексерілген уақыты",
    },
    "ru": {
        "title": "Проверка документа",
        "lead": "Проверьте, кто и когда подписал электронный документ и действует ли он. Входить не нужно.",
        "other": "kk",
        "other_name": "Қазақша",
        "by_pdf": "По файлу PDF",
        "pdf": "Файл PDF, скачанный с портала (до 10 МБ)",
        "by_codes": "По QR-кодам",
        "codes": "Тексты QR-кодов: каждый код с новой строки, в любом порядке",
        "by_number": "По номеру",
        "number": "Уникальный номер (11 цифр)",
        "date": "Дата выдачи",
        "check": "Проверить",
        "waiting": "Проверяется…",
        "no_script": "Этой странице нужен JavaScript. Без него: POST /v1/verify/number, /codes, /pdf.",
        "training": "Учебная и тестовая система: документ не имеет юридической силы.",
        "result": "Результат",
        "problem": "Документ не подтверждён",
        "failed": "Портал не ответил. Повторите позже.",
        "to_do": "Что делать",
        "row_number": "Уникальный номер",
        "row_service": "Услуга",
        "row_provider": "Услугодатель",
        "row_issued": "Дата выдачи",
        "row_valid": "Действителен по",
        "row_organisation": "БИН подписавшей организации",
        "row_signer": "Подписал(а)",
        "row_signed_at": "Время подписания",
        "stamped": "доказано меткой времени",
        "claimed": "со слов подписавшего",
        "row_then": "Свидетельство тогда",
        "row_now": "Свидетельство сегодня",
        "good": "действительно",
        "bad": "недействительно",
        "row_serial": "Серийный номер свидетельства",
        "row_text": "Текст документа",
        "row_checked": "Время проверки",
    },
}


@lru_cache(maxsize=2)
def page_html(language: str) -> bytes:
    words = WORDS[language]
    text = (FOLDER / "verify.html").read_text(encoding="utf-8")
    values = {**words, "lang": language, "words": json.dumps(words, ensure_ascii=False)}
    for name, value in values.items():
        text = text.replace("{{" + name + "}}", escape(value))
    return text.encode()
