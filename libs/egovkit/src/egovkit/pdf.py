"""PDF/A-2a, tagged for readers who listen (PDF/UA-1), from a typst template and data. It knows no citizen.

What comes from people reaches the template as JSON (`json(bytes(sys.inputs.data))`) and is never typst source: no name
can become markup. Only the fonts given are there - neither the machine's nor typst's own - so every page looks the same
everywhere, and the same data at the same moment make the same bytes.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import struct
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import cached_property
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from egovkit.barcodes import Carried, encode, pack
from egovkit.errors import EgovError
from egovkit.log import get_logger

# Packages of fonts: the first two have every Kazakh letter in every cut, the last one what they lack (₸).
FONTS: Final = ("fontpkg_pt_sans", "fontpkg_pt_serif", "fontpkg_noto_sans")
STANDARDS: Final = ("a-2a", "ua-1")
PAGES: Final = Path(__file__).parent / "pages"  # templates of output documents, for data of egovlaw.output_pages
LAYOUTS: Final = ("decision", "notice")
MOST_CODES: Final = 12

_LAYOUT: Final = frozenset("\n\t")
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs"})  # controls, marks of direction, nobody's code points

_log = get_logger("egovkit.pdf")


class PdfTemplate:
    """One typst file, compiled once and filled in again and again.

    The template may read its data only; typst packages (they are downloaded) are not to be used in it.
    """

    def __init__(self, source: Path, fonts: Sequence[str] = FONTS, imports: Sequence[Path] = ()) -> None:
        """`imports`: the files beside it that it imports."""
        self._source = source
        self._imports = imports
        self._fonts = fonts
        # A compiler belongs to one thread, also when whoever asked has gone away; a page takes it some 10 ms.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pdf")

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of everything the bytes depend on beside data and moment; for ETags."""
        parts = [path.read_bytes() for path in (self._source, *self._imports)]
        parts += [version("typst").encode(), version("segno").encode()]
        parts += [version(name.replace("_", "-")).encode() for name in self._fonts]
        return hashlib.sha256(b"\n".join(parts)).hexdigest()

    async def render(self, data: Mapping[str, Any], at: datetime) -> bytes:
        """The PDF. `at` is the moment it says it was made at; take one that belongs to the data.

        Characters that cannot be seen, or that no font has, appear as `[U+1F600]`: what is left out unseen would make
        the page say something else than the data. EgovError pdf.not_rendered.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._render, data, at)

    def _render(self, data: Mapping[str, Any], at: datetime) -> bytes:
        made = self._compile(data, format="pdf", pdf_standards=list(STANDARDS), timestamp=int(at.timestamp()))
        if not isinstance(made, bytes):
            raise EgovError("pdf.not_rendered")
        return made

    def pictures(self, data: Mapping[str, Any], dpi: int) -> list[bytes]:
        """Each page as a PNG: for looking at it and for tests, not for people."""
        made = self._thread.submit(self._compile, data, format="png", ppi=dpi).result()
        return [made] if isinstance(made, bytes) else list(made)

    def _compile(self, data: Mapping[str, Any], **options: Any) -> Any:
        import typst

        text = json.dumps(self._printable(data), ensure_ascii=False)
        try:
            return self._compiler.compile(sys_inputs={"data": text}, **options)
        except typst.TypstError as error:
            # Its message may quote the data, so only its place in the template is told.
            _log.error("pdf.not_rendered", template=self._source.name, trace=[line[:200] for line in error.trace])
            raise EgovError("pdf.not_rendered") from None

    @cached_property
    def _compiler(self) -> Any:
        import typst  # 40 MB: only where a PDF is made

        folders = [str(folder) for folder in self._folders]
        fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=folders)
        return typst.Compiler(str(self._source), root=str(self._source.parent), font_paths=fonts)

    @cached_property
    def _folders(self) -> tuple[Path, ...]:
        return tuple(Path(str(files(name) / "files")) for name in self._fonts)

    @cached_property
    def _glyphs(self) -> frozenset[int]:
        return frozenset().union(*(covered(font) for folder in self._folders for font in sorted(folder.glob("*.ttf"))))

    def _printable(self, value: Any) -> Any:
        if isinstance(value, str):
            return "".join(self._visible(character) for character in value)
        if isinstance(value, Mapping):
            return {self._printable(str(key)): self._printable(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._printable(item) for item in value]
        return value

    def _visible(self, character: str) -> str:
        seen = ord(character) in self._glyphs and unicodedata.category(character) not in _INVISIBLE
        return character if seen or character in _LAYOUT else f"[U+{ord(character):04X}]"


class DocumentPages:
    """The pages of output documents, one template a layout."""

    def __init__(self) -> None:
        shared = (PAGES / "parts.typ",)
        self._templates = {name: PdfTemplate(PAGES / f"{name}.typ", imports=shared) for name in LAYOUTS}

    @cached_property
    def digest(self) -> str:
        """Of all layouts, for ETags."""
        joined = "".join(template.digest for template in self._templates.values())
        return hashlib.sha256(joined.encode()).hexdigest()

    async def render(self, data: Mapping[str, Any], at: datetime) -> bytes:
        """As PdfTemplate.render; `data` is a page of egovlaw.output_pages."""
        return await self._templates[data["layout"]].render(data, at)

    def pictures(self, data: Mapping[str, Any], dpi: int) -> list[bytes]:
        return self._templates[data["layout"]].pictures(data, dpi)


def codes_of(carried: Carried, moment: datetime) -> list[str]:
    """The texts of the QR codes that carry a document with its signature; none for one so long that they would fill
    pages. `moment` is the document's."""
    try:
        codes = encode(pack(carried, moment), carried.number, moment)
    except EgovError:
        return []
    return codes if len(codes) <= MOST_CODES else []


