"""contracts/errors.yaml as pages to read: who has to act, why it happened, what to do; a page per language. At the end
what may stand in the places of the texts, by code (contracts/words.yaml)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Problems of the bus",
        "lead": "Every problem a service answers with (RFC 9457), by its stable `code`. What stands in braces is "
        "filled in, and is a member of the document too. The document's `type` is the anchor of the entry: "
        "`en.md#urn:egov:problem:request.malformed`.",
        "status": "Status", "side": "Who has to act", "detail": "Why", "remedy": "What to do",
        "sender": "sender", "receiver": "receiver", "gateway": "gateway", "platform": "platform (operators)",
        "words": "Words", "code": "code", "said": "said as",
        "words_lead": "What stands at a place of a text comes from a list. The document's member holds the code; where "
        "a library said more, it stands in `technical`.",
    },
    "ru": {
        "title": "Ошибки шины",
        "lead": "Все ошибки, которыми отвечают сервисы (RFC 9457), по неизменному `code`. Значения в фигурных скобках "
        "подставляются и передаются отдельными полями документа. Поле `type` документа - якорь записи: "
        "`ru.md#urn:egov:problem:request.malformed`.",
        "status": "Статус", "side": "Кто должен действовать", "detail": "Почему", "remedy": "Что делать",
        "sender": "отправитель", "receiver": "получатель", "gateway": "шлюз", "platform": "платформа (операторы)",
        "words": "Слова", "code": "код", "said": "в тексте",
        "words_lead": "Значения в тексте берутся из списков. Поле документа содержит код; то, что сообщила библиотека, "
        "передаётся в `technical`.",
    },
    "kk": {
        "title": "Шинаның қателері",
        "lead": "Сервистер жауап беретін барлық қателер (RFC 9457), өзгермейтін `code` бойынша. Жақша ішіндегі мәндер "
        "толтырылады және құжаттың жеке өрістерінде беріледі. Құжаттың `type` өрісі - жазбаның белгісі: "
        "`kk.md#urn:egov:problem:request.malformed`.",
        "status": "Мәртебе", "side": "Кім әрекет етуі керек", "detail": "Неліктен", "remedy": "Не істеу керек",
        "sender": "жіберуші", "receiver": "алушы", "gateway": "шлюз", "platform": "платформа (операторлар)",
        "words": "Сөздер", "code": "код", "said": "мәтінде",
        "words_lead": "Мәтіндегі мәндер тізімдерден алынады. Құжаттың өрісінде код тұрады; кітапхана хабарлағаны "
        "`technical` өрісінде беріледі.",
    },
}  # fmt: skip


def render(errors: Mapping[str, Mapping[str, Any]], words: Mapping[str, Any]) -> dict[str, str]:
    """By file name. The areas of codes are chapters, in the order of their names."""
    return {
        f"{language}.md": "\n".join([*_page(errors, language), *_lists(words, language)]) + "\n" for language in WORDS
    }


def _page(errors: Mapping[str, Mapping[str, Any]], language: str) -> Iterator[str]:
    words = WORDS[language]
    yield f"# {words['title']}\n"
    yield "<!-- Made by `make contracts` from contracts/errors.yaml. -->\n"
    yield words["lead"]
    for area, codes in groupby(sorted(errors), key=lambda code: code.partition(".")[0]):
        yield f"\n## {area}"
        for code in codes:
            spec, text = errors[code], errors[code][language]
            yield f'\n<a id="urn:egov:problem:{code}"></a>\n'  # the problem's `type`
            yield f"### {code}\n"
            yield f"**{text['title']}**\n"
            yield f"* {words['status']}: {spec['status']}. {words['side']}: {words[spec['side']]}."
            yield f"* {words['detail']}: {text['detail']}"
            yield f"* {words['remedy']}: {text['remedy']}"


def _lists(words: Mapping[str, Any], language: str) -> Iterator[str]:
    """The lists behind the places, each with the places it fills."""
    shown = WORDS[language]
    yield f"\n## {shown['words']}\n"
    yield shown["words_lead"]
    for name, found in {**words["words"], **words["names"]}.items():
        places = ", ".join(f"`{{{place}}}`" for place, kind in words["places"].items() if kind == name)
        yield f"\n### {name}: {places}\n"
        yield f"| {shown['code']} | {shown['said']} |"
        yield "|---|---|"
        yield from (f"| `{code}` | {word[language]} |" for code, word in found.items())
