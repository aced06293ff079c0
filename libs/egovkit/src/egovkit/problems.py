"""Problem documents (RFC 9457) out of contracts/errors.yaml, in Kazakh, Russian or English.

An entry of errors.yaml:

    envelope.too_large:
      status: 413
      side: sender
      en: {title: ..., detail: "... {limit} ...", remedy: ...}
      ru: {...}
      kk: {...}

What stands in the braces is said in the reader's language as well: `egovkit.problem_words`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, get_args

import yaml

from egovkit.contracts import YAML_LOADER
from egovkit.errors import EgovError, FieldError
from egovkit.log import get_logger
from egovkit.problem_words import Words, check_places

Language = Literal["kk", "ru", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
DEFAULT_LANGUAGE: Language = "ru"
SIDES = ("sender", "receiver", "gateway", "platform")
MEDIA_TYPE = "application/problem+json"
INTERNAL = "service.internal"  # what an unknown code is shown as; it has to be in errors.yaml

_PLACEHOLDER = re.compile(r"\{([a-z_][a-z0-9_]*)\}")
_CODE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+")
_RESERVED = frozenset({"type", "title", "status", "detail", "instance", "code", "side", "remedy", "clause", "errors"})
_MAX_PARAM = 300  # a parameter may come from a caller; a problem is not a place to echo a whole body

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Text:
    title: str
    detail: str
    remedy: str


@dataclass(frozen=True, slots=True)
class ProblemSpec:
    code: str
    status: int
    side: str
    texts: Mapping[str, Text]

    @property
    def placeholders(self) -> frozenset[str]:
        """The parameters its texts are filled with: the same in all languages."""
        text = self.texts[DEFAULT_LANGUAGE]
        return frozenset(_PLACEHOLDER.findall(" ".join((text.title, text.detail, text.remedy))))


class Problems:
    def __init__(self, specs: Mapping[str, ProblemSpec], words: Words) -> None:
        self._specs = dict(specs)
        self._words = words

    @classmethod
    def load(cls, contracts: Path) -> Problems:
        """Reads errors.yaml and words.yaml; ValueError names every mistake in them."""
        raw = read_errors(contracts / "errors.yaml")
        if mistakes := check_errors(raw):
            raise ValueError("\n".join(mistakes))
        words, specs = Words.load(contracts), {code: _spec(code, entry) for code, entry in raw.items()}
        if mistakes := [line for spec in specs.values() for line in check_places(words, spec.code, spec.placeholders)]:
            raise ValueError("\n".join(mistakes))
        return cls(specs, words)

    def __contains__(self, code: object) -> bool:
        return code in self._specs

    def __getitem__(self, code: str) -> ProblemSpec:
        return self._specs[code]

    @property
    def codes(self) -> frozenset[str]:
        return frozenset(self._specs)

    def status(self, code: str) -> int:
        return self._spec(code).status

    def render(self, error: EgovError, lang: str = DEFAULT_LANGUAGE, instance: str | None = None) -> dict[str, Any]:
        """The problem document. The error's parameters become extra members, so that programs need not read prose."""
        spec = self._spec(error.code)
        params = {name: _plain(value) for name, value in error.params.items()}
        text = self.text(spec, params, lang)
        document: dict[str, Any] = {
            "type": f"urn:egov:problem:{spec.code}",
            "title": text.title,
            "status": spec.status,
            "detail": text.detail,
            "code": spec.code,
            "side": spec.side,
            "remedy": text.remedy,
        }
        if instance is not None:
            document["instance"] = instance
        if error.clause is not None:
            document["clause"] = error.clause
        if error.errors:
            document["errors"] = [self._field(item, lang) for item in error.errors]
        document |= {name: value for name, value in params.items() if name not in _RESERVED}
        return document

    def texts(self, error: EgovError) -> dict[str, str]:
        """`title_kk`, `detail_ru`, ... in all languages: for a refusal that travels as an envelope."""
        spec = self._spec(error.code)
        params = {name: _plain(value) for name, value in error.params.items()}
        filled = {lang: self.text(spec, params, lang) for lang in spec.texts}
        return {
            f"{part}_{lang}": getattr(text, part)
            for lang, text in filled.items()
            for part in ("title", "detail", "remedy")
        }

    def text(self, spec: ProblemSpec, params: Mapping[str, Any], lang: str) -> Text:
        """Title, detail and remedy, filled in; Russian for a language we don't speak."""
        lang = lang if lang in spec.texts else DEFAULT_LANGUAGE
        text = spec.texts[lang]
        said = {
            name: self._words.said(name, params[name], lang, self._title) for name in spec.placeholders & params.keys()
        }
        return Text(fill(text.title, said), fill(text.detail, said), fill(text.remedy, said))

    def _title(self, code: str, lang: str) -> str | None:
        spec = self._specs.get(code)
        return None if spec is None else spec.texts[lang].title

    def _field(self, item: FieldError, lang: str) -> dict[str, Any]:
        spec = self._specs.get(f"field.{item.code}")
        if spec is None:
            _log.error("problem.code_unknown", code=f"field.{item.code}")
            spec = self._spec("field.invalid")
        params = {name: _plain(value) for name, value in item.params.items()}
        return {"field": item.field, "code": item.code, "message": self.text(spec, params, lang).detail}

    def _spec(self, code: str) -> ProblemSpec:
        spec = self._specs.get(code)
        if spec is None:
            _log.error("problem.code_unknown", code=code)
            return self._specs[INTERNAL]
        return spec


