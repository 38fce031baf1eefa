"""What couriers do with deliveries: claim those that are due, settle what came of them. At least once is the promise:
a courier that dies on its way leaves a delivery that is due again when its lease is over.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import and_, delete, func, select, update

from workers.rows.database import Database
from workers.webhooks.tables import DELIVERIES, WEBHOOKS

GONE = 410


@dataclass(frozen=True)
class Delivery:
    """The duty to try once, as long as nobody counts a later attempt."""

    id: str
    webhook_id: str
    url: str
    secret: str
    payload: str
    attempts: int
    """This one included."""


@dataclass(frozen=True)
class Answer:
    """`status` is None where none came; `text` is for the owner of the webhook."""

    status: int | None
    text: str

    @property
    def delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


class Outbox:
    """`retry_s`: how long to wait after the first failure, the second, ...; after the one that follows the last it is given up."""

    def __init__(self, database: Database, lease_s: float, retry_s: tuple[float, ...]) -> None:
        self._db, self._lease_s, self._retry_s = database, lease_s, retry_s

    def claim(self, limit: int) -> list[Delivery]:
        """At most one of each webhook, its oldest, so that one slow receiver does not keep the others waiting."""
        now = time.time()
        other = DELIVERIES.alias()
        oldest = select(func.min(other.c.next_at)).where(other.c.webhook_id == DELIVERIES.c.webhook_id, other.c.status == "due")
        due = and_(DELIVERIES.c.status == "due", DELIVERIES.c.next_at <= now, DELIVERIES.c.next_at == oldest.scalar_subquery())
        columns = (*(DELIVERIES.c[name] for name in ("id", "webhook_id", "payload", "attempts")), WEBHOOKS.c.url, WEBHOOKS.c.secret)
        query = select(*columns).join(WEBHOOKS).where(due).order_by(DELIVERIES.c.next_at).limit(limit)
        with self._db.write() as db:
            rows = db.execute(query.with_for_update(skip_locked=True, of=DELIVERIES)).all()
            claimed = DELIVERIES.c.id.in_([row.id for row in rows])
            db.execute(update(DELIVERIES).where(claimed).values(attempts=DELIVERIES.c.attempts + 1, next_at=now + self._lease_s))
        return [Delivery(**{**row._mapping, "attempts": row.attempts + 1}) for row in rows]

    def settle(self, delivery: Delivery, answer: Answer) -> None:
        """Delivered, due again later, or given up. Changes nothing where another courier has taken over."""
        now = time.time()
        values: dict[str, object] = {"answer": answer.text}
        if answer.delivered:
            values["status"] = "delivered"
        elif delivery.attempts > len(self._retry_s) or answer.status == GONE:
            values["status"] = "given up"
        else:
            values["next_at"] = now + self._retry_s[delivery.attempts - 1]
        mine = and_(DELIVERIES.c.id == delivery.id, DELIVERIES.c.status == "due", DELIVERIES.c.attempts == delivery.attempts)
        with self._db.write() as db:
            if answer.status == GONE:
                db.execute(update(WEBHOOKS).where(WEBHOOKS.c.id == delivery.webhook_id).values(gone_at=now))
                rest = and_(DELIVERIES.c.webhook_id == delivery.webhook_id, DELIVERIES.c.status == "due", DELIVERIES.c.id != delivery.id)
                db.execute(update(DELIVERIES).where(rest).values(status="given up", answer="not sent: the receiver is gone"))
            db.execute(update(DELIVERIES).where(mine).values(**values))

    def forget(self, older_than_s: float) -> None:
        """Removes deliveries that ended, and began that long ago."""
        with self._db.write() as db:
            old = and_(DELIVERIES.c.status != "due", DELIVERIES.c.created_at < time.time() - older_than_s)
            db.execute(delete(DELIVERIES).where(old))
