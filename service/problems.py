"""Every error leaves as application/problem+json (RFC 9457): a `type` for programs, a `detail` that says what to do."""

from __future__ import annotations

import errno
import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from reconstruction.errors import ImageError, InputError, PipelineError

_log = logging.getLogger("snap6d")


class TooLarge(InputError):
    code = "too-large"


class UnsupportedMedia(ImageError):
    code = "unsupported-media-type"


class NotReady(PipelineError):
    code = "not-ready"


class NoWorker(PipelineError):
    code = "no-worker"
    retryable = True


class Busy(PipelineError):
    code = "busy"
    retryable = True


class DeadlinePassed(PipelineError):
    code = "deadline-passed"
    retryable = True


STATUS = {
    "bad-input": 422,
    "bad-image": 422,
    "prompt-failed": 422,
    "capture-failed": 422,
    "too-large": 413,
    "unsupported-media-type": 415,
    "not-found": 404,
    "conflict": 409,
    "not-ready": 409,
    "backend-missing": 501,
    "storage-failed": 507,
    "storage-unreachable": 503,
    "no-worker": 503,
    "no-broker": 503,
    "busy": 503,
    "deadline-passed": 504,
}
"""By the code of a PipelineError; any other code is the server's fault."""


def problem(status: int, code: str, detail: str, **members: Any) -> JSONResponse:
    title = {"bad-image": "Bad image", "bad-input": "Bad input"}.get(code) or code.replace("-", " ").capitalize()
    document = {"type": f"/problems/{code}", "title": title, "status": status, "detail": detail, **members}
    headers = {"Retry-After": "5"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
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
        if error.status_code == HTTPStatus.NOT_FOUND:
            return problem(404, "not-found", f"there is nothing at {request.url.path}: /openapi.json lists what there is")
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        answer = problem(error.status_code, code, f"{error.detail}: /openapi.json lists what there is")
        answer.headers.update(error.headers or {})
        return answer
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return problem(507, "storage-failed", "the disk is full: free some space on the server, then send it again")
    _log.error("%s %s", request.method, request.url.path, exc_info=error)
    return problem(500, "internal-error", "the server failed to answer this: its log says why; please report it")


def install(app: FastAPI) -> None:
    """Every exception through the one handler, and the OpenAPI document says so."""
    for kind in (PipelineError, RequestValidationError, HTTPException, OSError, Exception):
        app.add_exception_handler(kind, _handle)
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        for path in document["paths"].values():
            for operation in path.values():
                for answer in operation["responses"].values():
                    content = answer.get("content", {})
                    if content.get("application/json", {}).get("schema", {}).get("$ref", "").endswith("/Problem"):
                        content["application/problem+json"] = content.pop("application/json")
        return document

    app.openapi = openapi  # type: ignore[method-assign]
