"""Around every request: its id, its line in the log, its place in the metrics."""

from __future__ import annotations

import logging
import re
import time
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.metrics import Metrics
from workers.logs import bind
from workers.rows.tables import new_id

HEADER = "X-Request-ID"
_SANE = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_log = logging.getLogger("snap6d.requests")


class Tracing:
    """ASGI middleware. The caller's request id is kept where it is sane, else one is made; the answer's header tells it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if _SANE.fullmatch(given) else new_id("req")
        # Not taken back: this coroutine ends with the request, and a defect is logged after this middleware was left.
        bind(request_id=request_id, tenant=None, job=None, stage=None, attempt=None)
        metrics: Metrics = scope["app"].state.context.metrics
        status, received, started = 500, 0, time.perf_counter()

        async def count(*, wanted: Receive = receive) -> Message:
            nonlocal received
            message = await wanted()
            received += len(message.get("body", b""))
            return message

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).setdefault(HEADER, request_id)
            await send(message)

        try:
            await self._app(scope, count, tell)
        finally:
            _note(metrics, scope, status, time.perf_counter() - started, received)


def _note(metrics: Metrics, scope: Scope, status: int, seconds: float, received: int) -> None:
    """What changes something or fails is worth a line by default; reading is not: pages ask often."""
    route = getattr(scope.get("route"), "path", "none")  # as declared: no ids
    metrics.answered(scope["method"], route, status, seconds, received)
    is_quiet = scope["method"] in ("GET", "HEAD") and status < 500
    _log.log(logging.DEBUG if is_quiet else logging.INFO, "%s %s %d in %.3f s", scope["method"], quote(scope["path"]), status, seconds)
