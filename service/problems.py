"""Every error leaves as application/problem+json (RFC 9457): a `type` for programs, a `detail` that says what to do."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.routing import Match

from reconstruction.errors import PipelineError
from workers.files.space import is_full
from workers.logs import request_id
from workers.rows.database import is_unreachable

_log = logging.getLogger("snap6d")


class QuotaExceeded(PipelineError):
    code = "quota-exceeded"


class StillRunning(PipelineError):
    code = "still-running"
    retryable = True


class Changed(PipelineError):
    """What the caller saw (If-Match) is not what is there."""

    code = "changed"


class NotReady(PipelineError):
    code = "not-ready"


class NoWorker(PipelineError):
    code = "no-worker"
    retryable = True


class Busy(PipelineError):
    code = "busy"
    retryable = True


class TooManyRequests(PipelineError):
    code = "too-many-requests"
    retryable = True


class ClientGone(PipelineError):
    """Nobody reads the answer; it is in the log only."""

    code = "client-gone"


class NotAcceptable(PipelineError):
    code = "not-acceptable"


class DeadlinePassed(PipelineError):
    code = "deadline-passed"
    retryable = True


STATUS = {
    "bad-input": 422,
    "bad-image": 422,
    "prompt-failed": 422,
    "capture-failed": 422,
    "too-large": 413,
    "too-slow": 408,
    "unsupported-media-type": 415,
    "unauthorized": 401,
    "quota-exceeded": 403,
    "not-found": 404,
    "conflict": 409,
    "not-ready": 409,
    "still-running": 409,
    "changed": 412,
    "digest-mismatch": 400,
    "backend-missing": 501,
    "storage-failed": 507,
    "storage-unreachable": 503,
    "no-worker": 503,
    "decoder-missing": 503,
    "no-broker": 503,
    "busy": 503,
    "too-many-requests": 429,
    "client-gone": 499,
    "not-acceptable": 406,
    "deadline-passed": 504,
}
"""By the code of a PipelineError; any other code is the server's fault."""

HEADERS = {429: {"Retry-After": "1"}, 503: {"Retry-After": "5"}, 401: {"WWW-Authenticate": "Bearer"}}


def problem(status: int, code: str, detail: str, **members: Any) -> JSONResponse:
    title = {"bad-image": "Bad image", "bad-input": "Bad input"}.get(code) or code.replace("-", " ").capitalize()
    document = {"type": f"/problems/{code}", "title": title, "status": status, "detail": detail, **members}
    headers = dict(HEADERS.get(status, {}))
    if asked := request_id():
        document["request_id"] = headers["X-Request-ID"] = asked
    return JSONResponse(document, status, headers, media_type="application/problem+json")


def problem_from(error: PipelineError) -> JSONResponse:
    return problem(STATUS.get(error.code, 500), error.code, str(error), what=error.what, try_next=error.try_next)


def _handle(request: Request, error: Exception) -> JSONResponse:
    """The one place where an exception becomes an answer."""
    if isinstance(error, PipelineError):
        return problem_from(error)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return problem(422, "bad-input", f"{where}: {first['msg']}: correct it; /openapi.json describes what is expected")
    if isinstance(error, HTTPException):
        if isinstance(error.__cause__, PipelineError):  # met by the framework while it read the body
            return problem_from(error.__cause__)
        if error.status_code == HTTPStatus.NOT_FOUND:
            return problem(404, "not-found", f"there is nothing at {request.url.path}: /openapi.json lists what there is")
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        answer = problem(error.status_code, code, f"{error.detail}: /openapi.json lists what there is")
        answer.headers.update(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            answer.headers["Allow"] = ", ".join(_methods(request))
        return answer
    if is_full(error):
        return problem(507, "storage-failed", "the disk is full: free some space on the server, then send it again")
    if is_unreachable(error):
        _log.warning("%s %s: %s", request.method, request.url.path, error)
        return problem(503, "storage-unreachable", "the database can't be reached, or another holds it: send it again in a moment")
    _log.error("%s %s", request.method, request.url.path, exc_info=error)
    return problem(500, "internal-error", "the server failed to answer this: its log says why; please report it")


def _methods(request: Request) -> list[str]:
    """All that this path knows; the framework names those of its first route alone."""
    alike = {**request.scope, "path_params": {}}
    known = (m for m in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"))
    return [m for m in known if any(r.matches({**alike, "method": m})[0] is Match.FULL for r in request.app.routes)]


def install(app: FastAPI) -> None:
    """Every exception through the one handler."""
    for kind in (PipelineError, RequestValidationError, HTTPException, OSError, DBAPIError, Exception):
        app.add_exception_handler(kind, _handle)
