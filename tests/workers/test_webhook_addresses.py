"""Messages leave for public addresses only, whatever names say and whenever they say it."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import httpcore
import pytest
import trustme
from receiver import receiving

from reconstruction.errors import InputError
from workers.webhooks.addresses import allowed_addresses, is_public, look_up, read_url
from workers.webhooks.sending import post

PUBLIC = "93.184.215.14"
PRIVATE = (
    *("127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1", "198.18.0.1"),
    *("224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "fc00::1", "fd12::1", "fe80::1", "fe80::1%1"),
    *("fec0::1", "ff02::1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2001:0:7f00:1::1", "2001:db8::1", "100::1"),
)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(InputError, match="public address"):
        allowed_addresses("innocent.example", 443, False, lambda *_: [address])
    with pytest.raises(InputError, match="public address"):  # one of several is enough
        allowed_addresses("innocent.example", 443, False, lambda *_: [PUBLIC, address])


@pytest.mark.parametrize("address", [PUBLIC, "1.1.1.1", "::ffff:1.1.1.1", "2606:4700:4700::1111"])
def test_public_addresses_are_not(address: str) -> None:
    assert allowed_addresses("example.com", 443, False, lambda *_: [address]) == [address]


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "::1", "::ffff:127.0.0.1", "0", "", "exa%20mple.com", "a" * 300],
)
def test_other_spellings_of_an_address_are_looked_through(host: str) -> None:
    with pytest.raises(InputError, match="public address"):
        allowed_addresses(host, 443, False, look_up)


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/", "ftp://example.com/", "file:///etc/passwd", "example.com", "/hook", "https://", "https:///x", ""),
        *("https://user:secret@example.com/", "https://example.com:99999/", "https://example.com:0/", f"https://example.com/{'x' * 2000}"),
        *("https://[::1/", "https://example.com/\nX-Header: 1", "redis://example.com"),
    ],
)
def test_only_https_urls_without_passwords_are_taken(url: str) -> None:
    with pytest.raises(InputError) as caught:
        read_url(url, allow_private=False)
    assert caught.value.try_next


def test_urls_are_kept_as_they_are_sent() -> None:
    assert str(read_url("https://bücher.example:443/a b?c=1#part", False)) == "https://xn--bcher-kva.example/a%20b?c=1"


class Recorder(httpcore.NetworkBackend):
    """Writes down where connections would go, and makes none."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    def connect_tcp(self, host: str, port: int, *_: Any, **__: Any) -> httpcore.NetworkStream:
        self.asked.append((host, port))
        raise httpcore.ConnectError("nobody there")


def test_a_name_that_changes_its_mind_leads_nowhere_private() -> None:
    answers = [[PUBLIC, "1.1.1.1"], ["127.0.0.1"], ["127.0.0.1"]]
    network = Recorder()
    with pytest.raises(httpcore.ConnectError):
        post("https://rebound.example/", {}, b"{}", 1.0, resolve=lambda *_: answers.pop(0), network=network)
    assert network.asked == [(PUBLIC, 443), ("1.1.1.1", 443)]  # of one answer, whichever comes next
    with pytest.raises(InputError, match="public address"):
        post("https://rebound.example/", {}, b"{}", 1.0, resolve=lambda *_: answers.pop(0), network=network)
    assert len(network.asked) == 2


def test_the_settings_of_today_count_not_those_of_its_creation() -> None:
    network = Recorder()
    for url in ("http://example.com/", "https://127.0.0.1/"):
        with pytest.raises(InputError):
            post(url, {}, b"{}", 1.0, network=network)
    assert network.asked == []


def test_the_certificate_is_checked_by_name_at_the_address_that_was_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    named: list[str | None] = []
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("hooks.example").configure_cert(tls)
    tls.sni_callback = lambda _socket, name, _context: named.append(name)  # type: ignore[assignment,func-returns-value]
    with receiving(tls=tls) as receiver:
        send = lambda host: post(f"https://{host}:{receiver.port}/x", {}, b"{}", 5.0, True, lambda *_: ["127.0.0.1"])  # noqa: E731
        assert send("hooks.example") == 204
        with pytest.raises(httpcore.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            send("other.example")
        assert named == ["hooks.example", "other.example"]
        (message,) = receiver.messages
        assert (message.headers["host"], message.path) == (f"hooks.example:{receiver.port}", "/x")
