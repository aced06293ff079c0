"""The envelope: what is read is exactly what was written, and nothing else is read."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from egovkit import strictjson
from egovkit.envelope import MAX_ENVELOPE, MAX_RECEIPTS, NOT_APPLICABLE, Envelope, WireEnvelope, json_schema
from egovkit.errors import EgovError

ENVELOPE = Envelope(
    id="019bbf2c-5800-7abc-8def-0123456789ab",
    source="portal-pep",
    type="kz.egov.case.submitted.v1",
    subject="019bbf2c-5800-7abc-8def-0123456789ac",
    time=datetime(2026, 1, 15, 4, 0, 0, 123000, tzinfo=UTC),
    dataschema="urn:egov:schema:case.submitted.v1",
    recipient="provider-arm",
    regulation="atyrau-housing-queue",
    channel="portal",
    step="P5",
    region="atyrau",
    caseseq=0,
    data={"applicant": {"iin": "991231600012"}},
)
FULL = dataclasses.replace(
    ENVELOPE,
    traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    correlationid="019bbf2c-5800-7abc-8def-0123456789ad",
    causationid="019bbf2c-5800-7abc-8def-0123456789ae",
    expirytime=datetime(2026, 1, 15, 4, 1, tzinfo=UTC),
)


def _document(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(FULL.encode())
    document.update(changes)
    return document


def _raw(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def _refusal(raw: bytes) -> EgovError:
    with pytest.raises(EgovError) as caught:
        Envelope.parse(raw)
    return caught.value


@pytest.mark.parametrize("envelope", [ENVELOPE, FULL], ids=["required only", "all attributes"])
def test_what_is_written_is_read_again(envelope: Envelope) -> None:
    assert Envelope.parse(envelope.encode()) == envelope


def test_it_is_a_cloudevent_in_compact_utf8() -> None:
    document = json.loads(FULL.encode())
    assert document["specversion"] == "1.0" and document["datacontenttype"] == "application/json"
    assert document["time"] == "2026-01-15T04:00:00.123Z"
    assert document["expirytime"] == "2026-01-15T04:01:00.000Z"
    assert FULL.encode() == json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    assert b"traceparent" not in ENVELOPE.encode()


def test_all_kazakh_letters_pass_unescaped() -> None:
    letters = "ӘәҒғҚқҢңӨөҰұҮүҺһІі «Ёё» 𐰴 ₸"
    envelope = dataclasses.replace(ENVELOPE, data={"атауы": letters})
    assert letters.encode() in envelope.encode()
    assert Envelope.parse(envelope.encode()).data == {"атауы": letters}
    escaped = json.dumps(json.loads(envelope.encode())).encode()  # \uXXXX is the same text
    assert Envelope.parse(escaped) == envelope


def test_markup_and_sql_pass_as_text() -> None:
    text = "<script>alert(1)</script>'; DROP TABLE cases; -- \\u0000 as text \t\n"
    envelope = dataclasses.replace(ENVELOPE, data={"text": text})
    assert Envelope.parse(envelope.encode()).data["text"] == text


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-15T09:00:00+05:00", datetime(2026, 1, 15, 4, tzinfo=UTC)),
        ("2026-01-15T04:00:00.1Z", datetime(2026, 1, 15, 4, 0, 0, 100_000, tzinfo=UTC)),
        ("2026-01-15T04:00:00.123456789Z", datetime(2026, 1, 15, 4, 0, 0, 123_456, tzinfo=UTC)),
    ],
)
def test_times_of_other_systems_become_utc(text: str, moment: datetime) -> None:
    assert Envelope.parse(_raw(_document(time=text))).time == moment


def test_a_time_of_another_zone_is_written_in_utc() -> None:
    there = datetime(2026, 1, 15, 9, tzinfo=timezone(timedelta(hours=5)))
    assert json.loads(dataclasses.replace(ENVELOPE, time=there).encode())["time"] == "2026-01-15T04:00:00.000Z"
    with pytest.raises(ValueError, match="aware"):
        dataclasses.replace(ENVELOPE, time=there.replace(tzinfo=None)).encode()


def test_a_message_of_no_regulation_says_so() -> None:
    nowhere: dict[str, Any] = dict.fromkeys(("regulation", "channel", "step", "region"), NOT_APPLICABLE)
    envelope = dataclasses.replace(ENVELOPE, type="kz.egov.members.updated.v1", **nowhere)
    assert Envelope.parse(envelope.encode()) == envelope


def test_one_byte_over_the_limit_is_too_large() -> None:
    room = MAX_ENVELOPE - len(dataclasses.replace(ENVELOPE, data={"x": ""}).encode())
    largest = dataclasses.replace(ENVELOPE, data={"x": "a" * room}).encode()
    assert len(largest) == MAX_ENVELOPE and Envelope.parse(largest).data["x"]
    refusal = _refusal(largest + b" ")
    assert refusal.code == "envelope.too_large"
    assert refusal.params == {"size": MAX_ENVELOPE + 1, "limit": MAX_ENVELOPE}
    with pytest.raises(EgovError, match=r"envelope\.too_large"):
        dataclasses.replace(ENVELOPE, data={"x": "a" * (room + 1)}).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        FULL.encode()[:-1],
        FULL.encode() + b"x",
        FULL.encode() + FULL.encode(),
        b"\xef\xbb\xbf" + FULL.encode(),  # a byte order mark
        FULL.encode().replace(b"atyrau", b"\xd0tyrau"),  # not UTF-8
        FULL.encode().decode().encode("utf-16"),
        FULL.encode().replace(b'"caseseq":0', b'"caseseq":NaN'),
        FULL.encode().replace(b'"caseseq":0', b'"caseseq":18446744073709551616'),  # more than 64 bits
        FULL.encode().replace(b'"caseseq":0', b'"caseseq":1' + b"0" * 5000),
        FULL.encode().replace(b"991231600012", b"\\ud800"),  # half a character
        FULL.encode().replace(b"991231600012", b"a\\u0000b"),
        FULL.encode().replace(b"991231600012", b"a\x00b"),
        FULL.encode().replace(b'"iin"', b"'iin'"),
        FULL.encode().replace(b'"caseseq":0', b'"caseseq":0,//x'),
    ],
)
def test_what_is_not_one_json_object_is_malformed(raw: bytes) -> None:
    assert _refusal(raw).code == "envelope.malformed"


@pytest.mark.parametrize(
    "doubled",
    [
        FULL.encode().replace(b'"recipient"', b'"recipient":"gateway-shep","recipient"'),
        FULL.encode().replace(b'"recipient"', b'"\\u0072ecipient":"gateway-shep","recipient"'),
        FULL.encode().replace(b'"iin"', b'"iin":"1","iin"'),
        FULL.encode().replace(b'"iin":"991231600012"', b'"iin":"991231600012","iin":"991231600012"'),
        _raw(_document(data={"list": [{"a": 1}]})).replace(b'{"a": 1}', b'{"a": 1, "a": 1}'),
    ],
)
def test_a_name_that_occurs_twice_is_malformed(doubled: bytes) -> None:
    refusal = _refusal(doubled)
    assert refusal.code == "envelope.malformed"
    assert refusal.params["reason"] == "name_twice"


def _nested(levels: int) -> Any:
    return {} if levels == 1 else {"x": _nested(levels - 1)}


def test_nesting_is_bounded() -> None:
    assert Envelope.parse(_raw(_document(data=_nested(31)))).data
    assert _refusal(_raw(_document(data=_nested(32)))).code == "envelope.malformed"
    brackets = FULL.encode().replace(b'"991231600012"', b"[" * 50_000 + b"]" * 50_000)
    assert _refusal(brackets).code == "envelope.malformed"


def test_an_unknown_attribute_is_named() -> None:
    refusal = _refusal(_raw(_document(partitionkey="x", data_base64="eA==")))
    assert refusal.code == "envelope.unknown_attribute"
    assert refusal.params["attributes"] == "data_base64, partitionkey"


REQUIRED = sorted(json.loads(ENVELOPE.encode()))


@pytest.mark.parametrize("name", REQUIRED)
def test_every_required_attribute_is_missed_by_name(name: str) -> None:
    document = _document()
    del document[name]
    refusal = _refusal(_raw(document))
    assert refusal.code == "envelope.attribute_invalid"
    assert [(one.field, one.code) for one in refusal.errors] == [(name, "missing")]


@pytest.mark.parametrize("name", sorted(json.loads(FULL.encode())))
@pytest.mark.parametrize("value", [None, True, [], 1.5, {}, 7, ""], ids=repr)
def test_every_attribute_has_its_type(name: str, value: Any) -> None:
    if (name == "data" and value == {}) or (name == "caseseq" and value == 7):
        return
    refusal = _refusal(_raw(_document(**{name: value})))
    assert refusal.code == "envelope.attribute_invalid"
    assert [one.field for one in refusal.errors] == [name]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("specversion", "0.3"),
        ("datacontenttype", "text/plain"),
        ("id", "019bbf2c-5800-4abc-8def-0123456789ab"),
        ("id", FULL.id.upper()),
        ("subject", "case-1"),
        ("subject", FULL.subject + "\n"),
        ("source", "Portal-PEP"),
        ("source", "портал"),
        ("source", "a" * 65),
        ("recipient", "provider_arm"),
        ("recipient", "-"),
        ("type", "com.example.case.v1"),
        ("type", "kz.egov.case.submitted"),
        ("type", "kz.egov.case.submitted.v0"),
        ("dataschema", "case.submitted"),
        ("dataschema", "urn:a b"),
        ("region", "../../etc"),
        ("step", "P5 "),
        ("step", "П5"),
        ("channel", "a" * 65),
        ("caseseq", -1),
        ("caseseq", 2**31),
        ("time", "2026-01-15 04:00:00Z"),
        ("time", "2026-01-15T04:00:00"),
        ("time", "2026-02-30T04:00:00Z"),
        ("time", "2026-01-15T24:00:01Z"),
        ("time", "0001-01-01T00:00:00+05:00"),
        ("time", "２０２６-01-15T04:00:00Z"),
        ("expirytime", "tomorrow"),
        ("traceparent", "00-" + "0" * 32 + "-b7ad6b7169203331-01"),
        ("traceparent", "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("correlationid", "with space"),
        ("causationid", "a" * 129),
    ],
)
def test_every_attribute_has_its_form(name: str, value: Any) -> None:
    refusal = _refusal(_raw(_document(**{name: value})))
    assert refusal.code == "envelope.attribute_invalid"
    assert [one.field for one in refusal.errors] == [name]


def test_all_wrong_attributes_are_reported_at_once() -> None:
    refusal = _refusal(_raw(_document(id="x", step="", data=[])))
    assert {one.field for one in refusal.errors} == {"id", "step", "data"}


def test_an_envelope_that_would_be_refused_is_not_written() -> None:
    with pytest.raises(EgovError, match=r"envelope\.attribute_invalid"):
        dataclasses.replace(ENVELOPE, source="Portal").encode()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused_with_a_code(raw: bytes) -> None:
    assert _refusal(raw).code.startswith("envelope.")


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
VALUES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXTS | st.lists(TEXTS, max_size=3)
UNHURRIED = settings(max_examples=60, deadline=None)  # a busy machine must not fail a test of content


@UNHURRIED
@given(st.dictionaries(TEXTS, VALUES | st.dictionaries(TEXTS, VALUES, max_size=3), max_size=4))
def test_data_comes_back_as_it_went(data: dict[str, Any]) -> None:
    assert Envelope.parse(dataclasses.replace(ENVELOPE, data=data).encode()).data == data
    assert Envelope.parse(json.dumps(_document(data=data)).encode()).data == data


def test_headers_carry_signature_receipts_and_trace() -> None:
    wire = WireEnvelope(b"{}", "a..b", ("r1", "r2"), FULL.traceparent)
    headers = wire.headers()
    assert headers["content-type"] == "application/cloudevents+json"
    assert headers["egov-receipt"] == "r1,r2"
    assert WireEnvelope.of(b"{}", {name.title(): value for name, value in headers.items()}) == wire
    plain = WireEnvelope(b"{}", "a..b").headers()
    assert plain == {"content-type": "application/cloudevents+json", "egov-signature": "a..b"}


def test_a_receipt_is_added_behind_the_others() -> None:
    wire = WireEnvelope(b"{}", "a..b").with_receipt("r1").with_receipt("r2")
    assert wire.receipts == ("r1", "r2") and wire.raw == b"{}"


def test_an_unsigned_envelope_is_refused() -> None:
    for headers in ({}, {"egov-signature": ""}):
        with pytest.raises(EgovError, match=r"signature\.missing"):
            WireEnvelope.of(b"{}", headers)


def test_too_many_receipts_are_refused() -> None:
    many = {"egov-signature": "a..b", "egov-receipt": ",".join(["r"] * (MAX_RECEIPTS + 1))}
    with pytest.raises(EgovError, match=r"receipt\.invalid"):
        WireEnvelope.of(b"{}", many)


def test_a_broken_trace_header_is_left_out() -> None:
    assert WireEnvelope.of(b"{}", {"egov-signature": "a..b", "traceparent": "x"}).traceparent is None


def test_the_hash_is_of_the_exact_bytes() -> None:
    assert WireEnvelope(b"", "x").sha256 == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_strict_json_accepts_a_backslash_before_u0000() -> None:
    assert strictjson.loads(rb'"\\u0000"') == "\\u0000"
    with pytest.raises(strictjson.StrictJsonError, match="nul_character"):
        strictjson.loads(rb'"\\\u0000"')


SCHEMA = jsonschema_rs.Draft202012Validator(json_schema(), validate_formats=True)
LONG = "a" * 65


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"time": "2026-01-15T04:00:00Z"},
        {"time": "2026-01-15T09:00:00.123456789+05:00"},
        {"regulation": "-", "channel": "-", "step": "-", "region": "-"},
        {"caseseq": 2**31 - 1},
        {"data": {}},
        {"correlationid": "!~"},
    ],
)
def test_what_the_parser_reads_the_schema_allows(changes: dict[str, Any]) -> None:
    Envelope.parse(_raw(_document(**changes)))
    assert SCHEMA.is_valid(_document(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        *({name: None} for name in _document()),
        {"specversion": "1.1"},
        {"datacontenttype": "text/xml"},
        {"id": "019BBF2C-5800-7ABC-8DEF-0123456789AB"},
        {"subject": "019bbf2c-5800-4abc-8def-0123456789ac"},
        {"source": "Portal"},
        {"source": LONG},
        {"recipient": "a--b"},
        {"type": "kz.egov.case.submitted"},
        {"type": "kz.egov.case.submitted.v0"},
        {"dataschema": "no scheme"},
        {"step": "P5\n"},
        {"region": ""},
        {"traceparent": "00-00000000000000000000000000000000-b7ad6b7169203331-01"},
        {"correlationid": "with space"},
        {"causationid": "ә"},
        {"time": "2026-01-15t04:00:00z"},
        {"time": "2026-02-30T04:00:00Z"},
        {"time": "٢٠٢٦-01-15T04:00:00Z"},
        {"time": "2026-01-15T04:00:00"},
        {"expirytime": "tomorrow"},
        {"caseseq": -1},
        {"caseseq": 2**31},
        {"caseseq": True},
        {"caseseq": "1"},
        {"data": []},
        {"more": "1"},
    ],
    ids=str,
)
def test_what_the_parser_refuses_the_schema_refuses_too(changes: dict[str, Any]) -> None:
    _refusal(_raw(_document(**changes)))
    assert not SCHEMA.is_valid(_document(**changes))


@pytest.mark.parametrize("name", json.loads(FULL.encode()))
def test_parser_and_schema_agree_on_what_has_to_be_there(name: str) -> None:
    document = _document()
    del document[name]
    if SCHEMA.is_valid(document):
        Envelope.parse(_raw(document))
    else:
        assert _refusal(_raw(document)).code == "envelope.attribute_invalid"
