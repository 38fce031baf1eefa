"""Signs of life: which workers there are, and what they serve. Imports no torch."""

from __future__ import annotations

import time

from sqlalchemy import delete, insert, or_, select

from workers.rows.database import Database
from workers.rows.tables import WORKERS

FORGOTTEN_AFTER_S = 3600


class Beats:
    def __init__(self, database: Database) -> None:
        self._db = database

    def beat(self, worker: str, queue: str) -> None:
        now = time.time()
        with self._db.write() as db:
            db.execute(delete(WORKERS).where(or_(WORKERS.c.id == worker, WORKERS.c.seen_at < now - FORGOTTEN_AFTER_S)))
            db.execute(insert(WORKERS).values(id=worker, queue=queue, seen_at=now))

    def live(self, within_s: float) -> dict[str, str]:
        """Workers that gave a sign of life in the last `within_s` seconds, each with its queue."""
        with self._db.read() as db:
            rows = db.execute(select(WORKERS.c.id, WORKERS.c.queue).where(WORKERS.c.seen_at > time.time() - within_s))
            return {row.id: row.queue for row in rows}
