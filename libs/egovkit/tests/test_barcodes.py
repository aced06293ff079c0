"""A signed document in QR codes: what we write, and what we refuse to read."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import tracemalloc
import zipfile
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest

from egovkit.barcodes import CHUNK, MAX_PARTS, MAX_SIGNED, MAX_TEXT, Carried, decode, encode, favor_id, pack, unpack
from egovkit.errors import EgovError

pytestmark = pytest.mark.unit

NUMBER = "26000000001"
AT = datetime(2026, 1, 12, 9, 3, 5, 123000, tzinfo=UTC)


def noise(size: int, seed: bytes = b"") -> bytes:
    """Bytes that do not deflate."""
    return hashlib.shake_256(seed).digest(size)


SIGNED = noise(4000)
XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'


def refused(code: str, texts: list[str]) -> dict[str, Any]:
    with pytest.raises(EgovError) as caught:
        decode(texts)
    assert caught.value.code == code, caught.value
    return caught.value.params


def element(data: bytes, number: object = 1, amount: object = 1, favor: object = "26000000001123") -> str:
    return (
        f'{XML}<BarcodeElement xmlns="http://barcodes.pdf.shep.nitec.kz/"><creationDate>x</creationDate>'
        f"<elementData>{base64.b64encode(data).decode()}</elementData><elementNumber>{number}</elementNumber>"
        f"<elementsAmount>{amount}</elementsAmount><FavorID>{favor}</FavorID></BarcodeElement>"
    )


def zipped(data: bytes, name: str = "one", method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        # Dated as ever: the bytes name tests, and two processes have to find the same ones.
        archive.writestr(zipfile.ZipInfo(name), data, compress_type=method, compresslevel=9)
    return out.getvalue()


def in_parts(packed: bytes, size: int = 1900) -> list[str]:
    parts = [packed[at : at + size] for at in range(0, len(packed), size)]
    return [element(part, place, len(parts)) for place, part in enumerate(parts, start=1)]


# --- what we write --------------------------------------------------------------------------------------------


def test_texts_have_egovs_form_and_say_the_same_every_time() -> None:
    texts = encode(SIGNED, NUMBER, AT)
    assert len(texts) == 7 and texts == encode(SIGNED, NUMBER, AT)
    shape = re.compile(
        r'<\?xml version="1\.0" encoding="UTF-8" standalone="yes"\?><BarcodeElement '
        r'xmlns="http://barcodes\.pdf\.shep\.nitec\.kz/"><creationDate>2026-01-12T14:03:05\.123\+05:00</creationDate>'
        r"<elementData>([A-Za-z0-9+/=]+)</elementData><elementNumber>(\d)</elementNumber>"
        r"<elementsAmount>7</elementsAmount><FavorID>26000000001\d{3}</FavorID></BarcodeElement>"
    )
    found = [shape.fullmatch(text) for text in texts]
    assert [one and one[2] for one in found] == ["1", "2", "3", "4", "5", "6", "7"]
    parts = [base64.b64decode(one[1]) for one in found if one]
    assert [len(part) for part in parts[:-1]] == [CHUNK] * 6 and all(len(text) <= MAX_TEXT for text in texts)


def test_the_package_is_a_zip_of_one_deflated_entry_with_its_sizes_behind_it() -> None:
    texts = encode(b"<response/>" * 50, NUMBER, AT)
    packed = b"".join(base64.b64decode(re.findall("<elementData>(.*?)<", text)[0]) for text in texts)
    (entry,) = zipfile.ZipFile(io.BytesIO(packed)).infolist()
    assert (entry.filename, entry.compress_type) == ("one", zipfile.ZIP_DEFLATED)
    assert entry.flag_bits & 8 and packed.startswith(b"PK\x03\x04")  # bit 3: a data descriptor follows


@pytest.mark.parametrize("size", [0, 1, CHUNK, 5 * CHUNK, 50_000])
def test_any_order_and_codes_scanned_twice_give_the_bytes_again(size: int) -> None:
    signed = noise(size)
    texts = encode(signed, NUMBER, AT)
    assert decode([*texts[::2], *texts[::-1], *texts[1::2]]) == signed


def test_favor_ids_have_14_digits_and_differ_between_two_editions_under_one_number() -> None:
    assert favor_id(b"a", NUMBER).startswith(NUMBER) and favor_id(b"a", NUMBER) != favor_id(b"b", NUMBER)
    assert all(re.fullmatch(r"[0-9]{14}", favor_id(SIGNED, number)) for number in (NUMBER, "", "№ 5/а", "2" * 20))


def test_what_does_not_fit_is_refused_before_anything_is_made() -> None:
    for size, code in ((MAX_SIGNED + 1, "barcode.too_large"), (MAX_SIGNED, "barcode.too_many")):
        with pytest.raises(EgovError, match=code):
            encode(noise(size), NUMBER, AT)


def test_line_breaks_in_base64_are_read_as_xml_writers_make_them() -> None:
    text = element(zipped(SIGNED[:900]))
    data = re.findall("<elementData>(.*?)<", text)[0]
    assert decode([text.replace(data, "\n".join(data[at : at + 76] for at in range(0, len(data), 76)))]) == SIGNED[:900]


# --- what our codes carry -------------------------------------------------------------------------------------

DOCUMENTS = [
    '{"text_kk":"Сіз есепке қойылдыңыз & <b> ]]> \\n","n":1}'.encode(),
    b"\xff\xfe not JSON", b"", b" ", b"a\r\nb", b"a\x00b", b"tab\tand\nlines ",
    "\ufeffbom".encode(), "\U0001f600\ufffe".encode(),
]  # fmt: skip


@pytest.mark.parametrize("document", DOCUMENTS)
def test_document_and_signature_come_back_byte_by_byte(document: bytes) -> None:
    carried = Carried(document, SIGNED[:2500], NUMBER)
    assert unpack(decode(encode(pack(carried, AT), NUMBER, AT))) == carried


def test_a_document_of_text_stands_in_the_package_as_text() -> None:
    document = ('{"text":"' + "Осы құжат қағаз тасығыштағы құжатпен бірдей. " * 40 + '"}').encode()
    assert "қағаз тасығыштағы".encode() in pack(Carried(document, b"x", NUMBER), AT)
    assert len(encode(pack(Carried(document, SIGNED[:2500], NUMBER), AT), NUMBER, AT)) <= 6


@pytest.mark.parametrize(
    "signed",
    [
        b"", b"<response/>", b"not_xml", b'<response xmlns="urn:egov:signed-document:1"/>',
        b'<response xmlns="urn:egov:signed-document:1"><document/><document/><signature/><requestNumber/></response>',
        b'<response xmlns="urn:egov:signed-document:1"><document>a<b/>c</document><signature/><requestNumber/>'
        b"</response>",
        b'<response xmlns="urn:egov:signed-document:1"><document encoding="base64">*</document><signature/>'
        b"<requestNumber/></response>",
        '<response xmlns="urn:egov:signed-document:1"><document/><signature>ж</signature><requestNumber/>'.encode()
        + b"</response>",
    ],
)  # fmt: skip
def test_another_package_is_refused(signed: bytes) -> None:
    with pytest.raises(EgovError, match=r"barcode\.package_invalid"):
        unpack(signed)


# --- what we refuse to read -----------------------------------------------------------------------------------


def test_missing_codes_are_named() -> None:
    texts = encode(SIGNED, NUMBER, AT)
    assert refused("barcode.missing", [texts[4], texts[1]]) == {"missing": [1, 3, 4, 6, 7], "amount": 7}


def test_codes_of_two_documents_are_refused() -> None:
    texts, others = encode(SIGNED, NUMBER, AT), encode(SIGNED[::-1], NUMBER, AT)
    refused("barcode.mixed", [*texts[:3], *others[3:]])
    refused("barcode.mixed", [element(b"a", 1, 2), element(b"b", 2, 3)])


def test_two_contents_of_one_number_are_refused() -> None:
    assert refused("barcode.conflicting", [element(b"a", 1, 2), element(b"b", 1, 2)]) == {"number": 1}


def test_a_changed_part_is_found_by_the_packages_checksum() -> None:
    texts = encode(SIGNED, NUMBER, AT)
    data = re.findall("<elementData>(.*?)<", texts[2])[0]
    texts[2] = texts[2].replace(data, data[:40] + ("A" if data[40] != "A" else "B") + data[41:])
    assert "damaged" in str(refused("barcode.package_invalid", texts)["reason"])


@pytest.mark.parametrize("count", [0, 2 * MAX_PARTS + 1])
def test_no_codes_and_too_many_are_refused(count: int) -> None:
    refused("barcode.too_many", [element(b"a")] * count)


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "ha"><!ENTITY c "&a;&a;&a;&a;">]>'
    '<BarcodeElement xmlns="http://barcodes.pdf.shep.nitec.kz/"><elementData>&c;</elementData></BarcodeElement>'
)
FILE = '<!DOCTYPE b [<!ENTITY x SYSTEM "file:///etc/passwd">]><b>&x;</b>'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not_xml"),
        ("number=26000000001;sha256=ab", "not_xml"),
        ("<b>&undefined;</b>", "not_xml"),
        (LAUGHS, "declaration_inside"),
        (FILE, "declaration_inside"),
        (element(b"a").replace("1<", "1<!-- -->", 1), "declaration_inside"),
        (element(b"a").replace("UTF-8", "UTF-16"), None),  # what it declares does not count
        (element(b"a").replace("creationDate", "CreationDate"), "wrong_fields"),
        (element(b"a").replace("pdf.shep", "pdf.shop"), "wrong_fields"),
        (element(b"a").replace("<elementNumber>1</elementNumber>", "<elementNumber>1</elementNumber>" * 2),
         "wrong_fields"),
        (element(b"a", "01"), "wrong_numbers"),
        (element(b"a", "-1"), "wrong_numbers"),
        (element(b"a", 0), "wrong_numbers"),
        (element(b"a", 1, "9" * 400), "wrong_numbers"),
        (element(b"a", favor="2600000000112"), "wrong_numbers"),
        (element(b"a", 2, 1), "too_many_parts"),
        (element(b"a", 1, MAX_PARTS + 1), "too_many_parts"),
        (element(b""), "not_base64"),
        (element(b"a").replace("YQ==", "YQ*="), "not_base64"),
        (element(b"a").replace("YQ==", "YQ&#x436;="), "not_base64"),
        (element(b"a") + " " * MAX_TEXT, "longer_than_code"),
        (element(b"a").replace("x<", "ж<"), "not_ascii"),
        ("<a>" * 900, "not_xml"),
    ],
)  # fmt: skip
def test_a_code_that_is_no_part_is_named_with_its_place(text: str, reason: str | None) -> None:
    if reason is None:
        assert "damaged" in str(refused("barcode.package_invalid", [text])["reason"])
    else:
        good = element(b"a", 1, 2)
        assert refused("barcode.unreadable", [good, text]) == {"place": 2, "reason": reason}


@pytest.mark.parametrize(
    "packed",
    [
        b"no ZIP", b"PK\x05\x06" + bytes(18), zipped(b"x", "two"), zipped(b"x", method=zipfile.ZIP_STORED),
        zipped(b"x", method=zipfile.ZIP_BZIP2), zipped(b"x", method=zipfile.ZIP_LZMA), zipped(b"abc" * 99)[:-30],
        zlib.compress(b"x"),
    ],
)  # fmt: skip
def test_what_is_no_zip_of_one_deflated_entry_is_refused(packed: bytes) -> None:
    refused("barcode.package_invalid", [element(packed)])


def test_a_zip_of_two_entries_is_refused() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("one", b"what is read")
        archive.writestr("one", b"what somebody else reads")
    refused("barcode.package_invalid", [element(out.getvalue())])


def test_an_encrypted_entry_is_refused() -> None:
    packed = bytearray(zipped(b"x" * 50))
    packed[6] |= 1
    packed[packed.index(b"PK\x01\x02") + 8] |= 1
    refused("barcode.package_invalid", [element(bytes(packed))])


@pytest.mark.parametrize("size", [MAX_SIGNED + 1, 140 * 1024 * 1024])
def test_a_bomb_is_refused_without_being_inflated(size: int) -> None:
    texts = in_parts(zipped(bytes(size)))
    assert len(texts) <= MAX_PARTS
    tracemalloc.start()
    assert refused("barcode.too_large", texts) == {"limit": MAX_SIGNED}
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * MAX_SIGNED


def test_a_bomb_that_lies_about_its_size_is_refused() -> None:
    packed = bytearray(zipped(bytes(20 * 1024 * 1024)))
    at = packed.index(b"PK\x01\x02")
    packed[at + 24 : at + 28] = (1000).to_bytes(4, "little")  # the directory: 1,000 bytes
    refused("barcode.package_invalid", in_parts(bytes(packed)))
