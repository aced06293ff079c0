"""The short Russian words of a diagram: a node says what it is, its tooltip what the act says. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from egovlaw.catalogue import Limit

KIND_WORDS: Mapping[str, str] = {
    "register_account": "Регистрация на портале",
    "visit": "Обращение с заявлением и документами",
    "authenticate": "Авторизация",
    "verify_login": "Проверка данных авторизации",
    "refuse_login": "Отказ в авторизации",
    "choose_and_fill": "Выбор услуги и заполнение формы",
    "check_certificate": "Проверка свидетельства ЭЦП",
    "refuse_signature": "Отказ: ЭЦП не подтверждена",
    "sign": "Подписание запроса ЭЦП",
    "attach_and_sign": "Прикрепление документов и подписание ЭЦП",
    "sign_and_send": "Подписание ЭЦП и направление запроса",
    "send": "Направление запроса",
    "send_and_process": "Направление и обработка запроса",
    "query_registers": "Запрос в базы данных",
    "check_registers": "Проверка наличия данных",
    "report_no_data": "Сообщение об отсутствии данных",
    "register": "Регистрация запроса",
    "check_documents": "Проверка документов",
    "refuse_documents": "Отказ по документам",
    "process": "Обработка запроса",
    "decide": "Формирование результата",
    "issue_result": "Получение результата",
    "hand_over": "Выдача результата",
}

CHANNEL_WORDS: Mapping[str, str] = {
    "portal": "веб-портал «электронного правительства»",
    "centre": "центр обслуживания населения",
    "state_corporation": "Государственная корпорация",
    "provider": "услугодатель",
    "akim": "аким сельского округа",
    "employment_centre": "центр занятости",
}

REGISTER_WORDS: Mapping[str, str] = {"person": "ГБД ФЛ", "attorney": "ЕНИС", "register": "реестр"}

APPLICANTS = ("Услугополучатель", "Потребитель")  # the acts' two words for who comes to the counter (N20)


def clause_words(clause: str) -> str:
    """`6 8)` -> `п. 6 8)`; annexes and tables have shorter words than the act gives them."""
    short = clause.replace("Приложение", "прил.").replace("приложение", "прил.").replace("таблица", "табл.")
    return f"п. {short}" if short[:1].isdigit() else short


def limit_words(limit: Limit) -> str:
    """How long the act gives: `30 с – 1 мин`, `до 1,5 мин`; of several registers, which."""
    longest = _seconds_words(limit.max_s)
    words = f"до {longest}" if limit.min_s is None else f"{_seconds_words(limit.min_s)} – {longest}"
    register = REGISTER_WORDS.get(limit.starts_on.name.removeprefix("query."))
    return f"{register}: {words}" if register else words


def _seconds_words(seconds: int) -> str:
    if seconds < 60:
        return f"{seconds} с"
    if seconds % 30 == 0:
        return f"{seconds / 60:g} мин".replace(".", ",")
    return f"{seconds // 60} мин {seconds % 60} с"


def limit_lines(limit: Limit, width: float, size: float) -> tuple[str, ...]:
    """Time and clause on one line where they fit, else the clause on lines of its own."""
    time, clause = limit_words(limit), clause_words(limit.clause)
    whole = wrap(f"{time}, {clause}", width, size)
    return whole if len(whole) == 1 else (*wrap(time, width, size), *wrap(clause, width, size))


def wrap(text: str, width: float, size: float) -> tuple[str, ...]:
    """Lines that surely fit `width` at this font size: the reader's font is not known, so letters count as wide."""
    return tuple(textwrap.wrap(text, max(1, int(width / (size * 0.6))), break_long_words=True)) or ("",)
