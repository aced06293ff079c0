"""What a file is: read without believing it."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.doctor.report import Unreadable

MAX_FILE = 16 * 1024 * 1024
BOM = b"\xef\xbb\xbf"
COMPANIONS = (".jws", ".sig")
_TOKEN = re.compile(rb"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+")
_START = re.compile(rb"(?:[A-Z]+ \S+ HTTP/\d|HTTP/\d(?:\.\d)? \d{3})")
_HEADER = re.compile(rb"([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*)")


@dataclass(frozen=True, slots=True)
class Letter:
    """An envelope's bytes, and what came beside them."""

    name: str
    raw: bytes
    signature: str = ""
    receipts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Token:
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate, PEM or DER; or a key store."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Plain:
    """Something that is what it is."""

    name: str
    kind: str  # pdf, cassette, private_key, request
    content: bytes


Thing = Letter | Token | Certified | Plain
KINDS = {b"PRIVATE KEY-----": "private_key", b"CERTIFICATE REQUEST-----": "request"}


def read(path: Path, signature: str = "") -> list[Thing]:
    """What lies in a file; an inbox holds several. `signature`: the detached JWS of an envelope. Unreadable."""
    try:
        if path.stat().st_size > MAX_FILE:
            raise Unreadable(f"{path} is larger than anything the bus knows")
        content = path.read_bytes()
    except OSError as error:
        raise Unreadable(f"{path} cannot be read ({type(error).__name__})") from None
    if not content.strip():
        raise Unreadable(f"{path} is empty")
    for suffix in COMPANIONS:
        beside = path.with_name(path.name + suffix)
        if not signature and beside.is_file():
            signature = beside.read_text(encoding="ascii", errors="replace").strip()
    return things(path.name, content, signature)


def things(name: str, content: bytes, signature: str = "") -> list[Thing]:
    text = content.removeprefix(BOM).strip()
    if text.startswith(b"%PDF"):
        return [Plain(name, "pdf", content)]
    if text.startswith(b"-----BEGIN"):
        first = text.splitlines()[0]
        kind = next((kind for end, kind in KINDS.items() if first.endswith(end)), None)
        return [Plain(name, kind, content) if kind else Certified(name, content)]
    if text.startswith(b"cassette:"):
        return [Plain(name, "cassette", content)]
    if content[:1] == b"\x30":  # the SEQUENCE that every DER begins with; as text it is a zero
        return [Certified(name, content)]
    if _TOKEN.fullmatch(text):
        return [Token(name, text.decode())]
    if _START.match(text) or (_HEADER.match(text) and b"\n\n" in text.replace(b"\r\n", b"\n")):
        return [_dumped(name, content.removeprefix(BOM).lstrip())]
    return _json(name, content, signature)


def _dumped(name: str, content: bytes) -> Letter:
    """An HTTP message as a proxy, a log or `curl -v` writes it: headers, an empty line, the exact body."""
    head, _, body = content.partition(b"\r\n\r\n") if b"\r\n\r\n" in content else content.partition(b"\n\n")
    found = {}
    for line in head.splitlines():
        if match := _HEADER.fullmatch(line.strip()):
            found[match[1].decode().lower()] = match[2].decode("latin-1").strip()
    receipts = tuple(one.strip() for one in found.get("egov-receipt", "").split(",") if one.strip())
    return Letter(name, body, found.get("egov-signature", ""), receipts)


def _json(name: str, content: bytes, signature: str) -> list[Thing]:
    try:
        document = json.loads(content.removeprefix(BOM))
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and isinstance(document.get("items"), list) and "specversion" not in document:
        document = document["items"]
    if isinstance(document, list) and document and all(_is_item(one) for one in document):
        return [_item(f"{name}[{n}]", one) for n, one in enumerate(document)]
    if _is_item(document):
        assert isinstance(document, dict)
        return [_item(name, document)]
    if content.removeprefix(BOM).lstrip()[:1] not in (b"{", b"["):
        raise Unreadable(
            f"{name} is no envelope, certificate, key store, signature, HTTP message, inbox, cassette or PDF"
        )
    return [Letter(name, content, signature)]


def _is_item(document: Any) -> bool:
    return isinstance(document, dict) and isinstance(document.get("envelope"), str)


def _item(name: str, item: Mapping[str, Any]) -> Letter:
    try:
        raw = base64.b64decode(item["envelope"], validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable(f"{name}: `envelope` is not base64") from None
    receipts: Sequence[Any] = item.get("receipts") or ()
    return Letter(name, raw, str(item.get("signature") or ""), tuple(map(str, receipts)))