def fill(template: str, params: Mapping[str, Any]) -> str:
    """`{name}` replaced by the parameter. No attribute or index access as in str.format: parameters may be a
    caller's text. What is missing reads "…"."""
    return _PLACEHOLDER.sub(lambda match: _shown(params.get(match[1], "…")), template)


def negotiate(accept_language: str | None) -> Language:
    """The best of kk, ru and en for an Accept-Language header (RFC 9110, 12.5.4); Russian when nothing fits."""
    best: tuple[float, Language] = (0.0, DEFAULT_LANGUAGE)
    for item in (accept_language or "").split(",")[:20]:
        tag, _, parameters = item.strip().partition(";")
        primary = tag.strip().lower().split("-")[0]
        quality = _quality(parameters)
        for language in LANGUAGES:
            if language == primary and quality > best[0]:
                best = (quality, language)
    return best[1]


def _quality(parameters: str) -> float:
    if not parameters:
        return 1.0
    match = re.fullmatch(r"\s*q=(0(?:\.\d{1,3})?|1(?:\.0{1,3})?)\s*", parameters)
    return float(match[1]) if match else 0.0


def read_errors(path: Path) -> dict[str, Any]:
    """The file as a mapping. ValueError for a code that is there twice: YAML would silently keep the last."""
    loader = YAML_LOADER(path.read_text(encoding="utf-8"))
    try:
        node = loader.get_single_node()
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            raise ValueError(f"{path} is not a mapping of codes")
        codes = [key.value for key, _ in node.value]
        if double := sorted({code for code in codes if codes.count(code) > 1}):
            raise ValueError(f"{path}: more than once: {', '.join(double)}")
        return dict(loader.construct_document(node))
    finally:
        loader.dispose()


def check_errors(raw: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong with the contents of errors.yaml, one line each; empty = complete."""
    mistakes = [f"errors.yaml: {INTERNAL} is missing"] if INTERNAL not in raw else []
    for code, entry in raw.items():
        mistakes += [f"errors.yaml: {code}: {mistake}" for mistake in _check_entry(str(code), entry)]
    return mistakes


def _check_entry(code: str, entry: Any) -> list[str]:
    if not isinstance(entry, dict):
        return ["is not a mapping"]
    mistakes = [] if _CODE.fullmatch(code) else ["is not of the form area.reason"]
    status = entry.get("status")
    if not isinstance(status, int) or not 400 <= status <= 599:
        mistakes.append(f"status {status!r} is not a 4xx or 5xx number")
    if entry.get("side") not in SIDES:
        mistakes.append(f"side {entry.get('side')!r} is not one of {', '.join(SIDES)}")
    if unknown := set(entry) - {"status", "side", *LANGUAGES}:
        mistakes.append(f"unknown keys {', '.join(sorted(unknown))}")
    placeholders: dict[str, set[str]] = {}
    for lang in LANGUAGES:
        text = entry.get(lang)
        if not isinstance(text, dict) or set(text) != {"title", "detail", "remedy"}:
            mistakes.append(f"{lang} has to have exactly title, detail and remedy")
            continue
        mistakes += [f"{lang}.{part} is empty" for part, value in text.items() if not str(value or "").strip()]
        placeholders[lang] = {name for value in text.values() for name in _PLACEHOLDER.findall(str(value))}
    if len({frozenset(names) for names in placeholders.values()}) > 1:
        mistakes.append(f"placeholders differ: { {lang: sorted(names) for lang, names in placeholders.items()} }")
    return mistakes


def _spec(code: str, entry: Mapping[str, Any]) -> ProblemSpec:
    texts: dict[str, Text] = {
        lang: Text(**{part: str(value) for part, value in entry[lang].items()}) for lang in LANGUAGES
    }
    return ProblemSpec(code, entry["status"], entry["side"], texts)


def _plain(value: object) -> Any:
    """A parameter as JSON can hold it."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return str(value)[:_MAX_PARAM]


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_shown(item) for item in value)
    return str(value)[:_MAX_PARAM]
