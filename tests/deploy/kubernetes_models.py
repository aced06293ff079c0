"""Whether an object has the fields its kind has in Kubernetes' own API, no others, each of its type.

The kinds come from lightkube-models, which are drawn from the API's OpenAPI document. Only the models are installed;
the client they belong to lends them three names, given here.
"""

from __future__ import annotations

import dataclasses
import importlib
import sys
import types
import typing
from collections.abc import Iterator
from typing import Any

GROUPS = {
    "v1": "core_v1",
    "apps/v1": "apps_v1",
    "batch/v1": "batch_v1",
    "policy/v1": "policy_v1",
    "networking.k8s.io/v1": "networking_v1",
}


def is_core(one: dict[str, Any]) -> bool:
    """Whether the kind is Kubernetes' own, not an operator's."""
    return one["apiVersion"] in GROUPS


def problems(one: dict[str, Any]) -> list[str]:
    """What is wrong with an object of a core kind, each with its place."""
    return list(_problems(one, getattr(_models(GROUPS[one["apiVersion"]]), one["kind"]), one["kind"]))


def _models(name: str) -> Any:
    if "lightkube.core.schema" not in sys.modules:
        lent = types.ModuleType("lightkube.core.schema")
        lent.dataclass, lent.field, lent.DictMixin = dataclasses.dataclass, dataclasses.field, object  # type: ignore[attr-defined]
        sys.modules["lightkube.core"] = types.ModuleType("lightkube.core")
        sys.modules["lightkube.core.schema"] = lent
    return importlib.import_module(f"lightkube.models.{name}")


def _problems(value: object, kind: Any, place: str) -> Iterator[str]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        kinds = [one for one in arguments if one is not type(None)]
        tries = [list(_problems(value, one, place)) for one in kinds]
        yield from min(tries, key=len)
    elif dataclasses.is_dataclass(kind):
        yield from _fields(value, kind, place)
    elif origin is list:
        if not isinstance(value, list):
            yield f"{place}: not a list"
        else:
            for number, item in enumerate(value):
                yield from _problems(item, arguments[0], f"{place}[{number}]")
    elif origin is dict or kind is dict:
        if not isinstance(value, dict):
            yield f"{place}: not a mapping"
        for name, item in value.items() if isinstance(value, dict) and arguments else ():
            yield from _problems(item, arguments[1], f"{place}.{name}")
    elif isinstance(kind, type) and kind in (str, int, bool, float) and type(value) is not kind:
        yield f"{place}: {value!r} is not {kind.__name__}"


def _fields(value: object, kind: Any, place: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{place}: not a mapping"
        return
    hints = typing.get_type_hints(kind)
    fields = {field.metadata.get("json", field.name): field for field in dataclasses.fields(kind)}
    for name in value.keys() - fields.keys():
        yield f"{place}.{name}: no such field"
    for name, field in fields.items():
        if name in value:
            yield from _problems(value[name], hints[field.name], f"{place}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            yield f"{place}.{name}: missing"
