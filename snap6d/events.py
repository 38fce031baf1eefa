"""Server-Sent Events: what happens to a job, as it happens, across broken connections and restarts of the server."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from contextlib import closing

import httpx

from snap6d.results import Event
from snap6d.transport import Patience, Transport, unreachable

QUIET_S = 60.0
"""The server says something at least every 25 s; one that is silent for longer is gone."""
SHORT_S = 1.0
"""A connection that lasted longer than this was a good one, though nothing may have happened meanwhile."""


def listen(transport: Transport, job_id: str, after: str | None, patience_s: float) -> Iterator[Event]:
    """Until the job is over. Raises NotFound where the server has no such job, or no events; Busy, Unreachable."""
    patience = Patience(patience_s)
    while True:
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": after} if after else {})}
        address = f"/v1/jobs/{job_id}/events"
        answer = transport.send("GET", address, headers=headers, stream=True, timeout=QUIET_S, patience_s=patience_s)
        opened = time.monotonic()
        try:
            with closing(answer):
                if answer.status_code == 204:
                    return
                for event in parse(answer.iter_lines()):
                    after, opened = event.id or after, 0.0
                    yield event
            broken: Exception = ConnectionError("the stream ended before the job")
        except httpx.TransportError as error:
            broken = error
        if time.monotonic() - opened > SHORT_S:
            patience.renew()
        else:
            patience.pause(unreachable(transport.url, broken))


def parse(lines: Iterable[str]) -> Iterator[Event]:
    """Comments and what is no JSON object are passed over."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data" and "data" in fields:
            fields["data"] += "\n" + value
        elif name:
            fields[name] = value
        elif not line and "data" in fields:
            yield Event(fields.get("id", ""), fields.get("event", "message"), _object(fields.pop("data")))
            fields.clear()


def _object(text: str) -> dict[str, object]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
