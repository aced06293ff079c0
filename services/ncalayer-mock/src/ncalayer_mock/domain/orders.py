"""What a request asks for, read strictly: a wrong argument is answered in the words of NCALayer's Java."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ncalayer_mock.domain.choosing import KEY_TYPES, STORAGES, Wanted
from ncalayer_mock.domain.protocol import FAILURE, INVALID, Refused

MAX_DOCUMENTS = 100
MAX_FILTERS = 20
LANGUAGES = {"ru": "ru", "kk": "kk", "kz": "kk"}  # what we have texts in; English is accepted and shown in Russian


@dataclass(frozen=True, slots=True)
class Order:
    """Documents to be signed with one key.

    contents   bytes for CMS (a ready SHA-256 each, where `digested`), text for XML
    attached   the document inside of the CMS
    stamped    with a time stamp
    paths      (element to be signed, where its signature goes); None: the whole document
    older      asked through commonUtils: base64 of DER and not PEM, base64 in lines
    """

    wanted: Wanted
    contents: tuple[bytes, ...] = ()
    texts: tuple[str, ...] = ()
    attached: bool = False
    digested: bool = False
    stamped: bool = False
    paths: tuple[str, str] | None = None
    older: bool = False
    language: str | None = None


# ---- commonUtils: by place


def positional(args: Any, method: str, kinds: Sequence[type], optional: int = 0) -> list[Any]:
    """`args` if they are of these types; the last `optional` may be missing and are then their type's empty value."""
    given = [] if args is None else args
    if not isinstance(given, list) or not len(kinds) - optional <= len(given) <= len(kinds):
        raise Refused(f"java.lang.IllegalArgumentException: wrong number of arguments. Method: {method}")
    if any(type(one) is not kind for one, kind in zip(given, kinds, strict=False)):
        raise Refused(f"java.lang.IllegalArgumentException: argument type mismatch. Method: {method}")
    return [*given, *(kind() for kind in kinds[len(given) :])]


def from_storage(storage: str, key_type: str | None = None) -> Wanted:
    if storage not in STORAGES:
        raise Refused("UNKNOWN_STORAGE")
    mark = KEY_TYPES.get(key_type or "")
    return Wanted(frozenset({storage}), frozenset({mark}) if mark else frozenset())


def decoded(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise Refused("java.lang.IllegalArgumentException: not base64", FAILURE) from None


# ---- basics: by name


def basics_order(args: Any) -> Order:
    """The order in the arguments of basics.sign. Refused with what is wrong."""
    given = _object(args, "args")
    form = _member(given, "format", str)
    signing, signer = (
        _object(given.get("signingParams"), "signingParams"),
        _object(given.get("signerParams"), "signerParams"),
    )
    data = _data(given)
    wanted = _wanted(given.get("allowedStorages"), signer)
    locale = given.get("locale")
    language = LANGUAGES.get(locale) if isinstance(locale, str) else None
    decode, attached, digested = (_flag(signing, name) for name in ("decode", "encapsulate", "digested"))
    if form == "xml":
        texts = tuple(_text(decoded(one)) if decode else one for one in data)
        return Order(wanted, texts=texts, language=language)
    if form != "cms":
        raise Refused(f"format {form[:20]} is not supported", INVALID)
    if digested and (attached or not decode):
        raise Refused("digested data are base64 of a hash and cannot be encapsulated", INVALID)
    profile = signing.get("tsaProfile")
    if profile is not None:
        _object(profile, "tsaProfile")
    contents = tuple(decoded(one) if decode else one.encode() for one in data)
    stamped = profile is not None
    return Order(wanted, contents, attached=attached, digested=digested, stamped=stamped, language=language)


def wants_certificate(args: Any) -> bool:
    """`outputCert`: the answer names the certificate beside the signatures."""
    return _flag(_object(_object(args, "args").get("signingParams"), "signingParams"), "outputCert")


def _data(given: Mapping[str, Any]) -> list[str]:
    value = given.get("data")
    data = [value] if isinstance(value, str) else value
    if not isinstance(data, list) or not data or not all(isinstance(one, str) for one in data):
        raise Refused('org.json.JSONException: JSONObject["data"] is not a string or an array of strings.')
    if len(data) > MAX_DOCUMENTS:
        raise Refused(f"more than {MAX_DOCUMENTS} documents", INVALID)
    return data


def _wanted(storages: Any, signer: Mapping[str, Any]) -> Wanted:
    return Wanted(
        storages=None if storages is None else frozenset(_texts(storages, "allowedStorages")),
        ekus=frozenset(_texts(signer.get("extKeyUsageOids") or [], "extKeyUsageOids")),
        iin=_optional(signer, "iin"),
        bin=_optional(signer, "bin"),
        serial=_optional(signer, "serialNumber"),
        chain=tuple(_certificate(one) for one in _texts(signer.get("chain") or [], "chain")),
    )


def _certificate(text: str) -> bytes:
    return text.encode() if text.lstrip().startswith("-----BEGIN") else decoded(text)


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if value is None:
        raise Refused(f'org.json.JSONException: JSONObject["{name}"] not found.')
    if not isinstance(value, dict):
        raise Refused(f'org.json.JSONException: JSONObject["{name}"] is not a JSONObject.')
    return value


def _member(given: Mapping[str, Any], name: str, kind: type[str]) -> str:
    value = given.get(name)
    if not isinstance(value, kind):
        raise Refused(f'org.json.JSONException: JSONObject["{name}"] is not a string.')
    return value


def _optional(given: Mapping[str, Any], name: str) -> str | None:
    return None if given.get(name) is None else _member(given, name, str)


def _flag(given: Mapping[str, Any], name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise Refused(f'org.json.JSONException: JSONObject["{name}"] is not a Boolean.')
    return value


def _texts(value: Any, name: str) -> list[str]:
    if not isinstance(value, list) or len(value) > MAX_FILTERS or not all(isinstance(one, str) for one in value):
        raise Refused(f'org.json.JSONException: JSONObject["{name}"] is not a JSONArray of strings.')
    return value


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Refused("the document is not UTF-8", FAILURE) from None
