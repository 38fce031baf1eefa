"""Who waits for news of a job: one look at the database for all of them, one read for all that know as much."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError

from workers.rows.events import EventStore, Page

LOOK_EVERY_S = 0.3
_log = logging.getLogger("snap6d")


class Feed:
    """Wakes the listeners whose job has news. Coroutines of one event loop: no lock. It looks only while someone listens."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._listeners: dict[str, set[asyncio.Event]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._looks = 0
        self._reads: dict[tuple[str, int, int], asyncio.Task[Page]] = {}

    @contextmanager
    def listen(self, job_id: str) -> Iterator[asyncio.Event]:
        """The event is set when the job has got events since, or is gone."""
        news = asyncio.Event()
        news.set()  # to begin with: something may have come between the listener's first read and now
        self._listeners.setdefault(job_id, set()).add(news)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield news
        finally:
            self._listeners[job_id].discard(news)
            if not self._listeners[job_id]:
                del self._listeners[job_id]

    async def page(self, job_id: str, last: int) -> Page:
        """The job's events after that one."""
        # Shared only since the last look: a read from before it may lack what that look has woken its listeners for.
        key = (job_id, last, self._looks)
        if key not in self._reads:
            self._reads[key] = asyncio.create_task(run_in_threadpool(self._store.after, job_id, last))
            self._reads[key].add_done_callback(lambda _: self._reads.pop(key))
        return await asyncio.shield(self._reads[key])  # who leaves takes it from nobody else

    async def _look(self) -> None:
        known: dict[str, int] = {}
        while self._listeners:
            try:
                latest = await run_in_threadpool(self._store.latest, list(self._listeners))
            except SQLAlchemyError as error:  # the next look may find the database again
                _log.warning("events: %s", error)
                latest = known
            self._looks += 1
            for job_id, listeners in self._listeners.items():
                if latest.get(job_id) != known.get(job_id):
                    for news in listeners:
                        news.set()
            known = latest
            await asyncio.sleep(LOOK_EVERY_S)
