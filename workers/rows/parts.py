"""Which files of an object count, where they are in a bucket: rows, so that a stage's files count in the same moment as its success.

A part is what appears at once: the capture as the last job found it, the output of a stage, and loose ones (`LOOSE`). No torch here.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from sqlalchemy import JSON, Column, Connection, Float, ForeignKey, String, Table, insert, select, update

from workers.rows.tables import METADATA

PARTS = Table(
    "parts",
    METADATA,
    Column("object_id", String, ForeignKey("objects.id", ondelete="CASCADE"), primary_key=True),
    Column("part", String, primary_key=True),
    Column("files", JSON, nullable=False),  # name below the object's folder -> sha256, bytes, label of the upload
    Column("updated_at", Float, nullable=False),
)

File = tuple[str, int, str]
Files = dict[str, File]
Parts = Mapping[str, Files]


def label_at(seconds: float, token: int = 0) -> str:
    """Of what is stored then, or by the job of that time at its claim of that token. Sorts by time, then by token."""
    return f"{int(seconds * 1000):014d}.{token:05d}"


def scratch_of(stage: str) -> str:
    """The part that an interrupted attempt of the stage leaves for the next one."""
    return f".{stage}.scratch"


CAPTURE, IMAGES = "capture", "images"
LOOSE = {
    IMAGES: ("images/*",),
    "published": ("*",),
    "logs": ("logs/*.log",),
    "attempt": (".sfm.scratch/photos.json",),
    "live": ("live/*/*",),
}
"""Parts that no stage reads as a folder: images by their hash, which the capture names, what people look for, what stages printed,
what an unfinished sfm knows of the photos, what running stages show."""


def write_parts(db: Connection, object_id: str, parts: Parts) -> None:
    """From the end of this transaction on these files count, and no others of these parts."""
    for part, files in parts.items():
        where = (PARTS.c.object_id == object_id, PARTS.c.part == part)
        values = {"files": files, "updated_at": time.time()}
        if not db.execute(update(PARTS).where(*where).values(**values)).rowcount and files:
            db.execute(insert(PARTS).values(object_id=object_id, part=part, **values))


def change_part(db: Connection, object_id: str, part: str, added: Files, removed: tuple[str, ...] = ()) -> None:
    """Single files of a part; others may change theirs at the same time. Does nothing where both are empty."""
    if not added and not removed:
        return
    where = (PARTS.c.object_id == object_id, PARTS.c.part == part)
    found = db.execute(select(PARTS.c.files).where(*where).with_for_update()).scalar() or {}
    write_parts(db, object_id, {part: {name: file for name, file in {**found, **added}.items() if name not in removed}})


def read_parts(db: Connection, object_id: str) -> dict[str, tuple[Files, float]]:
    """Part -> its files, and since when they count."""
    rows = db.execute(select(PARTS.c.part, PARTS.c.files, PARTS.c.updated_at).where(PARTS.c.object_id == object_id))
    return {row.part: ({name: (file[0], file[1], file[2]) for name, file in row.files.items()}, row.updated_at) for row in rows}
