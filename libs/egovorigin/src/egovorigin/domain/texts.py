"""What people read of a case at any origin, in Kazakh, Russian and English."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from egovorigin.domain.states import Course, S


@dataclass(frozen=True, slots=True)
class Text:
    kk: str
    ru: str
    en: str


def course_texts(course: Course[S]) -> dict[S, Text]:
    """Of the states from the sending on; what becomes of a result every origin says in its own words."""
    return {
        course.submitted: Text("Сұрату жіберілді", "Запрос отправлен", "Sent"),
        course.accepted: Text("Шлюз сұратуды қабылдады", "Запрос принят шлюзом", "Accepted by the gateway"),
        course.sent_back: Text(
            "Сұрату жеткізілмеді, қайта жіберуге болады",
            "Запрос не доставлен, его можно отправить снова",
            "Not delivered; may be sent again",
        ),
        course.closed: Text("Шлюз сұратудан бас тартты", "Запрос отклонён шлюзом", "Turned down by the gateway"),
        course.registered: Text("Сұрату тіркелді, өңделуде", "Запрос зарегистрирован, обрабатывается", "Registered"),
        course.paused: Text("Қызмет көрсету мерзімі тоқтатыла тұрды", "Срок оказания услуги приостановлен", "Paused"),
        course.refused: Text("Қызмет көрсетуден бас тартылды", "В оказании услуги отказано", "Refused"),
    }


FREE_FIELDS: Final = Text(
    "Регламентте өтініштің өрістері келтірілмеген, олар еркін аталады",
    "Регламент не приводит полей заявления, они называются свободно",
    "The regulation prints no fields of the application: they are named freely",
)
