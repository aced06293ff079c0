"""A signed document in QR codes, as eGov prints it: whoever holds the paper holds the document and its signature.

    signed bytes -> ZIP with one deflated entry `one` -> parts of 600 bytes -> base64 -> one `BarcodeElement` a code

(the reading rules of eGov's own checker: codes in any order, one FavorID, numbers 1..n, bytes joined, `one` inflated).
`pack` and `unpack` are what our codes carry: the exact bytes that were signed and the detached CMS over them, in one
small XML `response`. All that is read here may come from anybody: text and XML are bounded before they are parsed, no
declaration is allowed in them, and nothing inflates beyond its limit.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from xml.etree import ElementTree
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from egovkit.errors import EgovError

__all__ = ["MAX_PARTS", "MAX_SIGNED", "MAX_TEXT", "Carried", "decode", "encode", "favor_id", "pack", "unpack"]

NAMESPACE: Final = "http://barcodes.pdf.shep.nitec.kz/"
RESPONSE: Final = "urn:egov:signed-document:1"
ENTRY: Final = "one"
CHUNK: Final = 600  # bytes of a part; with base64 and XML 1,150 characters: eGov's longest seen has 1,183
MAX_TEXT: Final = 2953  # characters: what the largest QR code holds (ISO/IEC 18004, version 40-L)
MAX_PARTS: Final = 100
MAX_SIGNED: Final = 256 * 1024  # inflated: a result of 64 KiB with its signature, in base64, and room
ALMATY: Final = ZoneInfo("Asia/Almaty")

_DECLARATION: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
_COUNT: Final = re.compile(r"[1-9][0-9]{0,2}")
_FAVOR: Final = re.compile(r"[0-9]{14}")
_FIELDS: Final = ("creationDate", "elementData", "elementNumber", "elementsAmount", "FavorID")


@dataclass(frozen=True, slots=True)
class Carried:
    """What our codes carry. `signature` is DER of a detached CMS over `document`; `number` the document's own."""

    document: bytes
    signature: bytes
    number: str


@dataclass(frozen=True, slots=True)
class _Part:
    data: bytes
    number: int
    amount: int
    favor: str


def favor_id(signed: bytes, number: str) -> str:
    """FavorID, 14 digits: the document's 11 digits and three of its SHA-256, so that the codes of two editions under
    one number never mix. What has no such number takes all of them from the SHA-256."""
    digest = int.from_bytes(hashlib.sha256(signed).digest(), "big")
    if re.fullmatch(r"[0-9]{11}", number):
        return f"{number}{digest % 10**3:03d}"
    return f"{digest % 10**14:014d}"


def encode(signed: bytes, number: str, moment: datetime) -> list[str]:
    """The texts of the codes, ASCII, in order; the same input makes the same texts. `moment` is the document's.

    EgovError barcode.too_large when it takes more than `MAX_SIGNED` bytes or `MAX_PARTS` codes.
    """
    if len(signed) > MAX_SIGNED:
        raise EgovError("barcode.too_large", limit=MAX_SIGNED)
    packed = _zipped(signed, moment)
    parts = [packed[at : at + CHUNK] for at in range(0, len(packed), CHUNK)]
    if len(parts) > MAX_PARTS:
        raise EgovError("barcode.too_many", limit=MAX_PARTS)
    created, favor = moment.astimezone(ALMATY).isoformat(timespec="milliseconds"), favor_id(signed, number)
    return [
        f'{_DECLARATION}<BarcodeElement xmlns="{NAMESPACE}"><creationDate>{created}</creationDate>'
        f"<elementData>{base64.b64encode(part).decode()}</elementData><elementNumber>{place}</elementNumber>"
        f"<elementsAmount>{len(parts)}</elementsAmount><FavorID>{favor}</FavorID></BarcodeElement>"
        for place, part in enumerate(parts, start=1)
    ]


def decode(texts: Sequence[str]) -> bytes:
    """The signed bytes again, from the texts in any order; the same code scanned twice does no harm.

    EgovError: barcode.too_many, barcode.unreadable (which, why), barcode.mixed (codes of several documents),
    barcode.conflicting (one number, two contents), barcode.missing (which), barcode.package_invalid (why),
    barcode.too_large.
    """
    if not texts or len(texts) > 2 * MAX_PARTS:  # each scanned twice
        raise EgovError("barcode.too_many", limit=MAX_PARTS)
    parts = [_part(place, text) for place, text in enumerate(texts, start=1)]
    first = parts[0]
    if any((one.favor, one.amount) != (first.favor, first.amount) for one in parts):
        raise EgovError("barcode.mixed")
    by_number: dict[int, bytes] = {}
    for one in parts:
        if by_number.setdefault(one.number, one.data) != one.data:
            raise EgovError("barcode.conflicting", number=one.number)
    missing = [number for number in range(1, first.amount + 1) if number not in by_number]
    if missing:
        raise EgovError("barcode.missing", missing=missing, amount=first.amount)
    return _unzipped(b"".join(by_number[number] for number in sorted(by_number)))


