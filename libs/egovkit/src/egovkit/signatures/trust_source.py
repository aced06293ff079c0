"""Where a trust store has its authorities and lists from: НУЦ, over HTTP."""

from __future__ import annotations

import asyncio

import httpx
import structlog

from egovkit.clock import Clock
from egovkit.errors import EgovError
from egovkit.signatures.certificates import Certificate, TrustStore, load_certificate
from egovkit.signatures.fetching import fetch

__all__ = ["TrustSource"]

REFRESH_EVERY_S = 2.0  # a revocation is known everywhere within 5 s: one period, the request and some room
NOT_OLDER_THAN_S = 1.0  # unforced refreshes of one second share one request; so do certificates of an unknown key
MAX_KEYS = 16  # of one issuing authority, one after the other
MAX_CERTIFICATE = 16 * 1024  # an authority's takes 1 KB
MAX_LIST = 32 * 1024 * 1024  # 100,000 entries take 4 MB
SECONDS = 20.0  # for one of them in full

_log = structlog.get_logger(__name__)


class TrustSource:
    """Keeps a `TrustStore` current: `/ca/issuing.cer` and `/crl`, the latter by ETag.

    `http` has НУЦ's address as its base URL, or `nuc_url` gives it; no other address is ever asked, whatever a
    certificate says. While НУЦ doesn't answer, the last CRL serves until its nextUpdate; after it every certificate is
    `certificate.revocation_unknown`.
    """

    def __init__(self, store: TrustStore, http: httpx.AsyncClient, clock: Clock, nuc_url: str = "") -> None:
        self.store = store
        self._http = http
        self._clock = clock
        self._base = nuc_url.rstrip("/")
        self._etag: str | None = None
        self._fetched: float | None = None
        self._met = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    @property
    def age_s(self) -> float | None:
        """Seconds since НУЦ last confirmed our CRL; None before the first time."""
        return None if self._fetched is None else self._clock.monotonic() - self._fetched

    async def refresh(self, force: bool = False) -> None:
        """Ask НУЦ once. Unforced, an answer younger than a second is good enough.

        httpx.HTTPError when НУЦ doesn't answer, answers with an error or without an end; EgovError
        ("certificate.crl_invalid") or EgovError("certificate.untrusted") when what it gives isn't good. The store then
        stays as it was.
        """
        async with self._one_at_a_time:
            if not force and self.age_s is not None and self.age_s < NOT_OLDER_THAN_S:
                return
            await self._refresh()

    async def meet(self, certificate: Certificate) -> bool:
        """Before it is checked: a certificate under an authority's name by a key that nobody here knows may be of a key
        that НУЦ has taken up since it was last asked. So it is asked, at most once a second, since such a certificate
        may as well be forged. True when the certificate has a chain now and had none before; failing is no error, what
        is known stays."""
        if self.store.chain_of(certificate) or not self.store.knows_name(certificate.issuer):
            return False
        async with self._one_at_a_time:
            now = self._clock.monotonic()
            if not self.store.chain_of(certificate) and now - self._met >= NOT_OLDER_THAN_S:
                self._met = now
                try:
                    await self._refresh()
                except (httpx.HTTPError, EgovError) as error:
                    _log.warning("trust.refresh_failed", reason=str(error) or type(error).__name__, age_s=self.age_s)
        return bool(self.store.chain_of(certificate))

    async def run(self) -> None:
        """Refresh for ever, so that a revocation is known within 5 s; cancel to stop."""
        while True:
            try:
                await self.refresh()
            except (httpx.HTTPError, EgovError) as error:
                reason = str(error) or type(error).__name__
                _log.warning("trust.refresh_failed", reason=reason, age_s=self.age_s)
            await self._clock.sleep(REFRESH_EVERY_S)

    async def _refresh(self) -> None:
        if self._etag is None:
            await self._fetch_issuing()
        await self._fetch_crl()
        self._fetched = self._clock.monotonic()

    async def _fetch_issuing(self) -> None:
        for one in await issuing_authorities(self._http, self._base):
            try:
                certificate = load_certificate(one)
            except ValueError:
                raise EgovError("certificate.untrusted", thumbprint="") from None
            self.store.add_intermediate(certificate)

    async def _fetch_crl(self) -> None:
        headers = {"if-none-match": self._etag} if self._etag else {}
        answer, content = await fetch(
            self._http, f"{self._base}/crl", longest=MAX_LIST, seconds=SECONDS, headers=headers
        )
        if answer.status_code == httpx.codes.NOT_MODIFIED:
            return
        answer.raise_for_status()
        try:
            await asyncio.to_thread(self.store.load_crl, content, self._clock.now())
        except EgovError:
            if self._etag is None:
                raise  # the authorities were asked for a moment ago
            # A new key of the issuing authority shows itself by a list that those we know did not sign.
            await self._fetch_issuing()
            await asyncio.to_thread(self.store.load_crl, content, self._clock.now())
        self._etag = answer.headers.get("etag")


async def issuing_authorities(http: httpx.AsyncClient, nuc_url: str) -> list[bytes]:
    """НУЦ's certificate of its issuing authority, and of the keys before it, whose certificates are still about.

    httpx.HTTPError when НУЦ doesn't answer or answers with an error.
    """
    found: list[bytes] = []
    address: str | None = f"{nuc_url}/ca/issuing.cer"
    while address is not None and len(found) < MAX_KEYS:
        answer, content = await fetch(http, address, longest=MAX_CERTIFICATE, seconds=SECONDS)
        answer.raise_for_status()
        found.append(content)
        address = _predecessor(answer)
    return found


def _predecessor(answer: httpx.Response) -> str | None:
    """The address, on the same host, of the version before, where there is one."""
    path = answer.links.get("predecessor-version", {}).get("url", "")
    if not path.startswith("/"):
        return None
    url = answer.url.join(path)
    return str(url) if url.host == answer.url.host and url.port == answer.url.port else None
