"""What the routes share: settings, job rows, the way to the workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from celery import Celery
from fastapi import Depends, Request

from service.feed import Feed
from service.metrics import Metrics
from service.settings import ServiceSettings
from service.threads import Threads
from service.turnstile import Turnstile
from workers.files.storage import Storage
from workers.pipeline import Pipeline
from workers.queue import Mailbox
from workers.rows.beats import Beats
from workers.rows.database import Database
from workers.rows.jobs import JobStore
from workers.rows.keys import KeyStore


@dataclass(frozen=True)
class Context:
    settings: ServiceSettings
    pipeline: Pipeline
    database: Database
    storage: Storage
    keys: KeyStore
    broker: Celery
    mailbox: Mailbox
    estimates: Turnstile
    streams: Turnstile
    feed: Feed
    metrics: Metrics
    image_threads: Threads
    form_threads: Threads

    def jobs_of(self, tenant: str) -> JobStore:
        return JobStore(self.database, self.pipeline.names, tenant, self.settings.live_within_s)

    def live_queues(self) -> set[str]:
        """Queues that a worker serves: one that has not missed five beats."""
        return set(Beats(self.database).live(self.settings.live_within_s).values())


async def _context(request: Request) -> Context:
    """Not in a thread of the pool: it would wait there behind uploads."""
    context: Context = request.app.state.context
    return context


Ctx = Annotated[Context, Depends(_context)]