def pack(carried: Carried, at: datetime) -> bytes:
    """The XML that our codes carry. A document of plain text stands in it as text, which deflates to a third; any
    other, and one that XML would change (a carriage return, a control character), in base64."""
    signature = base64.b64encode(carried.signature).decode()
    for form, text in _forms(carried.document):
        made = (
            f'{_DECLARATION}<response xmlns="{RESPONSE}"><requestNumber>{escape(carried.number)}</requestNumber>'
            f"<requestDate>{at.astimezone(ALMATY).isoformat(timespec='milliseconds')}</requestDate>"
            f"<requestSystemId>PORTAL</requestSystemId>"
            f'<document encoding="{form}">{text}</document><signature>{signature}</signature></response>'
        ).encode()
        try:
            if unpack(made).document == carried.document:
                return made
        except EgovError:
            continue  # not what XML can carry as text
    raise AssertionError("base64 carries everything")


def unpack(signed: bytes) -> Carried:
    """What `pack` made. EgovError barcode.package_invalid (why)."""
    root = _element(signed, MAX_SIGNED)
    found = {child.tag: child for child in root}
    names = [f"{{{RESPONSE}}}{name}" for name in ("document", "signature", "requestNumber")]
    if root.tag != f"{{{RESPONSE}}}response" or len(found) != len(root) or any(name not in found for name in names):
        raise EgovError("barcode.package_invalid", reason="not_a_response")
    document, signature, number = (found[name] for name in names)
    if any(len(one) for one in (document, signature, number)):
        raise EgovError("barcode.package_invalid", reason="elements_inside")
    text = document.text or ""
    raw = text.encode() if document.get("encoding") == "text" else _bytes(text)
    der = _bytes(signature.text or "")
    if raw is None or der is None:
        raise EgovError("barcode.package_invalid", reason="not_base64")
    return Carried(raw, der, number.text or "")


def _forms(document: bytes) -> Iterator[tuple[str, str]]:
    with suppress(UnicodeDecodeError):
        yield "text", escape(document.decode("utf-8"))
    yield "base64", base64.b64encode(document).decode()


def _part(place: int, text: str) -> _Part:
    def unreadable(reason: str) -> EgovError:
        return EgovError("barcode.unreadable", place=place, reason=reason)

    if len(text) > MAX_TEXT or not text.isascii():
        raise unreadable("longer_than_code" if text.isascii() else "not_ascii")
    try:
        root = _element(text.encode("ascii"), MAX_TEXT)
    except EgovError as error:
        raise unreadable(str(error.params.get("reason", ""))) from None
    values = {child.tag.removeprefix(f"{{{NAMESPACE}}}"): child.text or "" for child in root}
    if root.tag != f"{{{NAMESPACE}}}BarcodeElement" or len(root) != len(_FIELDS) or set(values) != set(_FIELDS):
        raise unreadable("wrong_fields")
    data, number, amount = _bytes(values["elementData"]), values["elementNumber"], values["elementsAmount"]
    if not (_COUNT.fullmatch(number) and _COUNT.fullmatch(amount) and _FAVOR.fullmatch(values["FavorID"])):
        raise unreadable("wrong_numbers")
    if not int(number) <= int(amount) <= MAX_PARTS:
        raise unreadable("too_many_parts")
    if not data:
        raise unreadable("not_base64")
    return _Part(data, int(number), int(amount), values["FavorID"])


def _element(xml: bytes, limit: int) -> ElementTree.Element:
    """Parsed as UTF-8 whatever it declares. `<!` opens document types, entities, comments and CDATA: none belongs
    here, so nothing can be defined, fetched or multiplied."""
    if len(xml) > limit:
        raise EgovError("barcode.too_large", limit=limit)
    if b"<!" in xml:
        raise EgovError("barcode.package_invalid", reason="declaration_inside")
    try:
        return ElementTree.fromstring(xml, parser=ElementTree.XMLParser(encoding="utf-8"))
    except ElementTree.ParseError:
        raise EgovError("barcode.package_invalid", reason="not_xml") from None


def _bytes(text: str) -> bytes | None:
    """Base64; line breaks, as XML writers like them, are allowed."""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


class _Stream:
    """Where a ZIP is written without looking back: sizes then follow the data, as eGov's do."""

    def __init__(self) -> None:
        self.got = bytearray()

    def write(self, data: bytes) -> int:
        self.got += data
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""


def _zipped(data: bytes, moment: datetime) -> bytes:
    out = _Stream()
    entry = zipfile.ZipInfo(ENTRY, moment.astimezone(ALMATY).timetuple()[:6])
    entry.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(entry, data, compresslevel=9)
    return bytes(out.got)


def _unzipped(packed: bytes) -> bytes:
    """Entry `one` and no other, deflated, whole by its CRC; never more than the limit, whatever its header says."""
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            entries = archive.infolist()
            if [one.filename for one in entries] != [ENTRY] or entries[0].compress_type != zipfile.ZIP_DEFLATED:
                raise EgovError("barcode.package_invalid", reason="not_one_entry")
            with archive.open(entries[0]) as file:
                data = file.read(MAX_SIGNED + 1)
                if len(data) > MAX_SIGNED:
                    raise EgovError("barcode.too_large", limit=MAX_SIGNED)
                return data
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        raise EgovError("barcode.package_invalid", reason="zip_damaged", technical=type(error).__name__) from None
