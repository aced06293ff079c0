"""A whole НУЦ in memory for tests: a root, an issuing authority, systems, persons, and a CRL that follows
`revoke`."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import httpx

from egovkit.clock import Clock
from egovkit.signatures.authority import PROFILES, Authority, Span, Usage, person_name, system_name
from egovkit.signatures.certificates import Certificate, TrustStore
from egovkit.signatures.keys import SigningKey, new_private_key

if TYPE_CHECKING:
    from egovkit.signatures.stamps import StampService

__all__ = ["TestPki", "lay_key"]

KEYSTORE_PASSWORD = "of every key store of the tests"

YEARS = timedelta(days=3650)
YEAR = timedelta(days=365)
# Much longer than НУЦ's: a test that moves its clock by hours is about something else. Tests of a stale CRL
# move it by more than this, or hand a shorter one to their store.
CRL_LIFE = timedelta(days=30)


def lay_key(keystore: Path, password_file: Path, key: SigningKey, code: str) -> None:
    """A system's key and its password in the files its settings name."""
    for path in (keystore, password_file):
        path.parent.mkdir(parents=True, exist_ok=True)
    keystore.write_bytes(key.to_pkcs12(KEYSTORE_PASSWORD, code))
    password_file.write_text(f"{KEYSTORE_PASSWORD}\n")


