"""Webhooks: the service tells when a job is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from snap6d.reading import read
from snap6d.results import Webhook
from snap6d.transport import Transport


class Webhooks:
    """`service.webhooks`. Messages are signed after Standard Webhooks; any of its libraries checks them with `secret`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, url: str, events: Sequence[str] | None = None) -> Webhook:
        """`url`: https, at a public address. `events`: of job.succeeded, job.failed, job.canceled; by default all. Keep its `secret`."""
        wanted: dict[str, Any] = {"url": url, **({"events": list(events)} if events else {})}
        return read(Webhook, self._transport.json("POST", "/v1/webhooks", json=wanted))

    def all(self) -> Sequence[Webhook]:
        return [read(Webhook, row) for row in self._transport.json("GET", "/v1/webhooks")]

    def delete(self, webhook: str | Webhook) -> None:
        webhook_id = webhook if isinstance(webhook, str) else webhook.id
        self._transport.send("DELETE", f"/v1/webhooks/{webhook_id}")
