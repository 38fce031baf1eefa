"""The API. Imports no torch: work is done by workers, reached through job rows and the broker."""

from __future__ import annotations

import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI

from reconstruction.errors import InputError
from service import document, events, health, images, job_logs, jobs, objects, page, poses, problems, webhooks
from service.context import Context
from service.feed import Feed
from service.intake import Intake
from service.metrics import Metrics
from service.schemas import Problem
from service.settings import ServiceSettings
from service.threads import FORMS, IMAGES, IMAGES_AFAR, Threads
from service.tracing import Tracing
from service.turnstile import Turnstile
from workers.files.opening import open_storage
from workers.files.storage import sweep_regularly
from workers.logs import configure
from workers.pipeline import Pipeline, load
from workers.queue import Mailbox, celery_app
from workers.rows.database import Database
from workers.rows.events import EventStore
from workers.rows.keys import KeyStore

SWITCH_S = 0.0005
"""The event loop waits for the interpreter behind the threads of uploads: by default 5 ms, at each of its many turns."""
DESCRIPTION = "Photos of an object in, metric 6-D poses out. Errors are application/problem+json; times are seconds since 1970."


def from_environment() -> FastAPI:
    """For `uvicorn service.app:from_environment --factory`: settings from SNAP6D_*."""
    sys.setswitchinterval(SWITCH_S)
    settings = ServiceSettings()
    configure(settings.log_format)
    return create_app(settings)


def create_app(settings: ServiceSettings) -> FastAPI:
    """The application. Needs a broker URL; opens database and broker when it starts."""
    if not settings.broker_url:
        raise InputError("the API needs a message broker", try_next="run `snap6d serve`, which brings one, or set SNAP6D_BROKER_URL")

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.context = context = _open(settings)
        stop = threading.Event()
        sweep_regularly(context.storage, stop)
        yield
        stop.set()
        context.mailbox.close()

    app = FastAPI(title="Snap6D", version=version("snap6d"), description=DESCRIPTION, lifespan=lifespan)
    problems.install(app)
    document.install(app)
    app.add_middleware(Intake, settings=settings)
    app.add_middleware(Tracing)
    a_problem: dict[int | str, dict[str, Any]] = {
        code: {"model": Problem, "description": "A problem (RFC 9457)"} for code in ("default", 422)
    }
    v1 = APIRouter(responses=a_problem)
    for part in (objects, images, jobs, events, job_logs, poses, webhooks):
        v1.include_router(part.router)
    app.include_router(v1, prefix="/v1")
    app.include_router(v1, include_in_schema=False)
    app.include_router(health.router)
    app.include_router(health.router, prefix="/v1", include_in_schema=False)
    app.include_router(page.router)
    return app


def _open(settings: ServiceSettings) -> Context:
    pipeline: Pipeline = load(settings.pipeline)
    database = Database(settings.database)
    broker = celery_app(settings.broker_url)
    estimates = Turnstile(settings.max_estimates_waiting, settings.max_estimates_per_caller)
    streams = Turnstile(settings.max_event_streams, settings.max_event_streams, "listeners follow jobs")
    feed, metrics = Feed(EventStore(database)), Metrics(database, settings.live_within_s)
    storage, keys = open_storage(settings, database, "views"), KeyStore(database)
    images_in, forms_in = Threads(IMAGES_AFAR if settings.storage_url else IMAGES), Threads(FORMS)
    mailbox = Mailbox(broker)
    return Context(settings, pipeline, database, storage, keys, broker, mailbox, estimates, streams, feed, metrics, images_in, forms_in)
