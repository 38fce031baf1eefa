"""Is it alive, is it ready, what is it?"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy.exc import SQLAlchemyError

from service.access import Who
from service.context import Context, Ctx
from service.options import EstimateOptions, OnboardOptions
from workers.queue import CPU, ESTIMATE

router = APIRouter(tags=["service"])


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers. Never asks a worker or a GPU."""
    return {"status": "ok"}


@router.get("/readyz")
def readyz(response: Response, context: Ctx) -> dict[str, Any]:
    """200 once the database, the storage and a live worker of each queue are there; else 503 with what is missing."""
    checks = _checks(context)
    ready = all(checks.values())
    if not ready:
        response.status_code = 503
    return {"status": "ready" if ready else "not ready", "checks": checks}


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(context: Ctx) -> Response:
    """For Prometheus: this process's requests; jobs, queues, workers and stages of the whole deployment, counted from the rows."""
    return Response(generate_latest(context.metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


@router.get("/info")
def info(context: Ctx, who: Who) -> dict[str, Any]:
    """Limits, stages, those from which on questions are answered, profiles, the schema of the options."""
    limits = {name: value for name, value in context.settings.model_dump().items() if name.startswith(("max_", "default_"))}
    return {
        "name": "snap6d",
        "version": version("snap6d"),
        "stages": list(context.pipeline.names),
        "answers_after": [name for name in context.pipeline.names if name in context.pipeline.early_needs],
        "profiles": list(context.pipeline.profile_names),
        "limits": limits,
        "options": {"onboard": OnboardOptions.model_json_schema(), "estimate": EstimateOptions.model_json_schema()},
    }


def _checks(context: Context) -> dict[str, bool]:
    try:
        live = context.live_queues()
        database = True
    except SQLAlchemyError:
        live, database = set(), False
    return {"database": database, "storage": context.storage.is_ready(), "worker_onboard": CPU in live, "worker_estimate": ESTIMATE in live}
