"""A service's part in faults by name (`egov faults`).

GET    /v1/sandbox/faults          rules in force, how often each was met and hit
POST   /v1/sandbox/faults          {name, step?, message?, person?, case?, rate?, times?, seed?, parameters?}
DELETE /v1/sandbox/faults?name=    all of them, or those of one name
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import Query, Response, params
from pydantic import BaseModel, ConfigDict, Field

from egovkit.declared import refuses
from egovkit.routes import Routes
from egovkit.sandbox.fault_names import REGISTER
from egovkit.sandbox.faults import Faults, Rule, Wish

PATH = "/v1/sandbox/faults"


class FaultWish(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)
    name: str = Field(max_length=64)
    step: str | None = Field(default=None, max_length=64)
    message: str | None = Field(default=None, max_length=128, description="a message's type")
    person: str | None = Field(default=None, pattern=r"^\d{12}$", description="an ИИН that the data or the call names")
    case: str | None = Field(default=None, max_length=64)
    rate: float = Field(default=1.0, gt=0, le=1, allow_inf_nan=False, description="share of those it meets")
    times: int | None = Field(default=None, ge=1, le=100_000, description="hits, then it rests")
    seed: int = Field(default=0, ge=0, le=2**53)
    parameters: dict[str, float | int | str] = Field(default_factory=dict, max_length=10)


class RuleView(BaseModel):
    id: str
    name: str
    system: str
    place: str = Field(description="where it bites")
    step: str | None = None
    message: str | None = None
    person: str | None = None
    case: str | None = None
    rate: float = 1.0
    times: int | None = None
    seed: int = 0
    parameters: dict[str, Any]
    matched: int | None = Field(description="how many met it; null where a register counts down instead")
    hits: int | None


class RulesView(BaseModel):
    system: str
    rules: list[RuleView]


def faults_router(faults: Faults, guards: Sequence[params.Depends]) -> Routes:
    router = Routes(prefix=PATH, tags=["sandbox"], dependencies=guards)

    @router.get("")
    async def list_rules() -> RulesView:
        kept = await faults.kept()
        rules = [_view(faults, rule) for rule in faults.rules]
        return RulesView(system=faults.code, rules=rules if kept is None else [*rules, _kept_view(faults, kept)])

    @router.post("", status_code=201)
    @refuses("fault.unknown", "fault.not_here", "fault.too_many")
    async def set_rule(wish: FaultWish) -> RuleView:
        rule = await faults.set(Wish(**wish.model_dump()))
        kept = await faults.kept() if rule.place == REGISTER else None
        return _view(faults, rule) if kept is None else _kept_view(faults, kept)

    @router.delete("", status_code=204)
    @refuses("fault.unknown")
    async def clear_rules(name: Annotated[str | None, Query(max_length=64)] = None) -> Response:
        if name is not None:
            faults.names.spec(name)
        await faults.clear(name)
        return Response(status_code=204)

    return router


def _view(faults: Faults, rule: Rule) -> RuleView:
    secret = {name for name, one in rule.spec.parameters.items() if one.secret}
    wish = rule.wish
    return RuleView(
        id=rule.id, name=wish.name, system=faults.code, place=rule.place,
        step=wish.step, message=wish.message, person=_masked(wish.person), case=wish.case,
        rate=wish.rate, times=wish.times, seed=wish.seed,
        parameters={name: value for name, value in rule.parameters.items() if name not in secret},
        matched=rule.matched, hits=rule.hits,
    )  # fmt: skip


def _masked(person: str | None) -> str | None:
    """A list may be shown around; who is meant is known to who set it."""
    return None if person is None else f"{person[:4]}******{person[-2:]}"


def _kept_view(faults: Faults, kept: Mapping[str, Any]) -> RuleView:
    """Of the register's own: it keeps it in its database, for all its replicas."""
    seconds = {} if kept["seconds"] is None else {"seconds": kept["seconds"]}
    return RuleView(
        id=f"{faults.code}-register", name=kept["name"], system=faults.code, place=REGISTER,
        person=_masked(kept["person"]), times=kept["times"], parameters=seconds, matched=None, hits=None,
    )  # fmt: skip
