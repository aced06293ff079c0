"""JSON that every reader understands alike: what is signed must not mean two things.

RFC 8259 leaves duplicate names, huge numbers and lone surrogates to the reader; I-JSON (RFC 7493, 2) forbids
them, and so do we: a gateway that reads the first of two `recipient` names and a provider that reads the last
would otherwise both hold a valid signature over different letters.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson

__all__ = ["MAX_DEPTH", "StrictJsonError", "dumps", "loads"]

MAX_DEPTH = 32  # our deepest real document has 9 levels; a reader in another language may have a small stack
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class StrictJsonError(ValueError):
    """The bytes are not I-JSON; `reason` (a word of contracts/words.yaml) says what is wrong, without quoting the
    content; `technical` is what the parser said."""

    def __init__(self, reason: str, technical: str | None = None) -> None:
        super().__init__(reason if technical is None else f"{reason}: {technical}")
        self.reason, self.technical = reason, technical

    @property
    def told(self) -> dict[str, Any]:
        """For the parameters of a problem."""
        return {"reason": self.reason} | ({} if self.technical is None else {"technical": self.technical})


def dumps(value: object) -> bytes:
    """Compact UTF-8 JSON in the order given. TypeError for what JSON has no form for."""
    return orjson.dumps(value)


def loads(raw: bytes, max_depth: int = MAX_DEPTH) -> Any:
    """Parse UTF-8 JSON; StrictJsonError on bad UTF-8, duplicate names, NUL characters, integers over 64 bits
    or more than `max_depth` levels of objects and arrays."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise StrictJsonError("not_json", f"{error.msg} at character {error.pos}") from None
    if b"\\u0000" in raw and _NUL.search(raw):
        raise StrictJsonError("nul_character")  # PostgreSQL's text and jsonb refuse them
    _check_depth(value, max_depth)
    # orjson keeps the last of two equal names. If writing the value again gives the same bytes there was
    # none; that is the usual, fast way. Otherwise (spaces, escapes) the slow reader looks at every object.
    if orjson.dumps(value) != raw:
        _check_names_and_numbers(raw)
    return value


def _check_depth(value: Any, max_depth: int) -> None:
    level: list[Any] = [value] if isinstance(value, dict | list) else []
    depth = 0
    while level:
        depth += 1
        if depth > max_depth:
            raise StrictJsonError("nested_too_deep", f"more than {max_depth} levels")
        inner: list[Any] = []
        for container in level:
            for item in container.values() if type(container) is dict else container:
                if type(item) is dict or type(item) is list:
                    inner.append(item)
        level = inner


def _check_names_and_numbers(raw: bytes) -> None:
    try:
        json.loads(raw, object_pairs_hook=_unique, parse_int=_small)
    except StrictJsonError:
        raise
    except (ValueError, RecursionError) as error:
        raise StrictJsonError("not_json", type(error).__name__) from None


def _unique(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        raise StrictJsonError("name_twice")


def _small(digits: str) -> None:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**64:
        raise StrictJsonError("number_too_large")
