"""Writing messages down beside what they tell of: in one transaction, so that neither is there without the other."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, select

from workers.rows.tables import JOBS, new_id
from workers.webhooks.tables import DELIVERIES, WEBHOOKS


def announce(db: Connection, job_id: str) -> None:
    """A message about the job, which is over by now, for each webhook of its tenant that asked for one of this kind."""
    job = db.execute(select(JOBS).where(JOBS.c.id == job_id)).one()
    tenant, kind, now = job.tenant, f"job.{job.status}", time.time()
    # Locked: a webhook that is deleted meanwhile must not make the job's end fail.
    hooks = select(WEBHOOKS.c.id, WEBHOOKS.c.events).where(WEBHOOKS.c.tenant == tenant, WEBHOOKS.c.gone_at.is_(None))
    wanting = [hook.id for hook in db.execute(hooks.with_for_update(read=True, key_share=True)) if kind in hook.events]
    values = {"type": kind, "payload": _payload(kind, now, job), "status": "due", "attempts": 0, "next_at": now, "created_at": now}
    if wanting:
        db.execute(insert(DELIVERIES), [{**values, "id": new_id("msg"), "webhook_id": webhook_id} for webhook_id in wanting])


def _payload(kind: str, now: float, job: Any) -> str:
    names = ("id", "object_id", "profile", "status", "error", "created_at", "started_at", "finished_at")
    data = {name: getattr(job, name) for name in names}
    return json.dumps({"type": kind, "timestamp": datetime.fromtimestamp(now, UTC).isoformat(), "data": data})
