"""Where a webhook may go: judged by the address a name has at that moment, in every disguise."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from egovgateway.webhooks.addresses import Addresses, parse
from egovkit.errors import EgovError

PUBLIC = "1.1.1.1"  # an address as good as any: nothing is sent


def policy(*found: str, sandbox: bool = False, private: bool = False) -> Addresses:
    async def resolve(host: str, port: int) -> Sequence[str]:
        if not found:
            raise OSError("no such name")
        return found

    return Addresses(sandbox, private, resolve)


async def refusal(addresses: Addresses, url: str) -> str | None:
    try:
        await addresses.place(url)
    except EgovError as error:
        return error.code
    return None


@pytest.mark.parametrize(
    "url",
    [
        "https:///path",
        "https://host:99999/",
        "https://host:x/",
        "https://user@host/",
        "https://user:word@host/",
        "https://host/#part",
        "https://host/a b",
        "https://host/\r\nX: y",
        "https://сайт/",
        "https://host\\@other/",
        "https://host/" + "a" * 2000,
        "https://[::1",
    ],
)
def test_a_url_that_two_parsers_may_read_differently_is_none(url: str) -> None:
    with pytest.raises(EgovError, match=r"webhook\.url_form"):
        parse(url)


@pytest.mark.parametrize("url", ["ftp://host/", "file:///etc/passwd", "host", "", "//host/"])
def test_another_scheme_is_none(url: str) -> None:
    with pytest.raises(EgovError, match=r"webhook\.url_scheme"):
        parse(url)


@pytest.mark.parametrize(
    ("address", "strict", "private", "sandbox"),
    [
        (PUBLIC, True, True, True),
        ("2606:4700:4700::1111", True, True, True),
        ("10.0.0.1", False, True, True),
        ("192.168.7.7", False, True, True),
        ("fc00::1", False, True, True),
        ("127.0.0.1", False, True, True),
        ("::1", False, True, True),
        ("::ffff:10.0.0.1", False, True, True),
        ("100.64.0.1", False, False, True),
        ("169.254.169.254", False, False, False),
        ("::ffff:169.254.169.254", False, False, False),
        ("64:ff9b::a9fe:a9fe", False, False, False),
        ("2002:a9fe:a9fe::1", False, False, False),
        ("fe80::1%eth0", False, False, False),
        ("fd00:ec2::254", False, False, False),
        ("100.100.100.200", False, False, False),
        ("224.0.0.1", False, False, False),
        ("0.0.0.0", False, False, False),
        ("::", False, False, False),
    ],
)
async def test_an_address_is_judged_by_what_it_is(address: str, strict: bool, private: bool, sandbox: bool) -> None:
    policies = (policy(address), policy(address, private=True), policy(address, sandbox=True))
    found = [await refusal(one, "https://partner.example/hook") is None for one in policies]
    assert found == [strict, private, sandbox]


async def test_one_bad_address_among_good_ones_is_enough() -> None:
    assert await refusal(policy(PUBLIC, "127.0.0.1"), "https://partner.example/") == "webhook.url_address"
    assert await refusal(policy(), "https://nowhere.example/") == "webhook.url_address"


async def test_plain_http_is_for_sandboxes_and_for_this_machine_where_that_is_allowed() -> None:
    url = "http://partner.example/"
    assert await refusal(policy(PUBLIC), url) == "webhook.url_scheme"
    assert await refusal(policy("10.0.0.1", private=True), url) == "webhook.url_scheme"
    assert await refusal(policy("127.0.0.1", private=True), url) is None
    assert await refusal(policy("10.0.0.1", sandbox=True), url) is None


async def test_the_connection_goes_to_the_address_that_was_judged_and_names_the_host() -> None:
    place = await policy("2606:4700:4700::1111").place("https://Partner.example:8443/hook?a=1")
    assert (place.address, place.host, place.authority) == (
        "2606:4700:4700::1111",
        "partner.example",
        "partner.example:8443",
    )
    assert (await policy().place(f"https://{PUBLIC}/")).authority == PUBLIC  # an address needs no resolver