class TestPki:
    """Certificates made around the clock's present. Every `TrustStore` given out learns of a revocation at
    once."""

    __test__ = False  # pytest takes classes named Test* for tests

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._revoked: list[tuple[int, datetime]] = []
        self._number = 0
        self._stores: list[TrustStore] = []
        long = self.span(YEARS)
        self.root_authority = Authority.root("НЕГІЗГІ КУӘЛАНДЫРУШЫ ОРТАЛЫҚ TEST", new_private_key(), long)
        self.issuing_authority = self.root_authority.subordinate(
            "ҰЛТТЫҚ КУӘЛАНДЫРУШЫ ОРТАЛЫҚ TEST", new_private_key(), long
        )

    @property
    def root(self) -> Certificate:
        return self.root_authority.certificate

    @property
    def issuing(self) -> Certificate:
        return self.issuing_authority.certificate

    def span(self, life: timedelta = YEAR) -> Span:
        """From a day ago until `life` from now."""
        now = self.clock.now()
        return Span(now - timedelta(days=1), now + life)

    def system(
        self,
        code: str,
        *,
        bin_: str | None = None,
        usage: Usage | None = None,
        span: Span | None = None,
        key: Literal["p256", "rsa2048"] = "p256",
    ) -> SigningKey:
        """A participant's key with an information system's certificate (EKU 1.2.398.5.19.1.2.2.1)."""
        private = new_private_key(key)
        certificate = self.issuing_authority.issue(
            system_name(code, bin_), private.public_key(), usage or PROFILES["system"], span or self.span()
        )
        return SigningKey(private, certificate, (self.issuing,))

    def stamping(self, *, usage: Usage | None = None, span: Span | None = None) -> StampAuthority:
        """A time stamping authority of the clock's present; `usage` and `span` make odd ones."""
        private = new_private_key("rsa2048")  # pyHanko's dummy signs with RSA alone
        name = system_name("time-stamping")
        certificate = self.issuing_authority.issue(
            name, private.public_key(), usage or PROFILES["stamping"], span or self.span()
        )
        return StampAuthority(SigningKey(private, certificate, (self.issuing,)), self.clock)

    def responder(self) -> SigningKey:
        """A key with a certificate for OCSP answers (RFC 6960, 4.2.2.2)."""
        private = new_private_key()
        certificate = self.issuing_authority.issue(
            system_name("ocsp"), private.public_key(), PROFILES["responder"], self.span(YEARS)
        )
        return SigningKey(private, certificate, (self.issuing,))

    def person(
        self,
        iin: str,
        surname: str = "СЫНАҚОВ",
        name: str = "СЫНАҚ",
        *,
        patronymic: str | None = None,
        bin_: str | None = None,
        profile: str = "person_sign",
        usage: Usage | None = None,
        span: Span | None = None,
        key: Literal["p256", "rsa2048"] = "p256",
    ) -> SigningKey:
        """A person's key; `profile` is person_sign, person_auth or employee_sign; `usage` and `span` make odd
        ones."""
        private = new_private_key(key)
        subject = person_name(iin, surname, name, patronymic=patronymic, bin_=bin_)
        certificate = self.issuing_authority.issue(
            subject, private.public_key(), usage or PROFILES[profile], span or self.span()
        )
        return SigningKey(private, certificate, (self.issuing,))

    def revoke(self, certificate: Certificate, since: datetime | None = None) -> None:
        """Revoked from now on, or `since` an earlier moment; all stores given out hear of it at once."""
        self._revoked.append((certificate.serial_number, since or self.clock.now()))
        self.publish()

    def crl(self, life: timedelta = CRL_LIFE) -> bytes:
        """A CRL of the clock's present, DER."""
        self._number += 1
        now = self.clock.now()
        return self.issuing_authority.crl(self._number, Span(now, now + life), self._revoked)

    def root_crl(self, life: timedelta = CRL_LIFE) -> bytes:
        """The root's own list: nothing revoked."""
        self._number += 1
        now = self.clock.now()
        return self.root_authority.crl(self._number, Span(now, now + life), [])

    def stamper(self) -> StampService:
        """Who asks this НУЦ for stamps, by the clock's present."""
        from egovkit.signatures.stamps import StampService

        http = httpx.AsyncClient(transport=httpx.MockTransport(self.stamping(span=self.span(YEARS)).answer))
        return StampService(http, "http://nuc/tsp")

    async def signed_page(self, official: SigningKey, number: str, folder: Path) -> bytes:
        """A page of a result as a provider's workstation makes it: PAdES B-LTA, naming the result's number."""
        from egovkit.pdf import PdfTemplate
        from egovkit.signatures.cms import sign_cms
        from egovkit.signatures.pdf import Evidence, finish_page, prepare_page

        now, template = self.clock.now(), folder / "page.typ"
        template.write_text('#set document(title: "x")\n#set text(font: "PT Sans")\n= №1', encoding="utf-8")
        prepared = await prepare_page(await PdfTemplate(template).render({}, now), now, reason=number)
        evidence = Evidence(self.root, [self.issuing], [self.crl(), self.root_crl()])
        return await finish_page(prepared, sign_cms(prepared.to_sign, official, now), self.stamper(), evidence, now)

    def publish(self) -> None:
        """Give every store a CRL of the clock's present, as НУЦ's next issue would."""
        der = self.crl()
        for store in self._stores:
            store.load_crl(der, self.clock.now())

    def trust(self) -> TrustStore:
        """A new store with root, issuing authority and a current CRL."""
        store = TrustStore(self.root)
        store.add_intermediate(self.issuing)
        store.load_crl(self.crl(), self.clock.now())
        self._stores.append(store)
        return store


class StampAuthority:
    """Stamps whatever it is asked to, at the clock's moment; `up` False: it does not answer."""

    def __init__(self, key: SigningKey, clock: Clock) -> None:
        self.key, self._clock, self.up, self.asked = key, clock, True, 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        """For httpx.MockTransport: POST /tsp."""
        self.asked += 1
        if not self.up:
            return httpx.Response(503)
        reply = self.reply(request.content)
        return httpx.Response(200, content=reply, headers={"content-type": "application/timestamp-reply"})

    def reply(self, query: bytes) -> bytes:
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
        from pyhanko.sign.timestamps import DummyTimeStamper
        from pyhanko_certvalidator.registry import SimpleCertificateStore

        from egovkit.signatures.asn1 import keys, tsp, x509

        private = self.key.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        own, *chain = (
            x509.Certificate.load(one.public_bytes(Encoding.DER)) for one in (self.key.certificate, *self.key.chain)
        )
        store = SimpleCertificateStore.from_certs(chain)
        stamper = DummyTimeStamper(own, keys.PrivateKeyInfo.load(private), store, self._clock.now())
        return bytes(stamper.request_tsa_response(tsp.TimeStampReq.load(query)).dump())
