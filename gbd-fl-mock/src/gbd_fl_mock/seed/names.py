"""Names of people who do not exist, put together from lists. Every letter of the Kazakh alphabet is in use."""

from __future__ import annotations

MALE = (
    "Әлихан", "Ғани", "Қанат", "Өмірбек", "Ұлан", "Үміт", "Һамит", "Іңкәрбек", "Дәурен", "Нұрлан",
    "Мұқағали", "Еңсебек", "Жеңіс", "Бауыржан", "Ерғали", "Серік", "Төлеген", "Гаһарман", "Айдос", "Мирас",
)  # fmt: skip
FEMALE = (
    "Әсел", "Ғалия", "Қарлығаш", "Өрікгүл", "Ұлжан", "Үрия", "Іңкәр", "Гүлнәр", "Айжан", "Меңсұлу",
    "Зәуре", "Жаһан", "Сәуле", "Раушан", "Күлпәш", "Ләззат", "Бибігүл", "Шынар", "Динара", "Тоғжан",
)  # fmt: skip
SURNAMES = (
    "Сынақов", "Үлгілібаев", "Әдіпов", "Ғаламов", "Қиялов", "Өрнеков", "Ұйқасов", "Үйлесов", "Ізденов", "Һауазов",
    "Теңеуов", "Көріністов", "Бояулыев", "Жаңғырықов", "Мысалов", "Нұсқаев", "Сипатов", "Тәжірибев",
)  # fmt: skip
STREETS = ("Үлгі", "Сынақ", "Мысал", "Тәжірибе", "Нұсқа", "Көшірме", "Өрнек", "Қиял")

_LATIN = {
    "а": "a", "ә": "a", "б": "b", "в": "v", "г": "g", "ғ": "g", "д": "d", "е": "e", "ё": "yo", "ж": "zh", "з": "z",
    "и": "i", "й": "y", "к": "k", "қ": "q", "л": "l", "м": "m", "н": "n", "ң": "n", "о": "o", "ө": "o", "п": "p",
    "р": "r", "с": "s", "т": "t", "у": "u", "ұ": "u", "ү": "u", "ф": "f", "х": "h", "һ": "h", "ц": "ts", "ч": "ch",
    "ш": "sh", "щ": "sch", "ъ": "", "ы": "y", "і": "i", "ь": "", "э": "e", "ю": "yu", "я": "ya",
}  # fmt: skip


def surname(n: int, *, female: bool) -> str:
    return SURNAMES[n % len(SURNAMES)] + ("а" if female else "")


def patronymic(father: str, *, female: bool) -> str:
    return father + ("қызы" if female else "ұлы")


def in_latin(name: str) -> str:
    """As a passport has it; a simple letter for letter table, in capitals."""
    return "".join(_LATIN.get(letter, letter) for letter in name.lower()).upper()
