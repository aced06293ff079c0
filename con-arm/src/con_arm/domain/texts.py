"""What people read: names of states, of facts about a person, of reasons, in Kazakh, Russian and English."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from con_arm.domain.answers import Fact
from con_arm.domain.states import COURSE, CaseState, QueryState
from egovorigin.domain.states import POSITIVE
from egovorigin.domain.texts import Text, course_texts

S, Q = CaseState, QueryState

STATE_TEXTS: Final[Mapping[CaseState, Text]] = MappingProxyType(
    {
        S.OPENED: Text("Қызмет таңдалды", "Услуга выбрана", "The service is chosen"),
        S.CONSUMER_ENTERED: Text(
            "Тұтынушының деректері енгізілді", "Данные потребителя введены", "The consumer is entered"
        ),
        S.DATA_REQUESTED: Text(
            "Тіркелімдерге сұрау салынды", "Запросы в регистры направлены", "The registers have been asked"
        ),
        S.DATA_CHECKED: Text(
            "Деректер алынды, сұратуды толтыруға болады",
            "Данные получены, запрос можно заполнять",
            "The data are here; the form can be filled in",
        ),
        S.PREPARED: Text("Сұрату қол қоюға дайын", "Запрос готов к подписанию", "Ready to be signed"),
        **course_texts(COURSE),
        S.COMPLETED: Text(
            "Нәтиже дайын, тұтынушыға табысталуы керек",
            "Результат готов и ожидает выдачи потребителю",
            "The result waits to be handed over",
        ),
        S.HANDED_OVER: Text("Нәтиже тұтынушыға берілді", "Результат выдан потребителю", "Handed over"),
        S.NO_DATA: Text("Деректерді алу мүмкін емес", "Невозможно получить данные", "The registers have no such data"),
        S.ACCEPTANCE_REFUSED: Text(
            "Құжаттарды қабылдаудан бас тартылды", "В приёме документов отказано", "The documents were not accepted"
        ),
    }
)

# Where what waits at the counter, or was given there, is the reasoned refusal.
REFUSAL_WAITS: Final = Text(
    "Бас тартылды, дәлелді жауап тұтынушыға табысталуы керек",
    "Отказано, мотивированный ответ ожидает выдачи потребителю",
    "The reasoned refusal waits to be handed over",
)
REFUSAL_HANDED_OVER: Final = Text(
    "Бас тарту туралы дәлелді жауап тұтынушыға берілді",
    "Мотивированный ответ об отказе выдан потребителю",
    "The reasoned refusal was handed over",
)


def state_text(state: CaseState, outcome: str | None, *, refusal_is_handed_over: bool) -> Text:
    """`outcome` of the result, None for a refusal."""
    if state is S.REFUSED and refusal_is_handed_over:
        return REFUSAL_WAITS
    if state in (S.COMPLETED, S.HANDED_OVER) and outcome != POSITIVE:
        return REFUSAL_WAITS if state is S.COMPLETED else REFUSAL_HANDED_OVER
    return STATE_TEXTS[state]


FACT_TEXTS: Final[Mapping[str, Text]] = MappingProxyType(
    {
        "deceased": Text("Адам қайтыс болған", "Лицо умерло", "Deceased"),
        "life_status": Text("Адамның мәртебесі", "Статус лица", "Status of the person"),
        "underage": Text("Адам кәмелетке толмаған", "Лицо не достигло совершеннолетия", "Under age"),
        "foreign": Text(
            "Қазақстан Республикасының азаматы емес, азаматтығы",
            "Не гражданин Республики Казахстан, гражданство",
            "Not a citizen of Kazakhstan",
        ),
        "missing": Text("Адам хабар-ошарсыз кеткен деп танылған", "Лицо признано безвестно отсутствующим", "Missing"),
        "disappeared": Text("Адам хабар-ошарсыз жоғалған", "Лицо пропало без вести", "Disappeared"),
        "incapable": Text(
            "Сот адамның әрекет қабілеттілігін шектеген",
            "Дееспособность лица ограничена судом",
            "Legal capacity limited by a court",
        ),
        "excluded": Text("Адам тіркелімнен шығарылған", "Лицо исключено из регистра", "Excluded from the register"),
        "no_address": Text("Тіркелген мекенжайы жоқ", "Нет адреса регистрации", "No registered address"),
    }
)

# Why a register's word is no data (the act's process of "no data"), or is no answer at all (E1).
REASON_TEXTS: Final[Mapping[str, Text]] = MappingProxyType(
    {
        "register.person_not_found": Text(
            "ЖТ МДБ-да тұтынушының деректері жоқ",
            "В ГБД ФЛ нет данных потребителя",
            "The person register has no data of the consumer",
        ),
        "register.attorney_not_found": Text(
            "БНАЖ-да сенімхаттың деректері жоқ",
            "В ЕНИС нет данных доверенности",
            "The notaries' register has no data of the power of attorney",
        ),
        "register.attorney_of_another_principal": Text(
            "Сенімхатты басқа адам берген",
            "Доверенность выдана другим лицом",
            "The power of attorney is of another principal",
        ),
        "register.attorney_of_another_representative": Text(
            "Сенімхат басқа өкілге берілген",
            "Доверенность выдана на другого представителя",
            "The power of attorney names another representative",
        ),
        "register.attorney_revoked": Text(
            "Сенімхаттың күші жойылған", "Доверенность отменена", "The power of attorney is revoked"
        ),
        "register.attorney_expired": Text(
            "Сенімхаттың мерзімі өткен", "Срок доверенности истёк", "The power of attorney has expired"
        ),
        "register.attorney_not_yet_valid": Text(
            "Сенімхаттың мерзімі әлі басталмаған",
            "Срок доверенности ещё не начался",
            "The power of attorney is not valid yet",
        ),
        "register.not_processed": Text(
            "Тіркелім сұрау салуды өңдемеді", "Регистр не обработал запрос", "The register did not process the question"
        ),
        "register.another_person": Text(
            "Жауап басқа адам туралы", "Ответ о другом лице", "The answer is about another person"
        ),
        "register.another_attorney": Text(
            "Жауап басқа сенімхат туралы",
            "Ответ о другой доверенности",
            "The answer is about another power of attorney",
        ),
        "register.several_found": Text(
            "Жауапта бірнеше жазба бар", "В ответе несколько записей", "The answer names more than one"
        ),
    }
)

QUERY_TEXTS: Final[Mapping[QueryState, Text]] = MappingProxyType(
    {
        Q.WAITING: Text("Жауап күтілуде", "Ожидается ответ", "Waiting for the answer"),
        Q.EXPIRED: Text(
            "Белгіленген мерзімде жауап болмады, сұрау салуды қайталауға болады",
            "Ответа в срок нет, запрос можно повторить",
            "No answer within the limit; ask again",
        ),
        Q.ANSWERED: Text("Жауап алынды", "Ответ получен", "Answered"),
        Q.LATE_ANSWER: Text(
            "Жауап мерзімінен кеш келді және қолданылмады, сұрау салуды қайталауға болады",
            "Ответ пришёл позже срока и не применён, запрос можно повторить",
            "The answer came after the limit and was not applied; ask again",
        ),
        Q.UNUSABLE: Text(
            "Жауапты қолдануға болмайды, сұрау салуды қайталауға болады",
            "Ответ непригоден, запрос можно повторить",
            "The answer cannot be used; ask again",
        ),
        Q.REFUSED: Text(
            "Шлюз сұрау салуды өткізбеді, оны қайталауға болады",
            "Шлюз не пропустил запрос, его можно повторить",
            "A gateway refused the question; ask again",
        ),
        Q.SUPERSEDED: Text(
            "Сұрау салу кейінгісімен ауыстырылды", "Запрос заменён более поздним", "Replaced by a later question"
        ),
    }
)

# Atyrau 427, cl. 8 5), for every act with this step: the message, before the reasons.
NO_DATA: Final = Text(
    "Деректерді алу мүмкін емес: {reasons}",
    "Невозможно получить данные: {reasons}",
    "The data cannot be obtained: {reasons}",
)

# A36: what a counter may say where the act only names it.
TAKEN_IN: Final = Text(
    "Құжаттар қабылданды: {papers}. Регламент бұл арнаны атайды, бірақ оның рәсімін сипаттамайды; құжаттар "
    "көрсетілетін қызметті берушіге беріледі.",
    "Документы приняты: {papers}. Регламент называет этот канал, но его порядка не описывает; документы передаются "
    "услугодателю.",
    "Papers taken in: {papers}. The act names this channel and describes no procedure; they go to the provider.",
)

ACCEPTANCE_REFUSED: Final = Text(
    "Құжаттар топтамасы толық болмағандықтан қабылдаудан бас тартылды. Жетіспейді: {missing}",
    "В приёме документов отказано: пакет неполон. Не хватает: {missing}",
    "Not accepted, the package is incomplete. Missing: {missing}",
)


def filled(pattern: Text, **values: str) -> Text:
    """Values are inserted once and never read as a pattern again."""
    return Text(pattern.kk.format_map(values), pattern.ru.format_map(values), pattern.en.format_map(values))


def no_data_text(codes: list[str]) -> Text:
    reasons = [REASON_TEXTS[code] for code in codes]
    return Text(
        NO_DATA.kk.format(reasons="; ".join(one.kk for one in reasons)),
        NO_DATA.ru.format(reasons="; ".join(one.ru for one in reasons)),
        NO_DATA.en.format(reasons="; ".join(one.en for one in reasons)),
    )


def fact_text(fact: Fact) -> Text:
    """Our words, and after them the register's own where it has some."""
    text = FACT_TEXTS[fact.code]
    if fact.ru is None or fact.kk is None:
        return text
    return Text(f"{text.kk}: {fact.kk}", f"{text.ru}: {fact.ru}", f"{text.en}: {fact.ru}")
