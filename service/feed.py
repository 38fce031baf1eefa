"""Who waits for news of a job: woken by one look at the database for all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError

from workers.events import EventStore

LOOK_EVERY_S = 0.3
_log = logging.getLogger("snap6d")


class Feed:
    """Wakes the listeners whose job has news. Coroutines of one event loop: no lock. It looks only while someone listens."""

    def __init__(self, store: EventStore) -> None:
        self.store = store
        self._listeners: dict[str, set[asyncio.Event]] = {}
        self._looking: asyncio.Task[None] | None = None

    @contextmanager
    def listen(self, job_id: str) -> Iterator[asyncio.Event]:
        """The event is set when the job has got events since, or is gone."""
        news = asyncio.Event()
        self._listeners.setdefault(job_id, set()).add(news)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            yield news
        finally:
            self._listeners[job_id].discard(news)
            if not self._listeners[job_id]:
                del self._listeners[job_id]

    async def _look(self) -> None:
        known: dict[str, int] = {}
        while self._listeners:
            try:
                latest = await run_in_threadpool(self.store.latest, list(self._listeners))
            except SQLAlchemyError as error:  # the next look may find the database again
                _log.warning("events: %s", error)
                latest = known
            for job_id, listeners in self._listeners.items():
                if latest.get(job_id) != known.get(job_id):
                    for news in listeners:
                        news.set()
            known = latest
            await asyncio.sleep(LOOK_EVERY_S)
