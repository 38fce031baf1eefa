"""Objects and their photos as rows: what the API knows of them. Jobs are in workers/rows/jobs.py. No torch here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import Connection, Select, and_, case, delete, func, insert, select, update

from reconstruction.capture_warnings import CaptureWarning
from workers.failures import Conflict, NotFound
from workers.rows.attempts import warnings_of
from workers.rows.database import Database
from workers.rows.parts import IMAGES as IMAGES_PART
from workers.rows.parts import Files, change_part, read_parts
from workers.rows.tables import ENDED, IMAGES, JOBS, OBJECTS, USAGE, new_id

DEFAULT_TENANT = "default"
"""Whose everything is, as long as there are no API keys."""


@dataclass(frozen=True)
class ImageRow:
    """An image as it is kept, its places removed; `sent_sha256` is of the bytes that came."""

    kind: str
    name: str
    file: str
    bytes: int
    sha256: str
    sent_sha256: str

    @property
    def kept(self) -> str:
        """What it is called below images/: images of the same content are one."""
        return f"{self.sha256}{PurePosixPath(self.file).suffix}"


@dataclass(frozen=True)
class ObjectRow:
    id: str
    name: str
    state: str
    options: dict[str, Any]
    """What the caller said of the capture, as the API takes it."""
    photos: int
    bytes: int
    created_at: float
    updated_at: float
    job_id: str | None
    """Its latest job."""
    warnings: list[CaptureWarning]
    """Of that job."""


@dataclass(frozen=True)
class Usage:
    """What a tenant has used up: objects there are, bytes of their images, seconds that stages ever ran for it."""

    objects: int
    bytes: int
    compute_s: float


class ObjectStore:
    """The objects of one tenant; anybody else's are not found."""

    def __init__(self, database: Database, tenant: str) -> None:
        self._db, self._tenant = database, tenant

    def draft(self, name: str, options: dict[str, Any]) -> ObjectRow:
        """A new object without photos and without a job."""
        object_id = new_id("obj")
        with self._db.write() as db:
            insert_object(db, self._tenant, object_id, name, "draft", options)
        return self.get(object_id)

    def all(self, limit: int = 200, before: str | None = None) -> list[ObjectRow]:
        """Newest first; `before`: those older than this object."""
        query = self._query().order_by(OBJECTS.c.created_at.desc(), OBJECTS.c.id).limit(limit)
        if before is not None:
            query = query.where(OBJECTS.c.created_at < self.get(before).created_at)
        with self._db.read() as db:
            return [_object(db, row) for row in db.execute(query).all()]

    def get(self, object_id: str) -> ObjectRow:
        """Raises NotFound."""
        with self._db.read() as db:
            return self._find(db, object_id)

    def change(self, object_id: str, changed: Callable[[ObjectRow], tuple[str, dict[str, Any]]]) -> ObjectRow:
        """Gives it the name and the options that `changed` makes of it. Nobody else can change it meanwhile, so nobody's change is lost.

        Raises NotFound, Conflict where a job is at work, and what `changed` raises.
        """
        with self._db.write() as db:
            self._find(db, object_id)
            refuse_while_busy(db, object_id)
            name, options = changed(self._find(db, object_id))
            db.execute(update(OBJECTS).where(self._mine(object_id)).values(name=name, options=options, updated_at=time.time()))
            return self._find(db, object_id)

    def delete(self, object_id: str) -> None:
        """Raises NotFound, and Conflict while a job of it is not over."""
        self.get(object_id)
        with self._db.write() as db:
            refuse_while_busy(db, object_id)
            db.execute(delete(OBJECTS).where(self._mine(object_id)))

    def put_image(self, object_id: str, image: ImageRow, files: Files, seen_job: str | None) -> bool:
        """Whether it is a new one; else it takes the place of the one with its name.

        `files`: what the storage admitted. `seen_job`: the latest job before it did so: a later one may have removed them as nobody's.
        Raises Conflict where there is one, or while a job is at work.
        """
        where = and_(IMAGES.c.object_id == object_id, IMAGES.c.kind == image.kind, IMAGES.c.name == image.name)
        with self._db.write() as db:
            refuse_while_busy(db, object_id)
            if db.execute(_latest_job(object_id)).scalar() != seen_job:
                raise Conflict(f"object {object_id} was trained while {image.file} came", try_next="send it again")
            known = bool(db.execute(delete(IMAGES).where(where)).rowcount)
            insert_images(db, object_id, [image])
            _keep_files(db, object_id, files)
            db.execute(update(OBJECTS).where(self._mine(object_id)).values(updated_at=time.time()))
        return not known

    def images(self, object_id: str) -> list[ImageRow]:
        """By kind and name. Raises NotFound."""
        self.get(object_id)
        with self._db.read() as db:
            return images_of(db, object_id)

    def latest_job(self, object_id: str) -> str | None:
        """Raises NotFound."""
        with self._db.read() as db:
            found = db.execute(select(_latest_job(OBJECTS.c.id).scalar_subquery()).where(self._mine(object_id))).first()
        if found is None:
            raise _unknown(object_id)
        job_id: str | None = found[0]
        return job_id

    def beside(self, object_id: str, kind: str, name: str) -> tuple[int, int | None]:
        """How many images of the kind there are, and the bytes of the one of that name (None: it is not among them)."""
        of_that_name = func.max(case((IMAGES.c.name == name, IMAGES.c.bytes)))
        query = select(func.count(), of_that_name).where(IMAGES.c.object_id == object_id, IMAGES.c.kind == kind)
        with self._db.read() as db:
            count, size = db.execute(query).one()
        return count, size

    def usage(self) -> Usage:
        mine = OBJECTS.c.tenant == self._tenant
        count = select(func.count()).select_from(OBJECTS).where(mine)
        size = select(func.coalesce(func.sum(IMAGES.c.bytes), 0)).join(OBJECTS, OBJECTS.c.id == IMAGES.c.object_id).where(mine)
        seconds = select(func.coalesce(func.sum(USAGE.c.seconds), 0.0)).where(USAGE.c.tenant == self._tenant)
        with self._db.read() as db:
            objects, kept, spent = db.execute(select(*(part.scalar_subquery() for part in (count, size, seconds)))).one()
        return Usage(objects, int(kept), float(spent))

    def _find(self, db: Connection, object_id: str) -> ObjectRow:
        row = db.execute(self._query().where(OBJECTS.c.id == object_id)).first()
        if row is None:
            raise _unknown(object_id)
        return _object(db, row)

    def _mine(self, object_id: str) -> Any:
        return and_(OBJECTS.c.id == object_id, OBJECTS.c.tenant == self._tenant)

    def _query(self) -> Select:
        photos = select(func.count()).where(IMAGES.c.object_id == OBJECTS.c.id, IMAGES.c.kind == "photos")
        size = select(func.coalesce(func.sum(IMAGES.c.bytes), 0)).where(IMAGES.c.object_id == OBJECTS.c.id)
        counted = (
            _latest_job(OBJECTS.c.id).scalar_subquery().label("job_id"),
            photos.scalar_subquery().label("photos"),
            size.scalar_subquery().label("bytes"),
        )
        return select(OBJECTS, *counted).where(OBJECTS.c.tenant == self._tenant)


