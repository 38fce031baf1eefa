"""What comes in by one request: how much of it is read, and how long a sender may take."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fastapi import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from reconstruction.errors import InputError
from service.errors import TooLarge, TooSlow
from service.problems import problem_from
from service.settings import MIB, ServiceSettings
from workers.files.space import check_space

_KEY = "snap6d.body"


class Intake:
    """Between the server and the application: every request's body is counted and timed, whichever route reads it.

    A body may have `max_form_bytes`, unless its route says `expect_upload` before it reads.
    """

    def __init__(self, app: ASGIApp, settings: ServiceSettings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:  # no database keeps it in a text
            error = InputError("the address holds a NUL character", try_next="leave it out")
            return await problem_from(error)(scope, receive, send)
        scope[_KEY] = body = _Body(receive, self._settings)
        await self._app(scope, body.receive, send)


class _Body:
    def __init__(self, receive: Receive, settings: ServiceSettings) -> None:
        self._receive, self._settings = receive, settings
        self.most = settings.max_form_bytes
        self._bytes, self._started, self._more = 0, time.monotonic(), True

    async def receive(self) -> Any:
        """The next piece. Raises TooSlow, TooLarge."""
        if not self._more:  # who waits for the client to go away may wait for long
            return await self._receive()
        idle_s = self._settings.max_idle_s
        earned_s = self._bytes / self._settings.min_bytes_per_s
        try:
            message = await asyncio.wait_for(self._receive(), min(idle_s, self._started + idle_s + earned_s - time.monotonic()))
        except TimeoutError as error:
            advice = f"send something every {idle_s:g} s, and {self._settings.min_bytes_per_s} bytes a second on the whole"
            raise TooSlow(
                f"only {self._bytes} bytes of the request came in {time.monotonic() - self._started:.0f} s", try_next=advice
            ) from error
        self._more = message["type"] == "http.request" and message.get("more_body", False)
        self._bytes += len(message.get("body", b""))
        if self._bytes > self.most:
            raise _too_large(self.most)
        return message


def expect_upload(request: Request, settings: ServiceSettings) -> None:
    """Lets this request's body have `max_upload_bytes`. What it says of its length is checked before anything is read.

    Raises TooLarge, and StorageError where the disk has no room for it.
    """
    request.scope[_KEY].most = settings.max_upload_bytes
    said = request.headers.get("content-length", "0")
    size = int(said) if said.isdecimal() else 0
    if size > settings.max_upload_bytes:
        raise _too_large(settings.max_upload_bytes)
    check_space(settings.incoming, settings.min_free_bytes + size)


def _too_large(most: int) -> TooLarge:
    return TooLarge(f"the request exceeds {most // MIB} MiB", try_next="send fewer or smaller photos, and short options")
