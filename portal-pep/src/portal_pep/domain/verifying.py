"""Whether a document in somebody's hand still stands, and what he is told of it. Its signature is judged elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final


class Standing(StrEnum):
    STANDS = "stands"  # the portal has this very document as the case's result, and it is in its term
    EXPIRED = "expired"  # the same, and its last day is over
    REPLACED = "replaced"  # under this number the portal has another document of the same organisation
    UNKNOWN = "unknown"  # the portal has none such: given at a centre or a desk, or not at all


TOLD: Final[Mapping[Standing, Mapping[str, str]]] = {
    Standing.STANDS: {
        "kk": "Құжат порталдағы нәтижемен сәйкес келеді және күшінде.",
        "ru": "Документ совпадает с результатом на портале и действует.",
        "en": "The document is the result the portal has, and it stands.",
    },
    Standing.EXPIRED: {
        "kk": "Құжат порталдағы нәтижемен сәйкес келеді, бірақ оның жарамдылық мерзімі өткен.",
        "ru": "Документ совпадает с результатом на портале, но срок его действия истёк.",
        "en": "The document is the result the portal has, but its term is over.",
    },
    Standing.REPLACED: {
        "kk": "Порталда осы нөмірмен басқа құжат бар: қолыңыздағы құжатқа сенбеңіз.",
        "ru": "Под этим номером на портале другой документ: не полагайтесь на тот, что у Вас.",
        "en": "Under this number the portal has another document: do not rely on the one in your hand.",
    },
    Standing.UNKNOWN: {
        "kk": "Қолтаңба дұрыс, бірақ бұл порталда қол қойған ұйымның мұндай нөмірлі нәтижесі жоқ: ол халыққа қызмет "
        "көрсету орталығында немесе қызмет берушінің өзінде берілген болуы мүмкін. Күшінде екенін сол ұйымнан сұраңыз.",
        "ru": "Подпись верна, но результата подписавшей организации с таким номером на этом портале нет: он мог быть "
        "выдан в центре обслуживания населения или у самого услугодателя. Действует ли он, спросите у неё.",
        "en": "The signature is good, but this portal has no result of the signing organisation with that number: it "
        "may have been given at a service centre or by the provider himself. Ask them whether it stands.",
    },
}

# Of a document that was not compared itself, byte by byte: whoever forges a page copies its number and its date.
TOLD_OF_THE_NUMBER: Final[Mapping[Standing, Mapping[str, str]]] = {
    **TOLD,
    Standing.STANDS: {
        "kk": "Порталда осы нөмірмен нәтиже бар және күшінде. Қолыңыздағы "
        "құжаттың мазмұны онымен салыстырылған жоқ: QR-кодтары бойынша тексеріңіз.",
        "ru": "Результат с этим номером на портале есть и действует. Содержание документа "
        "у Вас на руках с ним не сверено: проверьте его по QR-кодам.",
        "en": "The portal has a result of this number, and it stands. What the document in your "
        "hand says was not compared with it: check its codes.",
    },
    Standing.EXPIRED: {
        "kk": "Порталда осы нөмірмен нәтиже бар, бірақ оның жарамдылық мерзімі өткен.",
        "ru": "Результат с этим номером на портале есть, но срок его действия истёк.",
        "en": "The portal has a result of this number, but its term is over.",
    },
}


@dataclass(frozen=True, slots=True)
class Held:
    """What the portal has of an organisation under a number: whether it is the document asked about; its last day."""

    same: bool
    valid_until: date | None


def standing(held: Held | None, today: date) -> Standing:
    """`today` is Kazakhstan's; the last day counts."""
    if held is None:
        return Standing.UNKNOWN
    if not held.same:
        return Standing.REPLACED
    over = held.valid_until is not None and today > held.valid_until
    return Standing.EXPIRED if over else Standing.STANDS
