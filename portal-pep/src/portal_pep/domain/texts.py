"""What the applicant reads: names of states and notifications, in Kazakh, Russian and English."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from egovorigin.domain.texts import Text, course_texts
from portal_pep.domain.states import COURSE, CaseState
from portal_pep.domain.waiting import Turn


class NoticeKind(StrEnum):
    SIGNATURE_REFUSED = "signature_refused"
    ACCEPTED = "accepted"
    GATEWAY_REFUSED = "gateway_refused"
    REGISTERED = "registered"
    STATUS = "status"
    EXTENDED = "extended"
    PAUSED = "paused"
    RESUMED = "resumed"
    REFUSED = "refused"
    COMPLETED = "completed"
    CO_SIGNATURE_ASKED = "co_signature_asked"
    CO_SIGNATURE_VOID = "co_signature_void"
    CO_SIGNED = "co_signed"
    CO_SIGNATURE_DECLINED = "co_signature_declined"


S, N = CaseState, NoticeKind

STATE_TEXTS: Final[Mapping[CaseState, Text]] = MappingProxyType(
    {
        S.DRAFT: Text("Сұрату толтырылуда", "Запрос заполняется", "The application is being filled in"),
        S.PREPARED: Text("Сұрату қол қоюға дайын", "Запрос готов к подписанию", "Ready to be signed"),
        S.CO_SIGNING: Text(
            "Сіз қол қойдыңыз, екінші қол қоюшының қолтаңбасы күтілуде",
            "Вы подписали запрос, ожидается подпись второго подписывающего",
            "You have signed; the other signer has yet to",
        ),
        S.SIGNATURE_REFUSED: Text(
            "Бас тартылды: ЭЦҚ түпнұсқалығы расталмады",
            "Отказано: подлинность ЭЦП не подтверждена",
            "Refused: the signature certificate could not be confirmed",
        ),
        **course_texts(COURSE),
        S.COMPLETED: Text("Қызмет көрсетілді", "Услуга оказана", "Completed"),
    }
)

TURN_TEXTS: Final[Mapping[Turn, Text]] = MappingProxyType(
    {
        Turn.APPLICANT: Text("Сіздің әрекетіңіз күтілуде", "Ожидается ваше действие", "It is your turn"),
        Turn.CO_SIGNER: Text(
            "Екінші қол қоюшының қолтаңбасы күтілуде",
            "Ожидается подпись второго подписывающего",
            "The other signer is awaited",
        ),
        Turn.GATEWAY: Text("Шлюздің жауабы күтілуде", "Ожидается ответ шлюза", "The gateway's answer is awaited"),
        Turn.PROVIDER: Text(
            "Көрсетілетін қызметті берушінің жауабы күтілуде",
            "Ожидается ответ услугодателя",
            "The provider's answer is awaited",
        ),
    }
)

NOTICE_TEXTS: Final[Mapping[NoticeKind, Text]] = MappingProxyType(
    {
        N.SIGNATURE_REFUSED: Text(
            "ЭЦҚ түпнұсқалығы расталмағандықтан сұратылған қызметтен бас тартылды",
            "В запрашиваемой услуге отказано: подлинность ЭЦП не подтверждена",
            "Refused: the authenticity of the signature certificate was not confirmed",
        ),
        N.ACCEPTED: Text(
            "Сұратуды «электрондық үкімет» шлюзі қабылдады",
            "Запрос принят шлюзом «электронного правительства»",
            "The gateway has taken the application",
        ),
        N.GATEWAY_REFUSED: Text(
            "Шлюз сұратуды өткізбеді: {problem}",
            "Шлюз не пропустил запрос: {problem}",
            "The gateway refused: {problem}",
        ),
        N.REGISTERED: Text(
            "Сұрату {number} нөмірімен тіркелді",
            "Запрос зарегистрирован под номером {number}",
            "The application is registered under number {number}",
        ),
        N.STATUS: Text("{text}", "{text}", "{text}"),
        N.EXTENDED: Text(
            "Қызмет көрсету мерзімі {until} күніне дейін ұзартылды: {text}",
            "Срок оказания услуги продлён до {until}: {text}",
            "The term is extended until {until}: {text}",
        ),
        N.PAUSED: Text(
            "Қызмет көрсету мерзімі тоқтатыла тұрды: {text}",
            "Срок оказания услуги приостановлен: {text}",
            "Paused: {text}",
        ),
        N.RESUMED: Text(
            "Қызмет көрсету мерзімі қайта басталды және {until} күні аяқталады: {text}",
            "Срок оказания услуги возобновлён и истекает {until}: {text}",
            "The term runs again and ends on {until}: {text}",
        ),
        N.REFUSED: Text(
            "Қызмет көрсетуден бас тартылды, себептері құжатта көрсетілген",
            "В оказании услуги отказано, причины указаны в документе",
            "The service is refused; the document gives the reasons",
        ),
        N.COMPLETED: Text(
            "Қызмет нәтижесі дайын, оны жеке кабинетте қарауға болады",
            "Результат услуги готов, его можно просмотреть в личном кабинете",
            "The result is ready and can be read in the personal cabinet",
        ),
        N.CO_SIGNATURE_ASKED: Text(
            "Сізден өтінішке қол қою сұралады: {service}",
            "Вас просят подписать заявление: {service}",
            "You are asked to sign an application: {service}",
        ),
        N.CO_SIGNATURE_VOID: Text(
            "Өтініш өзгертілді немесе аяқталды, оның бұрынғы мәтініне қол қою енді қажет емес: {service}",
            "Заявление изменено или завершено, подпись под прежним его текстом больше не нужна: {service}",
            "The application was changed or has ended; its former text needs no signature any more: {service}",
        ),
        N.CO_SIGNED: Text(
            "Екінші қол қоюшы өтінішке қол қойды",
            "Второй подписывающий подписал заявление",
            "The other signer has signed the application",
        ),
        N.CO_SIGNATURE_DECLINED: Text(
            "Екінші қол қоюшы қол қоюдан бас тартты: {reason}",
            "Второй подписывающий отказался подписать: {reason}",
            "The other signer has declined: {reason}",
        ),
    }
)


def notice_text(kind: NoticeKind, kk: Mapping[str, str], ru: Mapping[str, str]) -> Text:
    """The notification filled in. What the provider wrote comes in Kazakh and Russian only; English readers get the
    Russian. Values are inserted once and never read as a pattern again."""
    pattern = NOTICE_TEXTS[kind]
    return Text(pattern.kk.format_map(dict(kk)), pattern.ru.format_map(dict(ru)), pattern.en.format_map(dict(ru)))