def codes_svg(codes: Sequence[str]) -> list[str]:
    """QR codes for a page, ASCII texts of up to some 1200 characters; at most MOST_CODES, or EgovError
    pdf.not_rendered. 50 ms each: off the loop."""
    if len(codes) > MOST_CODES:
        raise EgovError("pdf.not_rendered")
    return [qr_svg(text, error="l") for text in codes]


def qr_svg(text: str, error: str = "m") -> str:
    """A QR code as an SVG document, for a template's `image(bytes(...), format: "svg", alt: ...)`. ASCII reads back
    the same everywhere."""
    import segno

    out = io.BytesIO()
    segno.make(text.encode("ascii"), error=error, micro=False).save(out, kind="svg", xmldecl=False, border=2)
    return out.getvalue().decode("ascii")


def covered(font: Path) -> Iterator[int]:
    """The code points a TrueType font has glyphs for (OpenType 1.9, cmap, formats 4 and 12)."""
    data = font.read_bytes()
    (count,) = struct.unpack_from(">H", data, 4)
    records = (struct.unpack_from(">4sIII", data, 12 + 16 * n) for n in range(count))
    start = next(offset for tag, _, offset, _ in records if tag == b"cmap")
    (tables,) = struct.unpack_from(">H", data, start + 2)
    for n in range(tables):
        (offset,) = struct.unpack_from(">I", data, start + 8 + 8 * n)
        (shape,) = struct.unpack_from(">H", data, start + offset)
        if shape == 4:
            yield from _segments(data, start + offset)
        elif shape == 12:
            yield from _groups(data, start + offset)


def _segments(data: bytes, at: int) -> Iterator[int]:
    (twice,) = struct.unpack_from(">H", data, at + 6)
    ends = struct.unpack_from(f">{twice // 2}H", data, at + 14)
    starts = struct.unpack_from(f">{twice // 2}H", data, at + 16 + twice)
    for first, last in zip(starts, ends, strict=True):
        if first != 0xFFFF:  # the segment that only ends the list
            yield from range(first, last + 1)


def _groups(data: bytes, at: int) -> Iterator[int]:
    (count,) = struct.unpack_from(">I", data, at + 12)
    for n in range(count):
        first, last, _ = struct.unpack_from(">III", data, at + 16 + 12 * n)
        yield from range(first, last + 1)
