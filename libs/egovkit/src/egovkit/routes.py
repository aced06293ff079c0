"""`Routes`: a service's calls, with what the kit does for every call, ready to be served as they stand.

    router = Routes(prefix="/v1/cases", tags=["cases"])
    ...
    app.serve(router)

FastAPI's `include_router` would build every call a second time, in each application anew; a call of `Routes` has all it
needs when it is declared, so that a service starts sooner and a process with several worlds keeps one set.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from fastapi import APIRouter, Depends, Request, params  # noqa: TID251

from egovkit import strictjson
from egovkit.declared import effective_route
from egovkit.errors import EgovError
from egovkit.openapi import PROBLEM_RESPONSES

__all__ = ["Routes", "require_json"]


class Routes(APIRouter):
    """`dependencies` come after the kit's own."""

    def __init__(
        self,
        *,
        prefix: str = "",
        tags: list[str | Enum] | None = None,
        dependencies: Sequence[params.Depends] = (),
        include_in_schema: bool = True,
    ) -> None:
        super().__init__(
            prefix=prefix,
            tags=tags,
            dependencies=[Depends(require_json), *dependencies],
            responses=PROBLEM_RESPONSES,
            include_in_schema=include_in_schema,
            generate_unique_id_function=lambda route: route.name,  # stays when a path changes
        )


async def require_json(request: Request) -> None:
    """Before the models look at a JSON body: its media type (415), then what JSON parsers disagree about."""
    field = getattr(effective_route(request.scope), "body_field", None)
    if field is None or isinstance(field.field_info, params.Form):
        return
    body = await request.body()
    if not body:
        return
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise EgovError("request.media_type", expected="application/json", received=media_type[:100] or "-")
    try:
        strictjson.loads(body)
    except strictjson.StrictJsonError as error:
        raise EgovError("request.malformed", **error.told) from None
