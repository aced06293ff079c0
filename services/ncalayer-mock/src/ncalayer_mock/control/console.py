"""The terminal: shows each question, and takes the answer from a line: a number of a key, or n."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from typing import TextIO

from ncalayer_mock.domain.choosing import Card
from ncalayer_mock.service.desk import Desk, KeyUnknown, NoQuestion, Question, printable

NO = frozenset({"n", "no", "н", "нет", "ж", "жоқ"})
YES = frozenset({"", "y", "yes", "д", "да", "и", "иә"})
UNKNOWN_PAGE = {"ru": "программа этого компьютера", "kk": "осы компьютердегі бағдарлама"}
TEXTS: Mapping[str, Mapping[str, str]] = {
    "ru": {
        "asks": "{origin} просит: {method}. Документов: {count}.",
        "document": "  {number}. {size} байт, SHA-256 {sha256}\n     {beginning}",
        "key": "  [{number}] {name}: {cn}, {identity}, до {until:%d.%m.%Y}",
        "no_keys": "  Подходящего ключа нет.",
        "choose": "Номер ключа - подписать, n - отказаться: ",
        "again": "Нет такого ответа. ",
        "done": "Подписано ключом {cn}.",
        "not_done": "Отказано.",
    },
    "kk": {
        "asks": "{origin} сұрайды: {method}. Құжат саны: {count}.",
        "document": "  {number}. {size} байт, SHA-256 {sha256}\n     {beginning}",
        "key": "  [{number}] {name}: {cn}, {identity}, {until:%d.%m.%Y} дейін",
        "no_keys": "  Лайықты кілт жоқ.",
        "choose": "Кілт нөмірі - қол қою, n - бас тарту: ",
        "again": "Ондай жауап жоқ. ",
        "done": "{cn} кілтімен қол қойылды.",
        "not_done": "Бас тартылды.",
    },
}


class Console:
    """Questions go to `write`; `take` is given the lines that come back."""

    def __init__(self, desk: Desk, write: Callable[[str], None]) -> None:
        self._desk, self._write = desk, write
        desk.listeners.append(self.show)

    def listen(self, lines: TextIO) -> None:
        """Take lines until there are no more, in a thread that does not keep the process alive."""
        loop = asyncio.get_running_loop()

        def read() -> None:
            for line in lines:
                loop.call_soon_threadsafe(self.take, line)

        threading.Thread(target=read, daemon=True, name="console").start()

    def show(self, question: Question) -> None:
        texts = TEXTS[question.language]
        origin = question.origin or UNKNOWN_PAGE[question.language]
        said = [texts["asks"].format(origin=origin, method=question.method, count=len(question.documents))]
        for number, one in enumerate(question.documents, 1):
            shown = {"size": one.size, "sha256": one.sha256, "beginning": one.beginning}
            said.append(texts["document"].format(number=number, **shown))
        cards = self._desk.choice(question.id)
        said += [_line(texts["key"], number, card) for number, card in enumerate(cards, 1)]
        said += [] if cards else [texts["no_keys"]]
        self._write("\n".join([*said, texts["choose"]]))

    def take(self, line: str) -> None:
        """The answer to the question that waits; without one a line means nothing."""
        question, word = self._desk.question, line.strip().lower()
        if question is None:
            return
        texts = TEXTS[question.language]
        try:
            if word in NO:
                self._desk.cancel(question.id)
                return self._write(texts["not_done"])
            card = self._desk.confirm(question.id, self._chosen(question, word))
        except (NoQuestion, KeyUnknown):
            return self._write(texts["again"] + texts["choose"])
        self._write(texts["done"].format(cn=printable(card.subject_cn)))

    def _chosen(self, question: Question, word: str) -> str | None:
        """KeyUnknown when the line is no answer."""
        cards = self._desk.choice(question.id)
        if word in YES:
            return None  # the only one, or the desk says that there are several
        numbered = {str(number): card.thumbprint for number, card in enumerate(cards, 1)}
        if word not in numbered:
            raise KeyUnknown(word)
        return numbered[word]


def _line(form: str, number: int, card: Card) -> str:
    identity = f"БИН {card.bin}" if card.bin else f"ИИН {card.iin}"
    name, cn = printable(card.name), printable(card.subject_cn)
    return form.format(number=number, name=name, cn=cn, identity=identity, until=card.not_after)
