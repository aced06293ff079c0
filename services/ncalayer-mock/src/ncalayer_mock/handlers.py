"""A page's messages in: one function per method, the METHODS table at the foot."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from egovkit import strictjson
from egovkit.log import get_logger
from ncalayer_mock.domain.orders import (
    LANGUAGES,
    MAX_DOCUMENTS,
    Order,
    basics_order,
    decoded,
    from_storage,
    positional,
    wants_certificate,
)
from ncalayer_mock.domain.protocol import (
    BASICS,
    COMMON,
    FAILURE,
    GENERAL,
    INVALID,
    MODULE_NOT_FOUND,
    NOT_JSON,
    Cancelled,
    NotJson,
    Refused,
    Request,
    applet_gone,
    cancelled,
    done,
    refused,
    request_of,
)
from ncalayer_mock.service.signing import Signing

Method = Callable[[Signing, str | None, Request], Awaitable[Any]]

_log = get_logger("ncalayer_mock.handlers")


async def answer(signing: Signing, origin: str | None, text: str) -> str:
    """The answer to one message, whatever it is."""
    try:
        request = request_of(strictjson.loads(text.encode("utf-8", "surrogatepass")))
    except (NotJson, strictjson.StrictJsonError) as error:
        _log.warning("agent.not_json", origin=origin, reason=str(error))
        return _text(NOT_JSON)
    if request.module is None:
        return _text(applet_gone(request))
    if request.module not in (COMMON, BASICS):
        _log.info("agent.no_such_module", origin=origin, module=request.module[:100])
        return _text(MODULE_NOT_FOUND)
    return _text(await _answered(signing, origin, request))


async def _answered(signing: Signing, origin: str | None, request: Request) -> Mapping[str, Any]:
    method = METHODS.get((request.module or "", request.method))
    try:
        if method is None:
            raise Refused(f"method {request.method[:100]} is not implemented", GENERAL)
        return done(request, await method(signing, origin, request))
    except Cancelled:
        return cancelled(request)
    except Refused as why:
        _log.info("agent.refused", origin=origin, method=request.method[:100], code=why.code, reason=why.details[:200])
        return refused(request, why)
    except Exception as error:  # the page gets its answer: without one it would wait for ever
        _log.exception("agent.failed", origin=origin, method=request.method[:100])
        return refused(request, Refused(type(error).__name__, GENERAL))


def _text(value: Mapping[str, Any]) -> str:
    return strictjson.dumps(value).decode()


# ---- basics


async def sign(signing: Signing, origin: str | None, request: Request) -> Any:
    """Always an array of signatures, of one document too; with `outputCert` an object that names the certificate."""
    order, with_certificate = basics_order(request.args), wants_certificate(request.args)
    signatures, certificate = await signing.sign(origin, "sign", order)
    return {"signatures": signatures, "certificate": certificate} if with_certificate else signatures


# ---- commonUtils


async def get_active_tokens(signing: Signing, origin: str | None, request: Request) -> list[str]:
    positional(request.args, request.method, ())
    return signing.active_tokens()


async def get_key_info(signing: Signing, origin: str | None, request: Request) -> dict[str, str]:
    [storage] = positional(request.args, request.method, (str,))
    return await signing.key_info(origin, from_storage(storage))


async def create_cades(signing: Signing, origin: str | None, request: Request) -> str:
    return await _cms(signing, origin, request, stamped=False)


async def create_cms_signature(signing: Signing, origin: str | None, request: Request) -> str:
    """As `create_cades`, and always with a time stamp."""
    return await _cms(signing, origin, request, stamped=True)


async def create_cades_of_hash(signing: Signing, origin: str | None, request: Request) -> str:
    storage, key_type, digest = positional(request.args, request.method, (str, str, str))
    order = Order(from_storage(storage, key_type), (decoded(digest),), digested=True, older=True)
    return await _one(signing, origin, request, order)


async def apply_cades_t(signing: Signing, origin: str | None, request: Request) -> str:
    """A time stamp for a signature that has none; nothing is signed, so nobody is asked."""
    storage, key_type, cms = positional(request.args, request.method, (str, str, str))
    from_storage(storage, key_type)
    return await signing.add_stamp(decoded(cms))


async def sign_xml(signing: Signing, origin: str | None, request: Request) -> str:
    storage, key_type, xml, path, parent = positional(request.args, request.method, (str, str, str, str, str), 2)
    return await _one(signing, origin, request, _xml_order(storage, key_type, [xml], path, parent))


async def sign_xmls(signing: Signing, origin: str | None, request: Request) -> list[str]:
    storage, key_type, xmls, path, parent = positional(request.args, request.method, (str, str, list, str, str), 2)
    if any(not isinstance(one, str) for one in xmls):
        raise Refused(f"java.lang.IllegalArgumentException: argument type mismatch. Method: {request.method}")
    if not 0 < len(xmls) <= MAX_DOCUMENTS:
        raise Refused(f"1 to {MAX_DOCUMENTS} documents are signed at once", INVALID)
    signatures, _ = await signing.sign(origin, request.method, _xml_order(storage, key_type, xmls, path, parent))
    return signatures


async def change_locale(signing: Signing, origin: str | None, request: Request) -> None:
    [language] = positional(request.args, request.method, (str,))
    signing.language = LANGUAGES.get(language, signing.language)


async def _cms(signing: Signing, origin: str | None, request: Request, *, stamped: bool) -> str:
    storage, key_type, data, attach = positional(request.args, request.method, (str, str, str, bool))
    wanted, content = from_storage(storage, key_type), decoded(data)
    order = Order(wanted, (content,), attached=attach, stamped=stamped, older=True)
    return await _one(signing, origin, request, order)


async def _one(signing: Signing, origin: str | None, request: Request, order: Order) -> str:
    [signature], _ = await signing.sign(origin, request.method, order)
    return signature


def _xml_order(storage: str, key_type: str, xmls: list[str], path: str, parent: str) -> Order:
    if bool(path) != bool(parent):
        raise Refused("both paths are given or none", FAILURE)
    paths = (path, parent) if path else None
    return Order(from_storage(storage, key_type), texts=tuple(xmls), paths=paths, older=True)


METHODS: Mapping[tuple[str, str], Method] = {
    (BASICS, "sign"): sign,
    (COMMON, "getActiveTokens"): get_active_tokens,
    (COMMON, "getKeyInfo"): get_key_info,
    (COMMON, "createCAdESFromBase64"): create_cades,
    (COMMON, "createCAdESFromBase64Hash"): create_cades_of_hash,
    (COMMON, "createCMSSignatureFromBase64"): create_cms_signature,
    (COMMON, "applyCAdEST"): apply_cades_t,
    (COMMON, "signXml"): sign_xml,
    (COMMON, "signXmls"): sign_xmls,
    (COMMON, "changeLocale"): change_locale,
}
