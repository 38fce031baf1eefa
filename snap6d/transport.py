"""Requests that are sent again where that is safe and may help: a server that restarts, a busy one, a connection that broke."""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import httpx

from snap6d.errors import ServerError, Snap6DError, Unreachable, error_of, passes

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Patience:
    """Pauses between tries, longer each time, until `seconds` have gone by without progress, or `stop` is set."""

    def __init__(self, seconds: float, stop: threading.Event | None = None) -> None:
        self._seconds, self._stop = seconds, stop or threading.Event()
        self.renew()

    def renew(self) -> None:
        """Something went well."""
        self._until, self._pause_s = time.monotonic() + self._seconds, FIRST_PAUSE_S

    def pause(self, error: Snap6DError, at_least_s: float = 0.0) -> None:
        """Raises the error where there is no time left for another try."""
        pause_s = max(at_least_s, self._pause_s * random.uniform(0.5, 1.0))
        if time.monotonic() + pause_s > self._until or self._stop.wait(pause_s):
            raise error
        self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s)


class Transport:
    """One service. Threads may share it."""

    def __init__(self, url: str, api_key: str | None, timeout_s: float, patience_s: float) -> None:
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self.url, self.timeout_s, self.patience_s = url.rstrip("/"), timeout_s, patience_s
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout_s)
        self._answered_before = False

    def close(self) -> None:
        self._http.close()

    def json(self, method: str, path: str, **request: Any) -> Any:
        """The answer's body. Raises Snap6DError."""
        answer = self.send(method, path, **request)
        try:
            return answer.json()
        except ValueError as error:
            advice = "check that the address is a Snap6D service"
            raise ServerError(f"{answer.url} does not answer in JSON", try_next=advice, status=answer.status_code) from error

    def send(
        self,
        method: str,
        path: str,
        *,
        key: str | None = None,
        repeatable: bool = False,
        body: Callable[[], Iterable[bytes]] | None = None,
        stream: bool = False,
        patience_s: float | None = None,
        stop: threading.Event | None = None,
        **request: Any,
    ) -> httpx.Response:
        """An answer below 400. `key`: the Idempotency-Key, by which a POST can be sent again; `repeatable`: it can without.
        `body`: read anew for every try.

        With `stream` the caller closes the answer. `stop`: from then on nothing is tried again. Raises Snap6DError.
        """
        headers = {**request.pop("headers", {}), **({"Idempotency-Key": key} if key else {})}
        repeatable = repeatable or method in ("GET", "PUT") or key is not None
        patience = Patience(self.patience_s if patience_s is None else patience_s, stop)
        while True:
            try:
                built = self._http.build_request(method, path, headers=headers, content=body() if body else None, **request)
                answer = self._http.send(built, stream=stream)
                if answer.is_error:
                    answer.read()
            except httpx.TransportError as broken:
                self._try_again(broken, patience, repeatable)
                continue
            self._answered_before = True
            if not answer.is_error:
                return answer
            answer.close()
            error = error_of(answer)
            if not passes(error, repeatable):
                raise error
            patience.pause(error, _seconds(answer.headers.get("retry-after")))

    def _try_again(self, broken: httpx.TransportError, patience: Patience, repeatable: bool) -> None:
        """Pauses, or raises Unreachable: at once where the address has never answered, or where the request may have been done."""
        error = unreachable(self.url, broken)
        never_sent = isinstance(broken, NEVER_SENT)
        if (never_sent and not self._answered_before) or not (never_sent or repeatable):
            raise error from broken
        patience.pause(error)


def unreachable(url: str, broken: Exception) -> Unreachable:
    advice = "check the address, or start it with snap6d serve"
    error = Unreachable(f"{url} does not answer ({broken or type(broken).__name__})", try_next=advice, type="unreachable")
    error.__cause__ = broken
    return error


def new_key() -> str:
    """An Idempotency-Key: the same request sent twice is done once."""
    return uuid.uuid4().hex


def _seconds(retry_after: str | None) -> float:
    try:
        return float(retry_after or 0)
    except ValueError:  # a date: then our own pauses do
        return 0.0
