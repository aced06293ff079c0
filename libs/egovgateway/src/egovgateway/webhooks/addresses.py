"""Where a webhook may go. The gateway stands inside the network and calls whom others name: server-side request forgery
(OWASP SSRF prevention: scheme, form, and the address after resolving it).

The name is resolved at every attempt and the connection goes to the address that was judged, so that a name which
points elsewhere a moment later (DNS rebinding) leads nowhere.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from egovkit.errors import EgovError

MAX_URL = 2000
OF_A_URL = ("webhook.url_form", "webhook.url_scheme", "webhook.url_address")
PORTS = {"https": 443, "http": 80}
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # carries an IPv4 address in its last 32 bits
# What a cloud tells its machines about themselves, beside 169.254.169.254, which is link-local.
METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200")))


@dataclass(frozen=True, slots=True)
class Place:
    """A URL taken apart; `address` is the one to connect to."""

    url: str
    scheme: str
    host: str
    port: int
    address: str = ""

    @property
    def authority(self) -> str:
        """For the Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


async def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """Every address of a name, as the machine finds them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


@dataclass(frozen=True, slots=True)
class Addresses:
    """`sandbox` lets plain http and every network pass, `private` only private networks and this machine."""

    sandbox: bool = False
    private: bool = False
    resolve: Resolve = resolve_by_system

    async def place(self, url: str) -> Place:
        """The place behind `url`; EgovError webhook.url_form, webhook.url_scheme, webhook.url_address."""
        place = parse(url)
        addresses = await self._addresses(place)
        for one in addresses:
            self._judge(place, one)
        return Place(place.url, place.scheme, place.host, place.port, str(addresses[0]))

    async def _addresses(self, place: Place) -> list[IpAddress]:
        try:
            return [ipaddress.ip_address(place.host)]
        except ValueError:
            pass  # a name, or an address as only resolvers read it
        try:
            found = await self.resolve(place.host, place.port)
            addresses = [ipaddress.ip_address(one.partition("%")[0]) for one in found]
        except (OSError, ValueError):
            addresses = []
        if not addresses:
            raise EgovError("webhook.url_address", host=place.host)
        return addresses

    def _judge(self, place: Place, address: IpAddress) -> None:
        inner = _inner(address)
        never = inner.is_link_local or inner.is_multicast or inner.is_unspecified or inner in METADATA
        if never or not (inner.is_global or self.sandbox or (self.private and (inner.is_private or inner.is_loopback))):
            raise EgovError("webhook.url_address", host=place.host)
        if place.scheme == "http" and not (self.sandbox or (self.private and inner.is_loopback)):
            raise EgovError("webhook.url_scheme")


def parse(url: str) -> Place:
    """A URL's form: http(s), a host, no credentials, no fragment."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise EgovError("webhook.url_form") from None
    if parts.scheme not in PORTS:
        raise EgovError("webhook.url_scheme")
    if not host or not _is_plain(url, parts):
        raise EgovError("webhook.url_form")
    return Place(url, parts.scheme, host, port or PORTS[parts.scheme])


def _is_plain(url: str, parts: SplitResult) -> bool:
    printable = url.isascii() and url.isprintable() and not set(' "<>\\^`{|}') & set(url)
    return printable and len(url) <= MAX_URL and "@" not in parts.netloc and "#" not in url


def _inner(address: IpAddress) -> IpAddress:
    """The IPv4 address that an IPv6 address stands for, or itself."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour or address
