"""Idempotency-Key: the same request sent twice is done once, and answered twice alike."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Header, Response
from fastapi.responses import JSONResponse
from sqlalchemy import Connection, and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from reconstruction.errors import InputError
from service.problems import StillRunning
from workers.rows.database import Database
from workers.rows.tables import ANSWERS

STILL_RUNNING_S = 120.0
KEPT_S = 86_400.0

IdempotencyKey = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200, description=__doc__)]


def digest(*parts: Any) -> str:
    """Of what a request asks for: its path and its body, as JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


@dataclass
class Once:
    """A request that is done now, or was done before: then `earlier` is its answer."""

    database: Database
    tenant: str
    key: str | None
    earlier: dict[str, Any] | None = None
    kept: bool = False

    def keep(self, db: Connection, status: int, body: dict[str, Any], location: str | None = None) -> None:
        """Writes the answer down in the transaction of what it tells of, so that there is never one without the other."""
        if self.key is not None:
            document = {"status": status, "body": body, "location": location}
            db.execute(update(ANSWERS).where(_named(self.tenant, self.key)).values(document=document, until=time.time() + KEPT_S))
            self.kept = True

    def replay(self) -> Response:
        assert self.earlier is not None
        headers = {"Idempotent-Replayed": "true"} | ({"Location": self.earlier["location"]} if self.earlier["location"] else {})
        return JSONResponse(self.earlier["body"], self.earlier["status"], headers)


@contextmanager
def once(database: Database, tenant: str, key: str | None, request: str) -> Iterator[Once]:
    """`request`: the digest of what is asked. Without a key everything is new.

    Raises InputError where the key came with another request, StillRunning where the same one is being worked on.
    """
    if key is None:
        yield Once(database, tenant, None)
        return
    state = Once(database, tenant, key, earlier=_reserve(database, tenant, key, request))
    try:
        yield state
    finally:
        if state.earlier is None and not state.kept:  # it failed: the next try with this key is the first again
            with database.write() as db:
                db.execute(delete(ANSWERS).where(_named(tenant, key), ANSWERS.c.document.is_(None)))


def _reserve(database: Database, tenant: str, key: str, request: str) -> dict[str, Any] | None:
    """The earlier answer; None where the key is this request's from now on."""
    now = time.time()
    try:
        with database.write() as db:
            db.execute(delete(ANSWERS).where(ANSWERS.c.tenant == tenant, ANSWERS.c.until < now))
            row = db.execute(select(ANSWERS).where(_named(tenant, key))).first()
            if row is None:
                db.execute(insert(ANSWERS).values(tenant=tenant, key=key, request=request, until=now + STILL_RUNNING_S))
                return None
    except IntegrityError:  # another process was first by a hair
        row = None
    if row is None or row.document is None:
        raise StillRunning("a request with this Idempotency-Key is being worked on", try_next="ask again in a second")
    if row.request != request:
        raise InputError("this Idempotency-Key came with another request before", try_next="give every new request a key of its own")
    document: dict[str, Any] = row.document
    return document


def _named(tenant: str, key: str) -> Any:
    return and_(ANSWERS.c.tenant == tenant, ANSWERS.c.key == key)
