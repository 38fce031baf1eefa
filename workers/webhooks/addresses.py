"""Where messages may go: over https to addresses of the public internet, so that nobody reaches our own network through us."""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network, ip_address

import httpx

from reconstruction.errors import InputError

MAX_URL = 2000
PORTS = {"http": 80, "https": 443}
ADVICE = "give an https URL of a public host, such as https://example.com/hooks"
GLOBAL_UNICAST = IPv6Network("2000::/3")

Resolve = Callable[[str, int], list[str]]
"""Host name and port -> IP addresses, those to try first first. Raises OSError where there are none."""


def look_up(host: str, port: int) -> list[str]:
    """What the system knows: DNS, /etc/hosts, and every spelling of an address."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def read_url(url: str, allow_private: bool) -> httpx.URL:
    """The URL, normalized. Raises InputError where it is not https (or http, with `allow_private`), or holds a password."""
    try:
        read = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InputError(f"the URL can't be read ({error})", try_next=ADVICE) from error
    schemes = ("https", "http") if allow_private else ("https",)
    if read.scheme not in schemes or not read.host or not 0 < port_of(read) < 65536 or len(str(read)) > MAX_URL:
        raise InputError(f"{url[:200]!r} is no URL that messages are sent to", try_next=ADVICE)
    if read.userinfo:
        raise InputError("the URL holds a user or a password", try_next="check the signature of what comes instead")
    return read.copy_with(fragment=None)


def port_of(url: httpx.URL) -> int:
    return PORTS[url.scheme] if url.port is None else url.port


def allowed_addresses(host: str, port: int, allow_private: bool, resolve: Resolve = look_up) -> list[str]:
    """All addresses of the host. Raises InputError where there are none, or any is not public and `allow_private` is False.

    Both refusals say the same, so that nobody learns from them which names our own network knows.
    """
    try:
        addresses = resolve(host, port)
    except (OSError, UnicodeError):
        addresses = []
    if not addresses or not (allow_private or all(is_public(address) for address in addresses)):
        raise InputError(f"{host[:200]!r} does not lead to a public address", try_next=ADVICE)
    return addresses


def is_public(address: str) -> bool:
    """Whether the address belongs to one machine on the public internet, and hides no address that doesn't."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is None:
            return ip in GLOBAL_UNICAST and ip.is_global and ip.sixtofour is None and ip.teredo is None
        ip = ip.ipv4_mapped
    return ip.is_global and not ip.is_multicast
