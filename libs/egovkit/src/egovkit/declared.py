"""What a call says of itself beside its code: the problems it may answer with, who may ask, its limits.

    @router.post("/v1/cases/{case_id}/submit")
    @refuses("case.unknown", "case.wrong_state")
    @keyed
    async def submit(...): ...

A dependency declares the same way and speaks for every call that uses it. What is declared goes into the OpenAPI
document (`egovkit.openapi`). A problem that leaves a call undeclared is logged; in tests it fails the test
(`egovkit.testing.plugin`), so that the declarations are what the code does and not what somebody believed.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from starlette.types import Scope

from egovkit.log import get_logger

_log = get_logger("egovkit.declared")
_ATTRIBUTE = "__egov_declared__"
T = TypeVar("T", bound=Callable[..., Any])

ALWAYS = ("request.malformed", "service.internal")
WITH_INPUT = ("request.invalid",)
WITH_BODY = ("request.too_large",)
WITH_JSON = ("request.malformed_json", "request.media_type")
KEYED = ("idempotency.key_invalid", "idempotency.key_reused", "idempotency.in_progress")
KEY_MISSING = "idempotency.key_missing"
# Starlette's answer to a method no call of this address has: it belongs to no call.
_OF_NO_CALL = frozenset({"request.method_not_allowed"})


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a caller proves who he is: a security scheme of the document. `texts`: its description by language."""

    name: str
    definition: Mapping[str, str]
    texts: Mapping[str, str]


def bearer(name: str, form: str, **texts: str) -> Scheme:
    """`Authorization: Bearer`."""
    return Scheme(name, {"type": "http", "scheme": "bearer", "bearerFormat": form}, texts)


@dataclass(frozen=True, slots=True)
class Declared:
    codes: frozenset[str] = frozenset()
    schemes: tuple[Scheme, ...] = ()
    keyed: bool | None = None  # takes an Idempotency-Key; True: has to have one
    limits: Mapping[str, Any] = field(default_factory=dict)

    def with_(self, other: Declared) -> Declared:
        schemes = (*self.schemes, *(one for one in other.schemes if one not in self.schemes))
        key = self.keyed if other.keyed is None else other.keyed
        return Declared(self.codes | other.codes, schemes, key, {**self.limits, **other.limits})


@dataclass(frozen=True, slots=True)
class Undeclared:
    """A problem a call answered with and does not declare."""

    call: str
    code: str
    endpoint: Callable[..., Any]

    def __str__(self) -> str:
        place = inspect.unwrap(self.endpoint)
        path, line = place.__code__.co_filename, place.__code__.co_firstlineno
        return (
            f'{self.call} answered "{self.code}", which its OpenAPI document does not name: add "{self.code}" to '
            f"@refuses(...) (egovkit.declared) under the route of {place.__qualname__}, "
            f"{os.path.relpath(path)}:{line} - or, where a dependency shared by many calls raises it, above that "
            "dependency - then run `egov contracts write`"
        )


on_undeclared: list[Callable[[Undeclared], None]] = []


def refuses(*codes: str) -> Callable[[T], T]:
    """The problems a call, or a dependency of calls, may answer with."""
    return _adding(Declared(codes=frozenset(codes)))


def guards(scheme: Scheme, *codes: str) -> Callable[[T], T]:
    """For what proves who calls: the scheme, and the problems it answers with. Several: all are needed."""
    return _adding(Declared(codes=frozenset(codes), schemes=(scheme,)))


def limited(**limits: Any) -> Callable[[T], T]:
    """Limits a caller has to know and no schema shows, from the constants of the code: `x-limits`."""
    return _adding(Declared(limits=limits))


def keyed(call: T) -> T:
    """The call has to have an Idempotency-Key."""
    return _adding(Declared(codes=frozenset((KEY_MISSING, *KEYED)), keyed=True))(call)


def may_be_keyed(call: T) -> T:
    """The call takes an Idempotency-Key, and does without."""
    return _adding(Declared(codes=frozenset(KEYED), keyed=False))(call)


def _adding(more: Declared) -> Callable[[T], T]:
    def add(call: T) -> T:
        setattr(call, _ATTRIBUTE, _own(call).with_(more))
        return call

    return add


def _own(call: Any) -> Declared:
    found = getattr(call, _ATTRIBUTE, None)
    if found is None:  # an object that is called: its method says it
        found = getattr(getattr(type(call), "__call__", None), _ATTRIBUTE, None)  # noqa: B004
    return found if isinstance(found, Declared) else Declared()


def declared(route: Any) -> Declared:
    """All that holds for a call: what it says, what its dependencies say, what the kit does for every call."""
    found = Declared()
    for call in _calls(route.dependant):
        found = found.with_(_own(call))
    codes = {*found.codes, *ALWAYS}
    if _has_input(route):
        codes |= {*WITH_INPUT}
    if json := route.body_field is not None:
        codes |= {*WITH_JSON}
    if json or "requestBody" in (route.openapi_extra or {}):
        codes |= {*WITH_BODY}
    return replace(found, codes=frozenset(codes))


def _calls(dependant: Any) -> Iterator[Any]:
    for dependency in dependant.dependencies:
        yield from _calls(dependency)
    yield dependant.call


def _has_input(route: Any) -> bool:
    def takes(dependant: Any) -> bool:
        own = (dependant.path_params, dependant.query_params, dependant.header_params, dependant.cookie_params)
        return any(own) or any(takes(one) for one in dependant.dependencies)

    return route.body_field is not None or takes(route.dependant)


def answered(scope: Scope, code: str) -> None:
    """A problem goes out for this request: says so when its call does not declare it."""
    route = effective_route(scope)
    if getattr(route, "dependant", None) is None or not route.include_in_schema or code in _OF_NO_CALL:
        return
    if code in declared(route).codes:
        return
    _log.warning("problem.undeclared", route=route_of(scope), code=code)
    for hear in on_undeclared:
        hear(Undeclared(f"{scope['method']} {route_of(scope)}", code, route.endpoint))


def effective_route(scope: Scope) -> Any:
    """The route as mounted (FastAPI keeps an included router's routes apart from their prefixed form)."""
    context = scope.get("fastapi", {}).get("effective_route_context")
    return context if context is not None else scope.get("route")


def route_of(scope: Scope) -> str:
    """The template of the matched route, e.g. /v1/cases/{id}; "unmatched" for everything else."""
    return str(getattr(effective_route(scope), "path", None) or "unmatched")
