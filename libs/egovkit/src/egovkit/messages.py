"""The register of message types: who may say what, by which class, and the JSON Schema of each `data`.

contracts/messages.yaml names them; a type is `<prefix><name>.<version>`:

    prefix: kz.egov.
    version: v1
    messages:
      - {name: case.submitted, class: submission, from: [origin], to: [provider]}

and contracts/messages/<name>.schema.json (JSON Schema 2020-12) lies beside it; its `$id` becomes `dataschema`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs

from egovkit.contracts import read_yaml
from egovkit.errors import EgovError, FieldError

CLASSES = ("request", "submission", "fact", "answer")
ABOUTS = ("case", "person")
MAX_ERRORS = 20  # a wrong list of a thousand items needs no thousand lines to be understood


class RegisterInvalid(Exception):
    """messages.yaml or a schema is wrong; every mistake is named at once."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = mistakes


@dataclass(frozen=True, slots=True)
class MessageSpec:
    type: str
    name: str
    cls: str  # request | submission | fact | answer
    from_kinds: tuple[str, ...]
    to_kinds: tuple[str, ...]
    dataschema: str
    validator: jsonschema_rs.Draft202012Validator
    about: str = "case"  # or "person": it stands in no act and belongs to no case


class MessageRegister:
    def __init__(self, specs: Mapping[str, MessageSpec]) -> None:
        self._specs = dict(specs)

    @classmethod
    def load(cls, contracts: Path) -> MessageRegister:
        """Reads contracts/messages.yaml and its schemas; RegisterInvalid names every mistake."""
        document = read_yaml(contracts / "messages.yaml")
        specs: dict[str, MessageSpec] = {}
        mistakes: list[str] = []
        prefix, version = str(document["prefix"]), str(document["version"])
        for entry in document["messages"]:
            try:
                spec = _spec(contracts, prefix, entry, version)
            except (KeyError, TypeError, ValueError, OSError) as error:
                mistakes.append(f"messages.yaml: {entry}: {type(error).__name__}: {error}")
                continue
            if spec.type in specs:
                mistakes.append(f"messages.yaml: {spec.name} is there twice")
            specs[spec.type] = spec
        if mistakes:
            raise RegisterInvalid(mistakes)
        return cls(specs)

    def __iter__(self) -> Iterator[MessageSpec]:
        return iter(self._specs.values())

    def __contains__(self, type_: object) -> bool:
        return type_ in self._specs

    def get(self, type_: str) -> MessageSpec | None:
        return self._specs.get(type_)

    def spec(self, type_: str) -> MessageSpec:
        """The spec, or EgovError("message.type_unknown")."""
        spec = self._specs.get(type_)
        if spec is None:
            raise EgovError("message.type_unknown", type=type_)
        return spec

    def check(self, type_: str, data: Mapping[str, Any]) -> MessageSpec:
        """The spec when `data` follows its schema, else EgovError("data.invalid") naming every wrong field."""
        spec = self.spec(type_)
        errors: list[FieldError] = []
        for error in spec.validator.iter_errors(dict(data)):
            errors += _field_errors(error)
            if len(errors) >= MAX_ERRORS:
                break
        if errors:
            raise EgovError("data.invalid", errors=errors[:MAX_ERRORS], type=type_)
        return spec


def _spec(contracts: Path, prefix: str, entry: Mapping[str, Any], version: str) -> MessageSpec:
    if unknown := set(entry) - {"name", "class", "from", "to", "version", "about"}:
        raise ValueError(f"unknown keys {sorted(unknown)}")
    if entry["class"] not in CLASSES:
        raise ValueError(f"class {entry['class']!r} is not one of {', '.join(CLASSES)}")
    if entry.get("about", "case") not in ABOUTS:
        raise ValueError(f"about {entry['about']!r} is not one of {', '.join(ABOUTS)}")
    name = str(entry["name"])
    schema = json.loads((contracts / "messages" / f"{name}.schema.json").read_text(encoding="utf-8"))
    return MessageSpec(
        type=f"{prefix}{name}.{entry.get('version', version)}",
        name=name,
        cls=entry["class"],
        from_kinds=tuple(entry["from"]),
        to_kinds=tuple(entry["to"]),
        dataschema=schema["$id"],
        validator=jsonschema_rs.Draft202012Validator(schema, validate_formats=True),
        about=entry.get("about", "case"),
    )


def _field_errors(error: jsonschema_rs.ValidationError) -> list[FieldError]:
    """One entry per wrong field, naming the missing and the unknown ones themselves. Values are never quoted:
    they are personal data as often as not."""
    path = [str(part) for part in error.instance_path]
    keyword = str(error.kind.name)
    details = error.kind.as_dict()
    if keyword == "required":
        return [FieldError(".".join([*path, str(details["property"])]), "missing", "is required")]
    if keyword in ("additionalProperties", "unevaluatedProperties"):
        names = [str(name) for name in details["unexpected"]]
        return [FieldError(".".join([*path, name[:100]]), "unknown", "is not expected here") for name in names]
    code = KEYWORDS.get(keyword, "invalid")
    limit = {"limit": details["limit"]} if "limit" in details else {}
    return [FieldError(".".join(path), code, f"does not follow the schema: {keyword}", limit)]


# JSON Schema keyword -> the short reason a person gets to read (errors.yaml: field.<reason>).
KEYWORDS: Mapping[str, str] = {
    "type": "wrong_type",
    "minLength": "too_short",
    "maxLength": "too_long",
    "minItems": "too_short",
    "maxItems": "too_long",
    "minimum": "out_of_range",
    "maximum": "out_of_range",
    "exclusiveMinimum": "out_of_range",
    "exclusiveMaximum": "out_of_range",
    "pattern": "wrong_form",
    "format": "wrong_form",
    "enum": "not_allowed",
    "const": "not_allowed",
}
