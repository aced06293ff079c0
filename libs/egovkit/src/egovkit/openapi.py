"""A service's OpenAPI document made whole: what FastAPI knows, what calls declare, texts and examples kept as data.

    contracts/openapi/texts/<service>.yaml      summaries of tags and calls in en, ru and kk; descriptions of fields
    contracts/openapi/examples/<service>.yaml   requests and answers that were really given
    .../common.yaml                             the same for calls that several services have
    contracts/openapi/parameters.yaml           values for the placeholders of the problems' texts

A summary's Russian and Kazakh stand beside it as `x-summary-ru` and `x-summary-kk`, a description's as
`x-description-ru` and `x-description-kk`; the stable codes of an answer as `x-problem-codes`, limits as `x-limits`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import Router

from egovkit.contracts import contracts_version, read_once, read_yaml
from egovkit.declared import Declared, declared
from egovkit.edge import BodyLimits
from egovkit.errors import EgovError, FieldError
from egovkit.problems import LANGUAGES, MEDIA_TYPE, Problems

ORDER = ("openapi", "info", "servers", "tags", "paths", "components")
FOLDER, COMMON = "openapi", "common"
PROBLEM = "#/components/schemas/Problem"
PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "description": "A problem document (RFC 9457). `code` is stable; the texts follow Accept-Language: kk, ru or en.",
    "required": ["type", "title", "status", "detail", "code", "side", "remedy"],
    "properties": {
        "type": {"type": "string", "description": "urn:egov:problem: and the code"},
        "title": {"type": "string"},
        "status": {"type": "integer", "description": "the HTTP status again"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "the path that was called"},
        "code": {"type": "string", "description": "what programs decide by: it never changes its meaning"},
        "side": {"enum": ["sender", "receiver", "gateway", "platform"], "description": "who has to act"},
        "remedy": {"type": "string", "description": "what to do"},
        "clause": {"type": "string", "description": "the place of the act the refusal rests on"},
        "errors": {
            "type": "array",
            "description": "one for each wrong field",
            "items": {
                "type": "object",
                "required": ["field", "code", "message"],
                "properties": {
                    "field": {"type": "string", "description": "dotted path"},
                    "code": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}
# FastAPI writes no 422 of its own where a call has answers for 4XX; the exact ones take its place.
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "-"},
    "5XX": {
        "description": "A failure on the service's side",
        "content": {MEDIA_TYPE: {"schema": {"$ref": PROBLEM}}},
    },
}


@dataclass(frozen=True, slots=True)
class Papers:
    """Where texts and examples of a service's document are, and how it is reached in the reference deployment."""

    contracts: Path
    port: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What one file of a kind, or all of them together, says."""

    texts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)


class Documented(FastAPI):
    """An application whose document says all of the above; set up by `egovkit.service.create_service`."""

    code = ""
    papers: Papers | None = None
    limits = BodyLimits(0)

    def serve(self, *parts: Router) -> None:
        """Adds calls as they were declared (`egovkit.routes`), without building them again as `include_router` does."""
        for part in parts:
            self.router.routes.extend(part.routes)

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            problems: Problems = self.state.problems
            _complete(document, _Book(problems, self.limits, self._kept()), self)
            if self.papers is not None:
                _name(document, self.papers)
            self.openapi_schema = {name: document[name] for name in ORDER if name in document}
        return self.openapi_schema or {}

    def _kept(self) -> Kept:
        if self.papers is None:
            return Kept()
        return read_once(_reader(self.code), self.papers.contracts)


@cache
def _reader(code: str) -> Callable[[Path], Kept]:
    """The same object every time: `read_once` knows what was read by it."""
    return partial(read_kept, code=code)


def read_kept(contracts: Path, code: str) -> Kept:
    """The data of one service over what is common. A file that is not there says nothing."""
    folder = contracts / FOLDER
    texts = [_read(folder / "texts" / f"{name}.yaml") for name in (COMMON, code)]
    examples = [_read(folder / "examples" / f"{name}.yaml") for name in (COMMON, code)]
    kinds = ("info", "tags", "operations", "fields")
    return Kept(
        {kind: {**texts[0].get(kind, {}), **texts[1].get(kind, {})} for kind in kinds},
        {**examples[0], **examples[1]},
        _read(folder / "parameters.yaml"),
    )


def _read(path: Path) -> dict[str, Any]:
    return read_yaml(path) or {} if path.is_file() else {}


@dataclass(frozen=True, slots=True)
class _Book:
    problems: Problems
    limits: BodyLimits
    kept: Kept
    used: set[str] = field(default_factory=set)

    def shown(self, code: str, lang: str) -> dict[str, Any]:
        """The problem with this code as an example."""
        known = self.kept.parameters
        values = {**known.get("values", {}), **known.get("codes", {}).get(code, {})}
        values = {name: values[name] for name in sorted(self.problems[code].placeholders) if name in values}
        wrong = known.get("errors", {}).get(code, ())
        errors = [FieldError(one["field"], one["reason"], one["reason"]) for one in wrong]
        return self.problems.render(EgovError(code, errors=errors, **values), lang)


def operations(app: FastAPI) -> Iterator[tuple[str, str, Declared]]:
    """Path, method and what is declared of every call in the document."""
    for route in iter_route_contexts(app.routes):
        if getattr(route, "dependant", None) is not None and route.include_in_schema:
            for method in route.methods or ():
                yield str(route.path_format), method.lower(), declared(route)


def _name(document: dict[str, Any], papers: Papers) -> None:
    document["info"]["version"] = contracts_version(papers.contracts)
    if papers.port is not None:
        document["servers"] = [{"url": f"http://127.0.0.1:{papers.port}", "description": "the reference deployment"}]


def _complete(document: dict[str, Any], book: _Book, app: FastAPI) -> None:
    parts = document.setdefault("components", {})
    schemas = parts.setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = PROBLEM_SCHEMA
    schemes: dict[str, Any] = {}
    for path, method, says in operations(app):
        call = document["paths"][path][method]
        _add_words(call, book.kept)
        _add_examples(call, book.kept.examples.get(call["operationId"], {}))
        _add_access(call, says, schemes)
        _add_limits(call, path, says, book)
        _add_problems(call, says.codes, book)
    if schemes:
        parts["securitySchemes"] = dict(sorted(schemes.items()))
    parts["examples"] = {
        f"{code}.{lang}": _example(book.shown(code, lang)) for code in sorted(book.used) for lang in LANGUAGES
    }
    _add_fields(schemas, book.kept.texts.get("fields", {}))
    _add_info(document, book.kept)


def _described(texts: Mapping[str, str]) -> dict[str, str]:
    """A description with its other languages."""
    other = {f"x-description-{lang}": texts[lang].strip() for lang in ("ru", "kk") if lang in texts}
    return {"description": texts["en"].strip(), **other} if "en" in texts else other


def _add_words(call: dict[str, Any], kept: Kept) -> None:
    texts = kept.texts.get("operations", {}).get(call["operationId"])
    if texts is not None:
        call["summary"] = texts["en"]
        call |= {f"x-summary-{lang}": texts[lang] for lang in ("ru", "kk")}
        if "description" in texts:
            call["description"] = texts["description"].strip()
    call["tags"] = list(dict.fromkeys(call.get("tags", ())))


def _add_info(document: dict[str, Any], kept: Kept) -> None:
    document["info"] |= _described(kept.texts.get("info", {}))
    used = {tag for methods in document["paths"].values() for call in methods.values() for tag in call["tags"]}
    known = kept.texts.get("tags", {})
    document["tags"] = [{"name": tag, **_described(known.get(tag, {}))} for tag in sorted(used)]


def _add_fields(schemas: dict[str, Any], fields: Mapping[str, str]) -> None:
    for place, text in fields.items():
        schema, _, name = place.partition(".")
        found = schemas.get(schema, {})
        target = found.get("properties", {}).get(name) if name else found
        if target:
            target["description"] = text


def _add_examples(call: dict[str, Any], examples: Mapping[str, Any]) -> None:
    if "request" in examples and "requestBody" in call:
        _fill(call["requestBody"]["content"], examples["request"])
    for status, named in examples.get("responses", {}).items():
        if str(status) in call["responses"]:
            _fill(call["responses"][str(status)].get("content", {}), named)


def _fill(content: dict[str, Any], named: Mapping[str, Any]) -> None:
    for media in list(content.values())[:1]:
        media["examples"] = {name: {"value": value} for name, value in named.items()}


def _add_access(call: dict[str, Any], says: Declared, schemes: dict[str, Any]) -> None:
    call["security"] = [{scheme.name: [] for scheme in says.schemes}] if says.schemes else []
    schemes |= {scheme.name: {**scheme.definition, **_described(scheme.texts)} for scheme in says.schemes}
    if says.keyed is None:
        return
    parameters = call.setdefault("parameters", [])
    found = next((one for one in parameters if one["name"].lower() == "idempotency-key"), None)
    if found is None:
        parameters.append(found := {"name": "Idempotency-Key", "in": "header"})
    found |= {
        "required": says.keyed,
        "description": "A repetition with the same key and body does nothing and gets the first answer again.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    }


def _add_limits(call: dict[str, Any], path: str, says: Declared, book: _Book) -> None:
    limits = dict(says.limits)
    if "requestBody" in call:
        limits["body_bytes"] = book.limits.of(re.sub(r"\{[^}]*\}", "0", path))
    if limits:
        call["x-limits"] = limits


def _add_problems(call: dict[str, Any], codes: frozenset[str], book: _Book) -> None:
    answers = call["responses"]
    answers.pop("4XX", None)
    last = answers.pop("5XX", None)
    by_status: dict[int, list[str]] = {}
    for code in sorted(codes):
        if code not in book.problems:
            raise ValueError(f"{call['operationId']} declares {code}, which is not in contracts/errors.yaml")
        by_status.setdefault(book.problems.status(code), []).append(code)
    for status, found in sorted(by_status.items()):
        answers[str(status)] = _refusal(found, book)
    if last is not None:
        answers["5XX"] = last


def _refusal(codes: list[str], book: _Book) -> dict[str, Any]:
    book.used.update(codes)
    return {
        "description": "\n".join(f"- `{code}`: {book.shown(code, 'en')['title']}" for code in codes),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": PROBLEM},
                "examples": {
                    f"{code}.{lang}": {"$ref": f"#/components/examples/{code}.{lang}"}
                    for code in codes
                    for lang in LANGUAGES
                },
            }
        },
        "x-problem-codes": codes,
    }


def _example(shown: dict[str, Any]) -> dict[str, Any]:
    return {"summary": shown["title"], "value": shown}
