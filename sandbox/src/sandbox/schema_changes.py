"""What of a JSON Schema's change breaks somebody.

A sender, whose message is refused now, or a reader, who can no longer count on something. What is only added breaks
nobody: readers pass over what they do not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]
LEAST, MOST = ("minimum", "minLength", "minItems"), ("maximum", "maxLength", "maxItems")
FORMS = ("pattern", "format", "const")
BRANCHES = ("oneOf", "anyOf")


def broken(old: Schema, new: Schema) -> list[str]:
    """One line each, with the field's place."""
    return list(dict.fromkeys(_Comparison(old, new).of(old, new, "")))


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old, self._new = old, new

    def of(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        old, new = _whole(self._old, old), _whole(self._new, new)
        yield from _types(old, new, at)
        yield from _limits(old, new, at)
        yield from _values(old, new, at)
        yield from _presence(old, new, at)
        for name, part in old.get("properties", {}).items():
            if name in new.get("properties", {}):
                yield from self.of(part, new["properties"][name], f"{at}.{name}")
        if "items" in old and "items" in new:
            yield from self.of(old["items"], new["items"], f"{at}[]")
        yield from self._branches(old, new, at)

    def _branches(self, old: Schema, new: Schema, at: str) -> Iterator[str]:
        for keyword in BRANCHES:
            before, after = old.get(keyword, ()), new.get(keyword, ())
            if not before and after:
                yield f"{_place(at)} has to be one of {len(after)} forms now"
            elif len(after) < len(before):
                yield f"{_place(at)} may have {len(before)} forms no longer, but {len(after)}"
            else:
                for one, other in zip(before, after, strict=False):
                    yield from self.of(one, other, at)
        if len(new.get("allOf", ())) > len(old.get("allOf", ())):
            yield f"{_place(at)} has to follow more rules now"
        for one, other in zip(old.get("allOf", ()), new.get("allOf", ()), strict=False):
            yield from self.of(one, other, at)


def _whole(root: Schema, part: Schema) -> Schema:
    """With what it refers to in its place; what stands beside a reference counts too."""
    while "$ref" in part:
        found: Any = root
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = {**found, **{name: value for name, value in part.items() if name != "$ref"}}
    return part


def _types(old: Schema, new: Schema, at: str) -> Iterator[str]:
    before, after = _kinds(old), _kinds(new)
    if before == after:
        return
    if after is not None and (lost := sorted((before or {"anything"}) - after)):
        yield f"{_place(at)} may no longer be {', '.join(lost)}"
    if before is not None and (more := sorted((after or {"anything"}) - before)):
        yield f"{_place(at)} may be {', '.join(more)} now, which no reader expects"


def _kinds(schema: Schema) -> set[str] | None:
    kinds = schema.get("type")
    return None if kinds is None else {kinds} if isinstance(kinds, str) else set(kinds)


def _limits(old: Schema, new: Schema, at: str) -> Iterator[str]:
    for name in LEAST:
        if name in new and (name not in old or new[name] > old[name]):
            yield f"{_place(at)}: {name} is {new[name]} now, it was {old.get(name, 'not limited')}"
    for name in MOST:
        if name in new and (name not in old or new[name] < old[name]):
            yield f"{_place(at)}: {name} is {new[name]} now, it was {old.get(name, 'not limited')}"
    for name in FORMS:
        if name in new and new[name] != old.get(name):
            yield f"{_place(at)}: {name} is {new[name]} now, it was {old.get(name, 'free')}"


def _values(old: Schema, new: Schema, at: str) -> Iterator[str]:
    if "enum" not in new:
        return
    if "enum" not in old:
        yield f"{_place(at)} has a list of values now, it was free"
    elif lost := [value for value in old["enum"] if value not in new["enum"]]:
        yield f"{_place(at)} no longer takes {', '.join(map(str, lost))}"


def _presence(old: Schema, new: Schema, at: str) -> Iterator[str]:
    before, after = set(old.get("required", ())), set(new.get("required", ()))
    gone = set(old.get("properties", {})) - set(new.get("properties", {}))
    for name in sorted(gone):
        yield f"{_place(f'{at}.{name}')} is gone"
    for name in sorted(after - before):
        yield f"{_place(f'{at}.{name}')} is required now"
    for name in sorted(before - after - gone):
        yield f"{_place(f'{at}.{name}')} is no longer always there"
    if new.get("additionalProperties") is False and old.get("additionalProperties") is not False:
        yield f"{_place(at)} takes no other fields any more"


def _place(at: str) -> str:
    return at.removeprefix(".") or "the whole"
