"""What the routes share: settings, job rows, the way to the workers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from celery import Celery
from fastapi import Depends, Request

from service.problems import Busy
from service.settings import ServiceSettings
from workers.jobs import JobStore
from workers.pipeline import Pipeline
from workers.queue import Mailbox
from workers.storage import Storage


@dataclass
class Turnstile:
    """Lets so many callers in at a time; the next is refused before its upload is read. Coroutines of one event loop: no lock."""

    places: int
    inside: int = 0

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Raises Busy where nobody more may enter."""
        if self.inside >= self.places:
            raise Busy(f"{self.inside} images are waiting already", try_next="send it again in a few seconds")
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1


@dataclass(frozen=True)
class Context:
    settings: ServiceSettings
    pipeline: Pipeline
    store: JobStore
    storage: Storage
    broker: Celery
    mailbox: Mailbox
    estimates: Turnstile

    def live_queues(self) -> set[str]:
        """Queues that a worker serves."""
        return set(self.store.live_workers(self.settings.silent_s).values())


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


Ctx = Annotated[Context, Depends(_context)]
