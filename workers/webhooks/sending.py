"""One POST to an address that was checked. The name is resolved once, its addresses are checked, and the connection goes to one of
those: an answer of the resolver that changes meanwhile changes nothing. Certificate, SNI and Host go by the name all the same.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore
import httpx

from workers.webhooks.addresses import Resolve, allowed_addresses, look_up, read_url


def post(
    url: str,
    headers: dict[str, str],
    body: bytes,
    timeout_s: float,
    allow_private: bool = False,
    resolve: Resolve = look_up,
    network: httpcore.NetworkBackend | None = None,
) -> int:
    """The status of the answer, whose body is not read. Redirects are not followed, proxies of the environment not used.

    `timeout_s` is for all of it, looking up the name apart. Raises InputError for a URL or an address that is not allowed, and what
    httpcore raises for a receiver that can't be reached or does not answer in time.
    """
    read = read_url(url, allow_private)
    target = httpcore.URL(scheme=read.raw_scheme, host=read.raw_host, port=read.port, target=read.raw_path)
    checked = _CheckedNetwork(allow_private, resolve, timeout_s, network or httpcore.SyncBackend())
    with (
        httpcore.ConnectionPool(ssl_context=httpx.create_ssl_context(), network_backend=checked) as pool,
        pool.stream("POST", target, headers=[("Host", read.netloc), *headers.items()], content=body) as answer,
    ):
        return answer.status


class _CheckedNetwork(httpcore.NetworkBackend):
    """Connects to addresses that were checked, and keeps one deadline over everything."""

    def __init__(self, allow_private: bool, resolve: Resolve, timeout_s: float, inner: httpcore.NetworkBackend) -> None:
        self._allow_private, self._resolve, self._timeout_s, self._inner = allow_private, resolve, timeout_s, inner

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = allowed_addresses(host, port, self._allow_private, self._resolve)
        clock = _Clock(self._timeout_s)
        for address in addresses[:-1]:
            try:
                return _TimedStream(self._inner.connect_tcp(address, port, clock.left() / 2), clock)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return _TimedStream(self._inner.connect_tcp(addresses[-1], port, clock.left()), clock)


class _Clock:
    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds, more than 0. Raises TimeoutException when they are over."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise httpcore.TimeoutException
        return left


class _TimedStream(httpcore.NetworkStream):
    """Timeouts of single reads would let a receiver that sends a byte now and then hold us for hours."""

    def __init__(self, inner: httpcore.NetworkStream, clock: _Clock) -> None:
        self._inner, self._clock = inner, clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._clock.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._clock.left())

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _TimedStream(self._inner.start_tls(ssl_context, server_hostname, self._clock.left()), self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
