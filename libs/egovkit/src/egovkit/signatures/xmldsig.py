"""XML signatures in the form that NCALayer makes and the state's portals take (W3C XML Signature 1.1), by xmlsec.

Enveloped: one reference to the whole document (URI=""), transforms enveloped-signature and C14N 1.0 with comments,
SignedInfo in C14N 1.0. Of one element: a reference by its `Id`, C14N 1.0 with comments, SignedInfo in exclusive C14N.
SHA-256 throughout. The text comes from a stranger: no DTD, no entity, no network, no depth without end.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import rsa

from egovkit.signatures.keys import SigningKey, der, private_pem

if TYPE_CHECKING:
    from lxml.etree import _Element

__all__ = ["XmlMalformed", "sign_element", "sign_enveloped"]

DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="no"?>'
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
C14N_WITH_COMMENTS = f"{C14N}#WithComments"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
DS = "{http://www.w3.org/2000/09/xmldsig#}"
COLUMNS = 76  # of base64 in NCALayer's older interface (RFC 2045)
# Steps down by name with a number or an attribute's value, `//` before the first alone: of two descents, or a step back
# up, libxml2 compares every element found with every other, and a document of some megabytes takes it hours.
_NAME = r"(?:\w[\w.-]*:)?(?:\w[\w.-]*|\*)"
_STEP = rf"{_NAME}(?:\[(?:\d{{1,6}}|@[\w:.-]+=(?:'[^']*'|\"[^\"]*\"))\])?"
PATH = re.compile(rf"//?{_STEP}(?:/{_STEP}){{0,15}}")
MAX_PATH = 512
ID = re.compile(r"\w[\w:.-]*")  # what a reference can name: #xpointer(/) would be the whole document
_TOLD = {77: "XML document structures must start and end within the same entity."}  # libxml2's code, Xerces' words


class XmlMalformed(ValueError):
    """What is wrong with the document or the paths; `line` and `column` where the parser stopped, else 0."""

    def __init__(self, reason: str, line: int = 0, column: int = 0) -> None:
        super().__init__(reason)
        self.line, self.column = line, column


def sign_enveloped(xml: str, key: SigningKey, *, wrapped: bool = False) -> str:
    """The document with a `ds:Signature` as the last child of its root. `wrapped`: base64 outside of what is signed in
    lines of 76. XmlMalformed."""
    root = _parsed(xml)
    made = _sign(root, key, "", (ENVELOPED, C14N_WITH_COMMENTS), C14N)
    return _text(made, wrapped)


def sign_element(xml: str, key: SigningKey, path: str, parent: str, *, wrapped: bool = False) -> str:
    """The document with a signature over the element at `path`, put at the end of the element at `parent`.

    The element needs an attribute `Id` that no other has; `parent` may not lie within it, as nothing then
    would take the signature out of what it signs. XmlMalformed.
    """
    root = _parsed(xml)
    element, place = _found(root, path), _found(root, parent)
    if place is element or element in place.iterancestors():
        raise XmlMalformed("the signature would lie within the element it signs")
    name = element.get("Id")
    if not name or not ID.fullmatch(name):
        raise XmlMalformed("the element to be signed has no Id of letters, digits and .:-_")
    if len(root.xpath("//@Id[. = $name] | //@xml:id[. = $name]", name=name)) != 1:  # libxml2 finds by either
        raise XmlMalformed("another element has the Id of the one to be signed")
    made = _sign(place, key, f"#{name}", (C14N_WITH_COMMENTS,), EXCLUSIVE)
    return _text(made, wrapped)


def _parsed(xml: str) -> _Element:
    from lxml import etree

    parser = etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_pis=False
    )
    try:
        root = etree.fromstring(xml.encode("utf-8"), parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise XmlMalformed(
            _TOLD.get(error.code, error.msg or "not XML").partition(", line ")[0], line, column
        ) from None
    except ValueError as error:  # a lone surrogate
        raise XmlMalformed(type(error).__name__) from None
    if root.getroottree().docinfo.doctype:
        raise XmlMalformed("DOCTYPE is disallowed")
    return root


def _found(root: _Element, path: str) -> _Element:
    if len(path) > MAX_PATH or not PATH.fullmatch(path):
        raise XmlMalformed("the path is none of names, numbers and attributes' values, with // at its beginning alone")
    from lxml import etree

    prefixes = {prefix: uri for prefix, uri in root.nsmap.items() if prefix}
    try:
        found: Any = root.xpath(path, namespaces=prefixes)
    except etree.XPathError as error:
        raise XmlMalformed(f"the path cannot be followed: {error}") from None
    if len(found) != 1:
        raise XmlMalformed(f"the path leads to {len(found)} elements, not to one")
    element: _Element = found[0]
    return element


def _sign(place: _Element, key: SigningKey, uri: str, transforms: Sequence[str], c14n: str) -> _Element:
    """Puts a `ds:Signature` over `uri` at the end of `place`. Without a line break: egov.kz refuses pretty ones."""
    import xmlsec
    from lxml import etree

    is_rsa = isinstance(key.private_key, rsa.RSAPrivateKey)
    signature = etree.SubElement(place, f"{DS}Signature", nsmap={"ds": DS[1:-1]})
    info = etree.SubElement(signature, f"{DS}SignedInfo")
    etree.SubElement(info, f"{DS}CanonicalizationMethod", Algorithm=c14n)
    etree.SubElement(info, f"{DS}SignatureMethod", Algorithm=RSA_SHA256 if is_rsa else ECDSA_SHA256)
    reference = etree.SubElement(info, f"{DS}Reference", URI=uri)
    listed = etree.SubElement(reference, f"{DS}Transforms")
    for one in transforms:
        etree.SubElement(listed, f"{DS}Transform", Algorithm=one)
    etree.SubElement(reference, f"{DS}DigestMethod", Algorithm=SHA256)
    etree.SubElement(reference, f"{DS}DigestValue")
    etree.SubElement(signature, f"{DS}SignatureValue")
    data = etree.SubElement(etree.SubElement(signature, f"{DS}KeyInfo"), f"{DS}X509Data")
    etree.SubElement(data, f"{DS}X509Certificate").text = base64.b64encode(der(key.certificate)).decode()
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(private_pem(key.private_key), xmlsec.constants.KeyDataFormatPem)
    if uri:
        context.register_id(next(one for one in place.getroottree().iter() if one.get("Id") == uri[1:]), "Id")
    try:
        context.sign(signature)
    except xmlsec.Error:  # C14N 1.0, 1.3: a relative namespace is a failure
        raise XmlMalformed("the document has no canonical form: is a namespace a relative URI?") from None
    return signature


def _text(signature: _Element, wrapped: bool) -> str:
    """The document around it, with its declaration; its base64 in lines or in one. That of other signatures stays: what
    is signed, they are part of."""
    from lxml import etree

    for one in signature.iter(f"{DS}SignatureValue", f"{DS}X509Certificate"):
        text = "".join((one.text or "").split())
        lines = [text[at : at + COLUMNS] for at in range(0, len(text), COLUMNS)]
        one.text = "\n" + "\n".join(lines) + "\n" if wrapped else text
    return DECLARATION + str(etree.tostring(signature.getroottree(), encoding="unicode"))
