"""What would have been accepted instead of what was refused: read from the problem's own facts and the contracts.

Nothing is guessed: where these do not tell, there is no near miss.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from egovkit.contracts import contracts_dir, read_yaml
from egovkit.sandbox.exchange_facts import CASE_REFUSED

if TYPE_CHECKING:
    from egovlaw.catalogue import Catalogue
    from sandbox.exchange_log import Exchange

PREFIX, SUFFIX = "kz.egov.", ".v1"


@dataclass(frozen=True)
class Refused:
    """A refusal: `about` is the envelope that was refused, as far as it is known, `params` what the problem gives."""

    record: Mapping[str, Any]
    code: str
    params: Mapping[str, Any]
    about: Mapping[str, Any]

    def fact(self, name: str) -> str:
        return str(self.params.get(name) or self.about.get(name) or "")

    @cached_property
    def law(self) -> Catalogue:
        from sandbox.replay.reading import the_law

        return the_law()


def near_miss(one: Exchange, about: Mapping[str, Any]) -> str | None:
    """A sentence without its full stop, or None."""
    if one.facts["medium"] == "bus" and one.facts["outcome"] in ("unroutable", "forbidden"):
        return _queue(one.facts)
    reason = one.facts.get("reason")
    if reason is None:
        return None
    refused = Refused(one.facts, reason["code"], reason["params"], about)
    for teller in (BY_CODE.get(refused.code), _expected, _fields):
        if teller is not None and (found := teller(refused)) is not None:
            return found
    return None


def clause_of(one: Exchange) -> str | None:
    """Where the act has the step in which a provider refused: his message tells his ground, not the clause."""
    from sandbox.replay.reading import the_law

    about = one.envelope
    if about.get("type") != CASE_REFUSED:
        return None
    regulation = the_law().regulation(about.get("regulation", ""))
    channel = None if regulation is None else regulation.channels.get(about.get("channel", ""))
    item = None if channel is None else channel.item(about.get("step", ""))
    return None if item is None else item.clause


def nearest(name: str, known: Iterable[str]) -> str | None:
    found = difflib.get_close_matches(name, list(known), 1, 0.6)
    return found[0] if found else None


def _nearest(what: str, name: str, known: Iterable[str]) -> str | None:
    found = nearest(name, known) if name else None
    return None if found is None or found == name else f"the nearest {what} is {found}"


# --- what the problem says itself


def _expected(refused: Refused) -> str | None:
    """What is allowed now, as the problem lists it."""
    value = refused.params.get("expected") or refused.params.get("allowed")
    if not value or value == "-":
        return None
    if not isinstance(value, list):
        return f"accepted: {value}"
    return f"accepted now: {', '.join(map(_message, value))}"


def _message(value: Any) -> str:
    if isinstance(value, list | tuple) and len(value) == 2:
        return f"{_short(str(value[0]))} for {value[1]}"
    return str(value)


def _short(type_: str) -> str:
    return type_.removeprefix(PREFIX).removesuffix(SUFFIX)


def _fields(refused: Refused) -> str | None:
    """Of the fields that are named as wrong: those missing, and for unknown ones the nearest that is known."""
    errors = refused.params.get("errors")
    if not isinstance(errors, list):
        return None
    missing = [str(one["field"]) for one in errors if one.get("code") == "missing"]
    parts = [f"missing: {', '.join(missing)}"] if missing else []
    known = _fields_of(refused)
    for one in errors:
        if one.get("code") == "unknown" and (found := nearest(str(one["field"]).split(".")[-1], known)):
            parts.append(f"{one['field']} is unknown, the nearest field is {found}")
    wrong = [str(one["field"]) for one in errors if one.get("code") not in ("missing", "unknown")]
    parts += [f"of another form: {', '.join(wrong)}"] if wrong else []
    return "; ".join(parts) or None


def _fields_of(refused: Refused) -> list[str]:
    record = refused.record
    if record["medium"] != "http":
        return []
    path = _template(record["path"], _paths(record["service"]))
    return [] if path is None else _body_fields(record["service"], path, record["method"].lower())


def _late(refused: Refused) -> str | None:
    try:
        used, limit = float(refused.params["used_s"]), float(refused.params["limit_s"])
    except (KeyError, TypeError, ValueError):
        return None
    return f"{used - limit:g} s earlier would have been in time (limit {limit:g} s)" if used > limit else None


def _expired(refused: Refused) -> str | None:
    try:
        received = datetime.fromisoformat(refused.params["received"])
        expires = datetime.fromisoformat(refused.params["expires"])
    except (KeyError, TypeError, ValueError):
        return _late(refused)
    late = (received - expires).total_seconds()
    return f"it came {late:.1f} s after its own expirytime" if late > 0 else None


def _too_large(refused: Refused) -> str | None:
    try:
        size = int(refused.params.get("size") or refused.record["request"]["size"])
        limit = int(refused.params["limit"])
    except (KeyError, TypeError, ValueError):
        return None
    return f"{size - limit} bytes less would have fitted (limit {limit})" if size > limit else f"the limit is {limit}"


# --- what the contracts say


def _queue(facts: Mapping[str, Any]) -> str | None:
    from egovkit.bus.topology import Topology

    topology, queue = Topology.load(contracts_dir()), facts["queue"]
    spec = next((one for one in topology.queues if one.name == queue), None)
    if spec is None:
        return _nearest("queue", queue, topology.names)
    return f"{queue} takes only what {', '.join(spec.writers)} write"


def _regulation(refused: Refused) -> str | None:
    return _nearest("regulation", refused.fact("regulation"), refused.law.by_code)


def _channel(refused: Refused) -> str | None:
    regulation = refused.law.regulation(refused.fact("regulation"))
    if regulation is None:
        return None
    opens = [code for code, channel in regulation.channels.items() if channel.has_flow]
    return f"{regulation.code} gives a flow to: {', '.join(opens)}"


def _region(refused: Refused) -> str | None:
    regulation = refused.law.regulation(refused.fact("regulation"))
    if regulation is not None:
        return f"the region of {regulation.code} is {regulation.region}"
    known = read_yaml(contracts_dir() / "regions.yaml")["regions"]
    return _nearest("region", refused.fact("region"), known)


def _type(refused: Refused) -> str | None:
    from egovkit.messages import MessageRegister

    return _nearest("type", refused.fact("type"), [spec.type for spec in MessageRegister.load(contracts_dir())])


def _parties(refused: Refused) -> str | None:
    from egovkit.messages import MessageRegister

    spec = MessageRegister.load(contracts_dir()).get(refused.fact("type"))
    if spec is None:
        return None
    return f"{spec.name} goes from {' or '.join(spec.from_kinds)} to {' or '.join(spec.to_kinds)}"


def _recipient(refused: Refused) -> str | None:
    listed = read_yaml(contracts_dir() / "participants.yaml")["participants"]
    return _nearest("participant", refused.fact("recipient"), [one["code"] for one in listed])


def _step(refused: Refused) -> str | None:
    """What is accepted now; a step the channel does not have is said besides."""
    regulation = refused.law.regulation(refused.fact("regulation"))
    channel = None if regulation is None else regulation.channels.get(refused.fact("channel"))
    step, found = refused.fact("step"), _expected(refused)
    if channel is not None and step and channel.item(step) is None:
        close = _nearest("step", step, channel.by_label)
        found = "; ".join(part for part in (close, found) if part) or None
    return found


def _attribute(refused: Refused) -> str | None:
    from egovkit.envelope import Envelope

    given = str(refused.params.get("attributes", "")).split(", ")
    known = [*Envelope.__dataclass_fields__, "specversion", "datacontenttype"]
    pairs = [(name, nearest(name, known)) for name in given]
    return "; ".join(f"{name} is unknown, the nearest attribute is {close}" for name, close in pairs if close) or None


def _path(refused: Refused) -> str | None:
    record = refused.record
    if record["medium"] != "http":
        return None
    paths = _paths(record["service"])
    if _template(record["path"], paths) is not None:
        return None  # the address is known: what it names is not there
    return _nearest("address", record["path"], paths)


def _method(refused: Refused) -> str | None:
    paths = _paths(refused.record["service"])
    path = _template(refused.record["path"], paths)
    return None if path is None else f"{path} takes {', '.join(method.upper() for method in sorted(paths[path]))}"


# --- the services' own documents


@cache
def _document(service: str) -> Mapping[str, Any]:
    path = contracts_dir() / "openapi" / f"{service}.openapi.yaml"
    if not path.is_file():
        return {}
    found: dict[str, Any] = read_yaml(path)
    return found


def _paths(service: str) -> dict[str, dict[str, Any]]:
    return dict(_document(service).get("paths", {}))


def _template(path: str, templates: Iterable[str]) -> str | None:
    """The one that an address fits."""
    parts = path.rstrip("/").split("/")
    fitting = [one for one in templates if _fits(parts, one.rstrip("/").split("/"))]
    return min(fitting, key=lambda one: one.count("{"), default=None)


def _fits(parts: Sequence[str], template: Sequence[str]) -> bool:
    pairs = zip(parts, template, strict=False)
    return len(parts) == len(template) and all(a == b or b.startswith("{") for a, b in pairs)


def _body_fields(service: str, path: str, method: str) -> list[str]:
    document = _document(service)
    called = document["paths"][path].get(method, {})
    schema = called.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    name = str(schema.get("$ref", "")).rsplit("/", 1)[-1]
    known = document.get("components", {}).get("schemas", {}).get(name, schema)
    return list(known.get("properties", {}))


BY_CODE: Mapping[str, Callable[[Refused], str | None]] = {
    "request.not_found": _path,
    "request.method_not_allowed": _method,
    "request.too_large": _too_large,
    "envelope.too_large": _too_large,
    "envelope.unknown_attribute": _attribute,
    "route.unknown_regulation": _regulation,
    "route.unknown_channel": _channel,
    "route.unknown_region": _region,
    "route.region_mismatch": _region,
    "route.type_unknown": _type,
    "message.type_unknown": _type,
    "route.source_not_allowed": _parties,
    "route.recipient_not_allowed": _parties,
    "route.recipient_unknown": _recipient,
    "order.step_not_allowed": _step,
    "time.late": _late,
    "time.expired": _expired,
    "service.not_found": _regulation,
}
