"""The envelope: one message of the bus, a CloudEvents 1.0 document in structured JSON mode.

`Envelope` is the content, `WireEnvelope` the exact bytes with the signatures made over them. Bytes are never
re-encoded on the way: what the sender signed is what the gateway journals and the recipient verifies.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any

from egovkit import strictjson
from egovkit.errors import EgovError, FieldError
from egovkit.ids import UUID7, is_uuid7

__all__ = ["MAX_ENVELOPE", "MAX_RECEIPTS", "NOT_APPLICABLE", "Envelope", "WireEnvelope", "json_schema"]

# 256 KiB of exact raw bytes: an application carries its document and the person's CMS signature with
# certificates in base64 (30-60 KB in life); attachments travel outside the broker. RabbitMQ keeps a quorum
# queue's bodies in memory.
MAX_ENVELOPE = 256 * 1024
# the longest path passes four gateways; the rest is room, not a way to make us verify for ever
MAX_RECEIPTS = 8
# regulation, channel, step or region of a message that belongs to no regulation (member list)
NOT_APPLICABLE = "-"
MAX_CASESEQ = 2**31 - 1  # CloudEvents 1.0, 2.2: an Integer attribute is a signed 32-bit number

CONTENT_TYPE = "application/cloudevents+json"
SIGNATURE_HEADER = "egov-signature"
RECEIPT_HEADER = "egov-receipt"
TRACE_HEADER = "traceparent"

_CODE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LABEL = re.compile(r"-|[A-Za-z0-9][A-Za-z0-9._-]*")
_TYPE = re.compile(r"kz\.egov\.[a-z][a-z_]*(\.[a-z][a-z_]*)*\.v[1-9][0-9]*")
_URI = re.compile(r"[a-z][a-z0-9+.-]*:[!-~]+")
_PRINTABLE = re.compile(r"[!-~]+")
_TRACE = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_MOMENT = re.compile(
    # RFC 3339, 5.6; upper-case T and Z only
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)",
    re.ASCII,
)

_PATTERNS: Mapping[str, tuple[re.Pattern[str], int]] = {
    "source": (_CODE, 64),
    "recipient": (_CODE, 64),
    "type": (_TYPE, 128),
    "dataschema": (_URI, 256),
    "regulation": (_LABEL, 64),
    "channel": (_LABEL, 64),
    "step": (_LABEL, 64),
    "region": (_LABEL, 64),
    "traceparent": (_TRACE, 55),
    "correlationid": (_PRINTABLE, 128),
    "causationid": (_PRINTABLE, 128),
}
_FIXED = {"specversion": "1.0", "datacontenttype": "application/json"}
_UUIDS = ("id", "subject")
_OPTIONAL = frozenset({"traceparent", "correlationid", "causationid", "expirytime"})
_REQUIRED = frozenset({*_FIXED, *_UUIDS, *_PATTERNS, "time", "caseseq", "data"}) - _OPTIONAL
_KNOWN = _REQUIRED | _OPTIONAL


@dataclass(frozen=True, slots=True)
class Envelope:
    """The attributes and data of one message.

    `id` and `subject` (the case) are UUIDv7; `source` and `recipient` participants' codes; `caseseq` counts
    the envelopes of this source within this case. Times are aware; the wire carries whole milliseconds.
    `specversion` 1.0 and `datacontenttype` application/json are implied here and required on the wire.
    """

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    dataschema: str
    recipient: str
    regulation: str
    channel: str
    step: str
    region: str
    caseseq: int
    data: dict[str, Any]
    traceparent: str | None = None
    correlationid: str | None = None
    causationid: str | None = None
    expirytime: datetime | None = None

    def encode(self) -> bytes:
        """The bytes to sign and send: compact UTF-8 JSON, times in RFC 3339 with milliseconds and Z.

        EgovError as in `parse`: an envelope that its receiver would refuse is not sent in the first place.
        """
        document: dict[str, Any] = {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": _moment_text(self.time),
            "datacontenttype": "application/json",
            "dataschema": self.dataschema,
            "recipient": self.recipient,
            "regulation": self.regulation,
            "channel": self.channel,
            "step": self.step,
            "region": self.region,
            "caseseq": self.caseseq,
        }
        for name in ("traceparent", "correlationid", "causationid"):
            if (value := getattr(self, name)) is not None:
                document[name] = value
        if self.expirytime is not None:
            document["expirytime"] = _moment_text(self.expirytime)
        document["data"] = self.data
        _refuse_bad_attributes(document)
        raw = strictjson.dumps(document)
        if len(raw) > MAX_ENVELOPE:
            raise EgovError("envelope.too_large", size=len(raw), limit=MAX_ENVELOPE)
        return raw

    @staticmethod
    def parse(raw: bytes) -> Envelope:
        """Read the exact bytes of an envelope, strictly.

        1. at most MAX_ENVELOPE bytes                    EgovError("envelope.too_large")
        2. UTF-8, one JSON object, no duplicate names,
           at most 32 levels, no NUL                     EgovError("envelope.malformed")
        3. no attribute we don't know                    EgovError("envelope.unknown_attribute")
        4. every required one there, each of its form    EgovError("envelope.attribute_invalid"), errors per field
        """
        if len(raw) > MAX_ENVELOPE:
            raise EgovError("envelope.too_large", size=len(raw), limit=MAX_ENVELOPE)
        try:
            document = strictjson.loads(raw)
        except strictjson.StrictJsonError as error:
            raise EgovError("envelope.malformed", **error.told) from None
        if not isinstance(document, dict):
            raise EgovError("envelope.malformed", reason="not_object")
        if unknown := document.keys() - _KNOWN:
            names = sorted(name[:64] for name in unknown)[:10]
            raise EgovError("envelope.unknown_attribute", attributes=", ".join(names))
        _refuse_bad_attributes(document)
        document.pop("specversion")
        document.pop("datacontenttype")
        document["time"] = _moment(document["time"])
        if "expirytime" in document:
            document["expirytime"] = _moment(document["expirytime"])
        return Envelope(**document)


@dataclass(frozen=True, slots=True)
class WireEnvelope:
    """An envelope as it travels: the exact bytes, the sender's detached JWS, the gateways' receipts in order
    of passage."""

    raw: bytes
    signature: str
    receipts: tuple[str, ...] = ()
    traceparent: str | None = None

    @staticmethod
    def of(body: bytes, headers: Mapping[str, str]) -> WireEnvelope:
        """From an AMQP or HTTP body and its headers (names in any case).

        EgovError("signature.missing") without `egov-signature`; EgovError("receipt.invalid") for more than
        MAX_RECEIPTS receipts. Nothing is verified here.
        """
        lower = {name.lower(): value for name, value in headers.items()}
        signature = lower.get(SIGNATURE_HEADER, "")
        if not signature:
            raise EgovError("signature.missing")
        receipts = tuple(part for item in lower.get(RECEIPT_HEADER, "").split(",") if (part := item.strip()))
        if len(receipts) > MAX_RECEIPTS:
            raise EgovError("receipt.invalid", reason="too_many_receipts")
        trace = lower.get(TRACE_HEADER)
        return WireEnvelope(body, signature, receipts, trace if trace and _TRACE.fullmatch(trace) else None)

    def headers(self) -> dict[str, str]:
        """The headers that go beside the body, the same on AMQP and HTTP."""
        found = {"content-type": CONTENT_TYPE, SIGNATURE_HEADER: self.signature}
        if self.receipts:
            found[RECEIPT_HEADER] = ",".join(self.receipts)
        if self.traceparent:
            found[TRACE_HEADER] = self.traceparent
        return found

    def with_receipt(self, receipt: str) -> WireEnvelope:
        """The same envelope after one more gateway."""
        return WireEnvelope(self.raw, self.signature, (*self.receipts, receipt), self.traceparent)

    @property
    def sha256(self) -> str:
        """SHA-256 of the exact bytes, lower-case hexadecimal: what receipts and the journal name."""
        return hashlib.sha256(self.raw).hexdigest()


def json_schema() -> dict[str, Any]:
    """The form of an envelope for those who have no parser of ours. What it cannot say stands in its description;
    whether a day exists is told by `format`, which a validator has to be asked to check."""
    texts: dict[str, Any] = {name: {"const": value} for name, value in _FIXED.items()}
    texts |= {name: {"pattern": _whole(UUID7)} for name in _UUIDS}
    texts |= {name: {"pattern": _whole(form), "maxLength": longest} for name, (form, longest) in _PATTERNS.items()}
    texts |= {name: {"format": "date-time", "pattern": _whole(_MOMENT)} for name in ("time", "expirytime")}
    properties: dict[str, Any] = {name: {"type": "string", **rule} for name, rule in texts.items()}
    properties["caseseq"] = {"type": "integer", "minimum": 0, "maximum": MAX_CASESEQ}
    properties["data"] = {"type": "object"}
    order = [one.name for one in fields(Envelope)]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:egov:schema:envelope.v1",
        "title": "Envelope",
        "description": f"A CloudEvents 1.0 document in structured JSON mode: at most {MAX_ENVELOPE} bytes of UTF-8, "
        f"{strictjson.MAX_DEPTH} levels, no name twice, no NUL, caseseq without a fraction.",
        "type": "object",
        "additionalProperties": False,
        "required": [*_FIXED, *(name for name in order if name in _REQUIRED)],
        "properties": {name: properties[name] for name in (*_FIXED, *order)},
        "x-limits": {"bytes": MAX_ENVELOPE, "receipts": MAX_RECEIPTS},
    }


def _whole(pattern: re.Pattern[str]) -> str:
    """As ECMA-262 has it: of the whole text, and digits written out, because \\d means more to some."""
    return f"^(?:{pattern.pattern})$".replace(r"\d", "[0-9]")


def _refuse_bad_attributes(document: Mapping[str, Any]) -> None:
    problems = [FieldError(name, "missing", "required") for name in sorted(_REQUIRED - document.keys())]
    problems += [found for name, value in document.items() if (found := _problem(name, value))]
    if problems:
        names = ", ".join(one.field for one in problems)
        raise EgovError("envelope.attribute_invalid", errors=problems, attributes=names)


def _problem(name: str, value: Any) -> FieldError | None:
    """What is wrong with one attribute, or None."""
    if name == "data":
        return None if isinstance(value, dict) else FieldError(name, "wrong_type", "a JSON object is expected")
    if name == "caseseq":
        if type(value) is not int:  # not isinstance: Python counts true as an integer
            return FieldError(name, "wrong_type", "an integer is expected")
        limits = {"limit": MAX_CASESEQ}
        return None if 0 <= value <= MAX_CASESEQ else FieldError(name, "out_of_range", "out of range", limits)
    if not isinstance(value, str):
        return FieldError(name, "wrong_type", "a string is expected")
    if name in _FIXED:
        return None if value == _FIXED[name] else FieldError(name, "not_allowed", f"must be {_FIXED[name]}")
    return None if _is_of_form(name, value) else FieldError(name, "wrong_form", "not of the contract's form")


def _is_of_form(name: str, text: str) -> bool:
    if name in _UUIDS:
        return is_uuid7(text)
    if name in ("time", "expirytime"):
        return _moment_or_none(text) is not None
    pattern, longest = _PATTERNS[name]
    return len(text) <= longest and pattern.fullmatch(text) is not None


def _moment_or_none(text: str) -> datetime | None:
    match = _MOMENT.fullmatch(text)
    if match is None:
        return None
    seconds, fraction, zone = match.groups()
    micros = f".{fraction[:6]:0<6}" if fraction else ""  # finer than a microsecond is cut, not refused
    try:
        return datetime.fromisoformat(seconds + micros + ("+00:00" if zone == "Z" else zone)).astimezone(UTC)
    except (ValueError, OverflowError):  # 30 February; the year 1 in a zone east of Greenwich
        return None


def _moment(text: str) -> datetime:
    found = _moment_or_none(text)
    assert found is not None, "checked before"
    return found


def _moment_text(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise ValueError("an envelope's times are aware")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