def _unknown(object_id: str) -> NotFound:
    return NotFound(f"there is no object {object_id!r}", try_next="GET /v1/objects lists those there are")


def _latest_job(object_id: Any) -> Select:
    return select(JOBS.c.id).where(JOBS.c.object_id == object_id).order_by(JOBS.c.created_at.desc()).limit(1)


def _keep_files(db: Connection, object_id: str, files: Files) -> None:
    """What no row names any more counts no more."""
    stored, _ = read_parts(db, object_id).get(IMAGES_PART, ({}, 0.0))
    if not files and not stored:  # on a disk of our own: nothing is counted there
        return
    named = {f"{IMAGES_PART}/{image.kept}" for image in images_of(db, object_id)}
    change_part(db, object_id, IMAGES_PART, files, tuple(set(stored) - named))


def insert_object(db: Connection, tenant: str, object_id: str, name: str, state: str, options: dict[str, Any]) -> None:
    now = time.time()
    values = {"id": object_id, "tenant": tenant, "name": name, "state": state, "options": options}
    db.execute(insert(OBJECTS).values(**values, created_at=now, updated_at=now))


def insert_images(db: Connection, object_id: str, images: list[ImageRow]) -> None:
    if images:
        now = time.time()
        db.execute(insert(IMAGES), [{"object_id": object_id, "created_at": now, **image.__dict__} for image in images])


def images_of(db: Connection, object_id: str) -> list[ImageRow]:
    columns = [IMAGES.c[name] for name in ImageRow.__dataclass_fields__]
    rows = db.execute(select(*columns).where(IMAGES.c.object_id == object_id).order_by(IMAGES.c.kind, IMAGES.c.name))
    return [ImageRow(**row._mapping) for row in rows]


def set_object_state(db: Connection, object_id: str, state: str) -> None:
    db.execute(update(OBJECTS).where(OBJECTS.c.id == object_id).values(state=state, updated_at=time.time()))


def refuse_while_busy(db: Connection, object_id: str) -> None:
    """Holds the object's row until the transaction ends. Raises Conflict where a job of it is not over."""
    db.execute(select(OBJECTS.c.id).where(OBJECTS.c.id == object_id).with_for_update())
    job_id = db.execute(select(JOBS.c.id).where(JOBS.c.object_id == object_id, JOBS.c.status.not_in(ENDED))).scalar()
    if job_id is not None:
        raise Conflict(f"job {job_id} is still working on this object", try_next=f"wait for it, or POST /v1/jobs/{job_id}/cancel first")


def _object(db: Connection, row: Any) -> ObjectRow:
    values = {name: getattr(row, name) for name in ObjectRow.__dataclass_fields__ if name != "warnings"}
    return ObjectRow(**{**values, "bytes": int(row.bytes)}, warnings=warnings_of(db, row.job_id))
