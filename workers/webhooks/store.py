"""Webhooks as the API sees them. Delivering is the workers' business: workers/webhooks/courier.py."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, delete, func, insert, select

from workers.failures import Conflict, NotFound
from workers.rows.database import Database
from workers.rows.tables import new_id
from workers.webhooks.signing import new_secret
from workers.webhooks.tables import DELIVERIES, WEBHOOKS

SHOWN = 20


@dataclass(frozen=True)
class DeliveryRow:
    """`status` is due, delivered or given up; `answer` is what came of the last attempt."""

    id: str
    type: str
    status: str
    attempts: int
    answer: str | None
    created_at: float
    next_at: float


@dataclass(frozen=True)
class WebhookRow:
    id: str
    url: str
    events: list[str]
    gone_at: float | None
    created_at: float
    deliveries: tuple[DeliveryRow, ...] = ()
    """The latest, newest first; only where a single webhook was asked for."""


class WebhookStore:
    """The webhooks of one tenant; anybody else's are not found."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._db, self._tenant = database, tenant

    def create(self, url: str, events: list[str], limit: int) -> tuple[WebhookRow, str]:
        """The webhook and its secret, which is never shown again. Raises Conflict where the tenant has `limit` of them."""
        secret = new_secret()
        values: dict[str, Any] = {"id": new_id("wh"), "url": url, "events": events, "created_at": time.time()}
        with self._db.write() as db:
            there = db.execute(select(func.count()).select_from(WEBHOOKS).where(WEBHOOKS.c.tenant == self._tenant)).scalar_one()
            if there >= limit:
                raise Conflict(f"there are {there} webhooks already, as many as may be", try_next="DELETE one that is no longer needed")
            db.execute(insert(WEBHOOKS).values(**values, tenant=self._tenant, secret=secret))
        return WebhookRow(**values, gone_at=None), secret

    def all(self) -> list[WebhookRow]:
        """Newest first."""
        with self._db.read() as db:
            rows = db.execute(_SHOWN_COLUMNS.where(WEBHOOKS.c.tenant == self._tenant).order_by(WEBHOOKS.c.created_at.desc()))
            return [WebhookRow(**row._mapping) for row in rows]

    def get(self, webhook_id: str) -> WebhookRow:
        """With its latest deliveries. Raises NotFound."""
        with self._db.read() as db:
            row = db.execute(_SHOWN_COLUMNS.where(self._mine(webhook_id))).first()
            if row is None:
                raise _not_found(webhook_id)
            columns = [DELIVERIES.c[name] for name in DeliveryRow.__dataclass_fields__]
            latest = select(*columns).where(DELIVERIES.c.webhook_id == webhook_id).order_by(DELIVERIES.c.created_at.desc()).limit(SHOWN)
            return WebhookRow(**row._mapping, deliveries=tuple(DeliveryRow(**delivery._mapping) for delivery in db.execute(latest)))

    def delete(self, webhook_id: str) -> None:
        """With what was still to be delivered to it. Raises NotFound."""
        with self._db.write() as db:
            if not db.execute(delete(WEBHOOKS).where(self._mine(webhook_id))).rowcount:
                raise _not_found(webhook_id)

    def _mine(self, webhook_id: str) -> Any:
        return and_(WEBHOOKS.c.id == webhook_id, WEBHOOKS.c.tenant == self._tenant)


_SHOWN_COLUMNS = select(*(WEBHOOKS.c[name] for name in ("id", "url", "events", "gone_at", "created_at")))


def _not_found(webhook_id: str) -> NotFound:
    return NotFound(f"there is no webhook {webhook_id!r}", try_next="GET /v1/webhooks lists those there are")
