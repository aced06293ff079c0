"""An associated signature container with a time assertion: ASiC-E of ETSI EN 319 162-1 (4.4), in a ZIP.

mimetype                    first, uncompressed, so that the file says what it is at a fixed place (A.1)
META-INF/ASiCManifest.xml   names every other file with its SHA-256
META-INF/timestamp.tst      an RFC 3161 token over the manifest's bytes
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from datetime import datetime
from io import BytesIO
from xml.sax.saxutils import quoteattr

__all__ = ["MANIFEST", "MIMETYPE", "TIMESTAMP", "manifest", "packed"]

MIMETYPE = "application/vnd.etsi.asic-e+zip"
MANIFEST, TIMESTAMP = "META-INF/ASiCManifest.xml", "META-INF/timestamp.tst"
TOKEN_TYPE = "application/vnd.etsi.timestamp-token"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
KINDS: Mapping[str, str] = {
    ".txt": "text/plain",
    ".json": "application/json",
    ".row": "application/json",
    ".jws": "application/jose",
    ".pem": "application/x-pem-file",
    ".tst": TOKEN_TYPE,
    ".p7s": "application/pkcs7-signature",
}


def manifest(files: Mapping[str, bytes]) -> bytes:
    """The XML that names the files and their digests; one element a line, so that grep reads it too."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<asic:ASiCManifest xmlns:asic="http://uri.etsi.org/02918/v1.2.1#"'
        ' xmlns:ds="http://www.w3.org/2000/09/xmldsig#">',
        f'<asic:SigReference URI="{TIMESTAMP}" MimeType="{TOKEN_TYPE}"/>',
    ]
    for name, content in files.items():
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        kind = KINDS.get(name[name.rfind(".") :], "application/octet-stream")
        lines += [
            f"<asic:DataObjectReference URI={quoteattr(name)} MimeType={quoteattr(kind)}>",
            f'<ds:DigestMethod Algorithm="{SHA256}"/>',
            f"<ds:DigestValue>{digest}</ds:DigestValue>",
            "</asic:DataObjectReference>",
        ]
    return "\n".join([*lines, "</asic:ASiCManifest>", ""]).encode()


def packed(files: Mapping[str, bytes], listed: bytes, token: bytes, at: datetime) -> bytes:
    """The container. `listed` is the manifest of `files`, `token` the stamp over it."""
    target, moment = BytesIO(), (at.year, at.month, at.day, at.hour, at.minute, at.second)
    with zipfile.ZipFile(target, "w") as archive:
        _put(archive, "mimetype", MIMETYPE.encode(), moment, zipfile.ZIP_STORED)
        for name, content in {**files, MANIFEST: listed, TIMESTAMP: token}.items():
            _put(archive, name, content, moment, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _put(
    archive: zipfile.ZipFile, name: str, content: bytes, moment: tuple[int, int, int, int, int, int], how: int
) -> None:
    entry = zipfile.ZipInfo(name, moment)
    entry.compress_type = how
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, content)
