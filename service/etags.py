"""ETags: what a caller has seen, so that nothing is sent twice and nobody's change is overwritten."""

from __future__ import annotations

import hashlib

from fastapi import Response
from pydantic import BaseModel

from service.problems import Changed


def answer_with_etag(model: BaseModel, if_none_match: str | None) -> Response:
    """The model as JSON, or 304 where the caller has it already."""
    return answer_bytes(model.model_dump_json().encode(), "application/json", if_none_match)


def answer_bytes(body: bytes, media_type: str, if_none_match: str | None) -> Response:
    headers = {"ETag": _etag(body), "Cache-Control": "private, no-cache"}
    if if_none_match is not None and is_current(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=media_type)


def require_match(model: BaseModel, if_match: str | None) -> None:
    """Raises Changed where the caller goes by something that is no longer so."""
    if if_match is not None and not is_current(if_match, _etag(model.model_dump_json().encode())):
        raise Changed("it has been changed since you read it", try_next="GET it again, and send If-Match with its new ETag")


def _etag(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def is_current(header: str, etag: str) -> bool:
    """Whether If-None-Match or If-Match names this ETag."""
    given = [tag.strip().removeprefix("W/") for tag in header.split(",")]
    return "*" in given or etag in given
