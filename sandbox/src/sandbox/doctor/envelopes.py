"""An envelope: its form, its data field by field, its way, its order and its time, as the gateways judge them."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from egovgateway.domain import GRACE
from egovkit import strictjson
from egovkit.envelope import Envelope
from egovkit.errors import EgovError
from egovkit.messages import MessageSpec
from egovkit.signatures.documents import DocumentSignatures
from egovlaw.catalogue import Channel
from egovlaw.flow import OrderRefused, TrailStep, judge_order, states
from egovlaw.identifiers import bin_problem, iin_problem
from egovlaw.routing import Party, judge_route
from gateway_shep.domain import read_trail
from sandbox.composition import RSHEP, SHEP
from sandbox.doctor.known import Known
from sandbox.doctor.report import Report, nearest
from sandbox.doctor.signing import check_signature
from sandbox.doctor.things import BOM, Letter

ATTRIBUTES = {"specversion", "datacontenttype", *(one.name for one in dataclasses.fields(Envelope))}
TELLING = ("order.trail_broken", "order.step_not_allowed")  # of the refusals of all states, the one to tell
OF_GATEWAYS = ("gateway", "national_gateway", "regional_gateway")


async def check_envelope(letter: Letter, known: Known, report: Report) -> None:
    envelope = _form(letter.raw, report)
    if envelope is not None:
        report.what = (
            f"an envelope, {envelope.type} from {envelope.source} to {envelope.recipient}, {len(letter.raw)} bytes"
        )
        spec = known.messages.get(envelope.type)
        good_data = spec is not None and _data(envelope, known, report)
        _route(envelope, spec, known, report, good_data=good_data)
        _time(envelope, spec, letter, known, report)
        for where, problem in _numbers(envelope.data, "data"):
            report.find(problem, where)
        await _person(envelope, known, report)
    check_signature(letter, envelope.source if envelope else None, known, report)


def _form(raw: bytes, report: Report) -> Envelope | None:
    """The envelope, read as its receiver would, or else as well as it can be read."""
    report.what = f"meant to be an envelope, {len(raw)} bytes"
    try:
        return Envelope.parse(raw)
    except EgovError as error:
        near: tuple[str, ...] = ()
        if error.code == "envelope.unknown_attribute":
            names = str(error.params["attributes"]).split(", ")
            near = tuple(one for name in names for one in nearest(name, ATTRIBUTES))
        report.find(error, "envelope" if error.code == "envelope.malformed" else "", near)
    if raw.startswith(BOM):
        return _again(raw.removeprefix(BOM))
    return _again(_without_strangers(raw))


def _again(raw: bytes | None) -> Envelope | None:
    try:
        return Envelope.parse(raw) if raw is not None else None
    except EgovError:
        return None


def _without_strangers(raw: bytes) -> bytes | None:
    try:
        document = strictjson.loads(raw)
    except strictjson.StrictJsonError:
        return None
    if not isinstance(document, dict):
        return None
    return strictjson.dumps({name: value for name, value in document.items() if name in ATTRIBUTES})


def _data(envelope: Envelope, known: Known, report: Report) -> bool:
    try:
        known.messages.check(envelope.type, envelope.data)
    except EgovError as error:
        report.find(error, "data")
        return False
    return True


def _route(envelope: Envelope, spec: MessageSpec | None, known: Known, report: Report, *, good_data: bool) -> None:
    if spec is not None and all(kind in OF_GATEWAYS for kind in spec.from_kinds):
        return  # a gateway's own word: it has no way of the act's
    law = known.catalogue.regulation(envelope.regulation)
    channel = law.channels.get(envelope.channel) if law else None
    origin = channel.origin_kind if channel else "portal"
    source = _party(envelope, "source", _fitting(spec.from_kinds if spec else None, origin), known, report)
    recipient = _party(envelope, "recipient", _fitting(spec.to_kinds if spec else None, origin), known, report)
    refused = judge_route(known.catalogue, spec, envelope, source or Party("", "", (), ()), recipient)
    if refused is not None:
        attribute, names = _names(refused.code, envelope, known)
        error = EgovError(refused.code, clause=refused.clause, **dict[str, Any](refused.params))
        report.find(error, attribute, nearest(getattr(envelope, attribute, ""), names))
        return
    assert spec is not None and channel is not None  # judge_route refuses what is in neither
    if source is not None:
        door = RSHEP if source.regions else SHEP
        report.notes.append(f"{spec.name} may go from {envelope.source} to {envelope.recipient}, through {door}")
    trail = read_trail(envelope) if good_data else ()
    _order(envelope, spec, channel, trail, report)


def _fitting(kinds: Sequence[str] | None, origin: str) -> str:
    """A kind of participant that may stand there."""
    kind = next(iter(kinds or ()), "origin")
    return origin if kind in ("origin", "any") else kind


def _party(envelope: Envelope, where: str, kind: str, known: Known, report: Report) -> Party | None:
    """Who it is; without a list of members somebody unknown may be a partner, and is taken for one that fits. A name
    that is nearly one we know is taken for a slip."""
    code = getattr(envelope, where)
    found = known.parties.get(code)
    if found is not None:
        return found
    near = nearest(code, known.parties)
    if known.members.is_known or near:
        if where == "source":
            report.find(EgovError("participant.unknown", participant=code), where, near)
        else:
            return None  # judge_route says so, with the clause
    else:
        report.notes.append(f"{where} {code!r} is not in this checkout; give --home or --as DIR to have it checked")
    return Party(code, kind, (), ("*",))


def _names(code: str, envelope: Envelope, known: Known) -> tuple[str, Sequence[str]]:
    """The attribute a refusal of the way is about, and the names it may have."""
    law = known.catalogue.regulation(envelope.regulation)
    by_code: dict[str, tuple[str, Sequence[str]]] = {
        "route.type_unknown": ("type", [spec.type for spec in known.messages]),
        "route.unknown_regulation": ("regulation", sorted(known.catalogue.by_code)),
        "route.unknown_channel": ("channel", [c.code for c in law.channels.values() if c.has_flow] if law else ()),
        "route.unknown_region": ("region", sorted(known.catalogue.regions)),
        "route.region_mismatch": ("region", [law.region] if law else ()),
        "route.source_not_allowed": ("source", ()),
        "route.recipient_unknown": ("recipient", sorted(known.parties)),
        "route.recipient_not_allowed": ("recipient", ()),
    }
    return by_code.get(code, ("", ()))


def _order(envelope: Envelope, spec: MessageSpec, channel: Channel, trail: Sequence[TrailStep], report: Report) -> None:
    """Whether there is any state of a case in which the act has this message at this step."""
    refusals = []
    for progress in states(channel):
        judged = judge_order(channel, progress, spec.name, envelope.step, trail)
        if not isinstance(judged, OrderRefused):
            return
        refusals.append(judged)
    worst = next((one for code in TELLING for one in refusals if one.code == code), refusals[0])
    error = EgovError(worst.code, clause=worst.clause, **dict[str, Any](worst.params))
    where = "data.trail" if worst.code == "order.trail_broken" else "step"
    report.find(error, where, nearest(envelope.step, channel.by_label))


def _time(envelope: Envelope, spec: MessageSpec | None, letter: Letter, known: Known, report: Report) -> None:
    if envelope.time > known.at + GRACE:
        report.find(EgovError("time.in_future", time=envelope.time, received=known.at), "time")
    ends, expires = envelope.expirytime, spec is not None and spec.cls in ("request", "submission")
    if letter.receipts or ends is None or not expires:
        return  # what has passed a gateway was judged by its clock
    if ends <= known.at:
        report.find(EgovError("time.expired", expires=ends, received=known.at), "expirytime")


def _numbers(value: Any, where: str) -> Iterator[tuple[str, EgovError]]:
    """ИИН and БИН whose check digit is wrong, wherever they stand. Never quoted."""
    if isinstance(value, dict):
        for name, inner in value.items():
            place = f"{where}.{name}"
            if name == "iin" and isinstance(inner, str) and iin_problem(inner) is not None:
                yield place, EgovError("field.iin_invalid")
            elif name == "bin" and isinstance(inner, str) and bin_problem(inner) is not None:
                yield place, EgovError("doctor.bin_wrong")
            else:
                yield from _numbers(inner, place)
    elif isinstance(value, list):
        for n, inner in enumerate(value):
            yield from _numbers(inner, f"{where}.{n}")


async def _person(envelope: Envelope, known: Known, report: Report) -> None:
    """The person's own signature under an application or a result."""
    document, signature = envelope.data.get("document"), envelope.data.get("signature")
    if not isinstance(document, str) or not isinstance(signature, str) or known.trust is None:
        return
    applicant = envelope.data.get("applicant")
    iin = applicant.get("iin") if isinstance(applicant, dict) else None
    try:
        signed = base64.b64decode(document), base64.b64decode(signature)
        facts = await DocumentSignatures(known.trust).verify(*signed, known.at, iin)
    except EgovError as error:
        report.find(error, "data.signature")
        return
    except ValueError:
        return  # not base64: the schema has said so
    refusal = facts.refusal
    if refusal is not None and not (refusal == "certificate.revocation_unknown" and not known.revocations):
        report.find(EgovError(refusal, thumbprint=facts.signer.thumbprint), "data.signature")
