"""What stands in the {places} of errors.yaml, said in the reader's language: contracts/words.yaml.

    places: {limit: number, until: moment, participant: code, name: text, state: states, channel: channels}
    words:  {states: {registered: {en: ..., ru: ..., kk: ...}}}    # closed: a value without a word is a mistake of ours
    names:  {channels: {portal: {en: ..., ru: ..., kk: ...}}}      # a caller's code may stand here too, as it is

The code stays in the problem as a member of its own, for programs; only the sentence says the word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from egovkit.contracts import read_yaml
from egovkit.log import get_logger

# number: also the day that bounds a date. code: what programs read, the same in every language. text: what people
# wrote in their own language, such as a file's name or an official's.
PLAIN: Final = frozenset({"number", "moment", "code", "text"})
LANGUAGES: Final = ("en", "ru", "kk")
ALMATY: Final = ZoneInfo("Asia/Almaty")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_QUOTES: Final[Mapping[str, str]] = {"en": '"{}"', "ru": "«{}»", "kk": "«{}»"}

_log = get_logger(__name__)

Titles = Callable[[str, str], str | None]  # code and language -> the title of that problem
on_unsaid: list[Callable[[str], None]] = []  # tests listen: a code without a word fails them


class Words:
    def __init__(self, raw: Mapping[str, Any]) -> None:
        self._places: Mapping[str, str] = raw["places"]
        self._closed: Mapping[str, Mapping[str, Mapping[str, str]]] = raw["words"]
        self._lists: Mapping[str, Mapping[str, Mapping[str, str]]] = {**raw["names"], **self._closed}

    @classmethod
    def load(cls, contracts: Path) -> Words:
        """ValueError names every mistake in contracts/words.yaml."""
        raw = read_yaml(contracts / "words.yaml")
        if mistakes := check_words(raw):
            raise ValueError("\n".join(mistakes))
        return cls(raw)

    @property
    def places(self) -> Mapping[str, str]:
        return self._places

    def of(self, place: str) -> Mapping[str, Mapping[str, str]]:
        """The words that may stand at a place, by code; none where something else stands there."""
        return self._lists.get(self._places.get(place, ""), {})

    def is_closed(self, place: str) -> bool:
        return self._places.get(place) in self._closed

    def said(self, place: str, value: Any, lang: str, title: Titles) -> Any:
        """The value as the sentence says it. A list is said one by one, and so is a text with commas of codes."""
        if isinstance(value, list | tuple):
            return [self.said(place, one, lang, title) for one in value]
        if not isinstance(value, str):
            return value
        kind = self._places.get(place)
        if kind in PLAIN:
            return _day_or_moment(value, lang) if kind in ("number", "moment") else value
        if ", " in value:
            return [self.said(place, one, lang, title) for one in value.split(", ")]
        return self._word(place, value, lang, title)

    def _word(self, place: str, value: str, lang: str, title: Titles) -> str:
        word = self.of(place).get(value)
        if word is not None:
            return word[lang]
        if value.isdigit():  # an HTTP status: the same in every language
            return value
        if (told := title(value, lang)) is not None:  # the code of another problem is said by its title
            return _QUOTES[lang].format(told)
        if self.is_closed(place):
            _log.error("problem.word_unknown", place=place, value=value[:100])
            for hear in on_unsaid:
                hear(f"contracts/words.yaml has no word for {place} {value!r}")
        return value


def _day_or_moment(value: str, lang: str) -> str:
    """People here read days first, and clocks of the country; English texts are read beside logs, in RFC 3339."""
    if lang == "en":
        return value
    if _DAY.fullmatch(value):
        return ".".join(reversed(value.split("-")))
    if _MOMENT.fullmatch(value):
        return f"{datetime.fromisoformat(value).astimezone(ALMATY):%d.%m.%Y %H:%M}"
    return value


def check_words(raw: Any) -> list[str]:
    """Everything that is wrong with the contents of words.yaml, one line each."""
    if not isinstance(raw, dict) or set(raw) != {"places", "words", "names"}:
        return ["words.yaml has exactly places, words and names"]
    lists = {**raw["words"], **raw["names"]}
    mistakes = [
        f"words.yaml: place {place}: {kind!r} is neither {', '.join(sorted(PLAIN))} nor a list"
        for place, kind in raw["places"].items()
        if kind not in PLAIN and kind not in lists
    ]
    mistakes += [f"words.yaml: {name} is no place's" for name in lists if name not in raw["places"].values()]
    for name, words in lists.items():
        mistakes += [
            f"words.yaml: {name}.{code} has to have {', '.join(LANGUAGES)}"
            for code, word in words.items()
            if not isinstance(word, dict) or set(word) != set(LANGUAGES) or not all(map(str.strip, word.values()))
        ]
    return mistakes


def check_places(words: Words, code: str, places: Iterable[str]) -> Sequence[str]:
    """One line for each place of a problem's texts that words.yaml does not say how to fill."""
    unknown = sorted(set(places) - words.places.keys())
    return [f"errors.yaml: {code}: {{{place}}} is no place of words.yaml" for place in unknown]
