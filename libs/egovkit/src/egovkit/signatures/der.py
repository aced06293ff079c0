"""A walk through foreign DER before any library reads it: sizes, depth and number of values are bounded first.

Readers of ASN.1 recurse and copy; a few kilobytes that nest a thousand sequences, or announce four gigabytes, cost
them stack and memory, and one identifier or name of sixty kilobytes a second: they read those in the square of their
length. This walk is a loop over a list, and looks at headers alone.
"""

from __future__ import annotations

__all__ = ["MAX_DEPTH", "MAX_VALUES", "BadDer", "require_der"]

MAX_DEPTH = 40  # a CMS with a time stamp inside goes 20 deep
MAX_VALUES = 8192  # a CMS with three certificates and a stamp has 900
MAX_TEXT = 2048  # bytes of an object identifier or of a text; an organisation's name takes 500

_CONSTRUCTED, _LONG_TAG, _INDEFINITE = 0x20, 0x1F, 0x80
# OBJECT IDENTIFIER; UTF8String, PrintableString, TeletexString, IA5String, UniversalString, BMPString
_TEXTS = frozenset({0x06, 0x0C, 0x13, 0x14, 0x16, 0x1C, 0x1E})


class BadDer(ValueError):
    """Why the bytes are not one DER value within the bounds; `reason` is one of contracts/words.yaml."""

    @property
    def reason(self) -> str:
        return str(self)


def require_der(data: bytes, *, longest: int, most: int = MAX_VALUES) -> None:
    """BadDer unless `data` is exactly one DER value (X.690, 10.1: definite lengths) of at most `longest` bytes, with at
    most so many values inside."""
    if len(data) > longest:
        raise BadDer("too_long")
    begin, end = _header(data, 0, len(data))
    if end != len(data):
        raise BadDer("bytes_after")
    ends = [end]  # where each open value ends, outermost first
    at, values = (begin if data[0] & _CONSTRUCTED else end), 1
    while ends:
        if at == ends[-1]:
            ends.pop()
            continue
        begin, end = _header(data, at, ends[-1])
        values += 1
        if values > most:
            raise BadDer("too_many_values")
        if data[at] in _TEXTS and end - begin > MAX_TEXT:
            raise BadDer("too_long")
        if data[at] & _CONSTRUCTED:
            if len(ends) >= MAX_DEPTH:
                raise BadDer("nested_too_deep")
            ends.append(end)
            at = begin
        else:
            at = end


def _header(data: bytes, at: int, limit: int) -> tuple[int, int]:
    """Where the content of the value at `at` begins and ends."""
    if at + 2 > limit:
        raise BadDer("cut_off")
    if data[at] & _LONG_TAG == _LONG_TAG:
        raise BadDer("unknown_tag")
    first = data[at + 1]
    begin = at + 2
    if first == _INDEFINITE:
        raise BadDer("indefinite_length")
    if first < _INDEFINITE:
        length = first
    else:
        octets = first & 0x7F
        if octets > 4 or begin + octets > limit:
            raise BadDer("beyond_end")
        length = int.from_bytes(data[begin : begin + octets], "big")
        begin += octets
    if begin + length > limit:
        raise BadDer("beyond_end")
    return begin, begin + length
