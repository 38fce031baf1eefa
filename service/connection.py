"""HTTP/1.1 as uvicorn speaks it, with what it lacks: a time limit before and after a request, and problems for what is no HTTP."""

from __future__ import annotations

import asyncio
from typing import cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.problems import problem
from service.settings import ServiceSettings


class Connection(H11Protocol):
    """For `uvicorn --http service.connection:Connection`.

    A connection on which no request is being answered has `max_idle_s` for the next one's head to come whole, or for the rest
    of a refused one to go by. The body in between is timed by service.intake.
    """

    idle_s = ServiceSettings().max_idle_s
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        self._set_patience()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._set_patience()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._end_patience()

    def _set_patience(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._end_patience()
        elif self._patience is None:
            self._patience = self.loop.call_later(self.idle_s, self._give_up)

    def _end_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        if self.conn.our_state is h11.IDLE and self.conn.trailing_data[0]:
            self._refuse(408, "too-slow", f"no whole request came within {self.idle_s:g} s: send its headers at once")
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls for a head that is malformed or longer than 64 KiB, and for a body that is not as its head says."""
        advice = "send HTTP/1.1 with headers under 64 KiB in all, and a body of the length that they say"
        self._refuse(400, "bad-request", f"the request can't be read: {advice}")
        self.transport.close()

    def _refuse(self, status: int, code: str, detail: str) -> None:
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        answer = problem(status, code, detail)
        head = h11.Response(status_code=status, headers=[*answer.raw_headers, (b"connection", b"close")])
        for event in (head, h11.Data(data=bytes(answer.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
