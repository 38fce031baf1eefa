"""Objects' files in a bucket, with copies of what this process needs in a local folder. No torch here.

A file is stored once, under `objects/ID/LABEL/SHA256`, and never changed. The rows of workers/rows/parts.py say which of them count, so a
worker that has lost its claim may store what it likes: nobody sees it. A label starts with the time of the upload or of the
job, so that labels of an object grow; whoever removes what no row counts leaves alone what came after its own label.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, select

from reconstruction.errors import StorageError
from reconstruction.workspace import MANIFEST
from workers.failures import FilesLost
from workers.files.bucket import Bucket
from workers.files.copies import digest, frozen, has_gone_on, matches, move_all, only_writer, trim, use
from workers.files.storage import LEFTOVER_S, Kind, Storage, Tell, quietly, remove_leftovers
from workers.rows.database import Database
from workers.rows.parts import CAPTURE, IMAGES, LOOSE, File, Files, Parts, change_part, label_at, read_parts, write_parts
from workers.rows.tables import OBJECTS
from workers.settings import Settings

TRIES = 3  # a file may go between the look at the rows and the look at the bucket, because newer rows count
LOOK_FOR_STRAYS_S = 3600.0
_log = logging.getLogger("snap6d")


class BucketStorage(Storage):
    """What this process copies is in the data folder, in a folder for its `kind`."""

    def __init__(self, settings: Settings, database: Database, kind: Kind) -> None:
        # A job may outlast a failure of the bucket; whoever waits for an answer wants to hear of it.
        self._bucket, self._db = Bucket(settings.storage_url, patience_s=180 if kind == "objects" else 10), database
        self._local, self._incoming, self._cache_bytes = settings.data / kind, settings.incoming, settings.cache_bytes
        self._strays_at = 0.0 if kind == "views" else float("inf")  # one kind of process looks for them
        self._later = ThreadPoolExecutor(1, "take-back")
        for folder in (self._local, self._incoming):
            folder.mkdir(parents=True, exist_ok=True)

    # uploads

    def admit(self, object_id: str, folder: Path) -> Parts:
        return {IMAGES: self._store(object_id, folder, LOOSE[IMAGES], label_at(time.time()), {}, quietly)}

    def admit_file(self, object_id: str, name: str, path: Path) -> Files:
        file = (digest(path), path.stat().st_size, label_at(time.time()))
        self._bucket.put(_key(object_id, file), path)
        return {name: file}

    def lay_out(self, db: Connection, object_id: str, images: Mapping[str, str], documents: Mapping[str, str]) -> None:
        kept, _ = read_parts(db, object_id)[IMAGES]
        files = {f"{CAPTURE}/{name}": kept[f"{IMAGES}/{image}"] for name, image in images.items()}
        with tempfile.NamedTemporaryFile(dir=self._incoming) as file:
            for name, text in documents.items():
                Path(file.name).write_text(text)
                files |= self.admit_file(object_id, f"{CAPTURE}/{name}", Path(file.name))
        write_parts(db, object_id, {CAPTURE: files})

    def forget(self, db: Connection, object_id: str, stages: Collection[str]) -> None:
        for stage in stages:
            change_part(db, object_id, stage, {}, (f"{stage}/{MANIFEST}",))

    @contextmanager
    def lending(self, folder: Path) -> Iterator[Callable[[Path], str]]:
        lent: list[str] = []

        def lend(path: Path) -> str:
            lent.append(f"incoming/{folder.name}/{path.name}")
            self._bucket.put(lent[-1], path)
            return lent[-1]

        try:
            yield lend
        finally:
            self._later.submit(self._bucket.remove, lent)  # an event loop must not wait for it; what fails here is a stray

    @contextmanager
    def borrowed(self, name: str) -> Iterator[Path]:
        folder = self._incoming / uuid.uuid4().hex
        folder.mkdir()
        copy = folder / Path(name).name
        try:
            self._bucket.get(name, copy)
            yield copy
        except FileNotFoundError as error:
            raise StorageError("the image has been taken back", try_next="send it again") from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def is_lent(self, name: str) -> bool:
        return self._bucket.has(name)

    # workers

    def restore(self, object_id: str, parts: Collection[str] | None = None, tell: Tell = quietly) -> Path:
        folder = self._local / object_id
        use(folder)
        with only_writer(folder, tell):
            for rows in self._rows(object_id):
                try:
                    for part, (files, since) in rows.items():
                        if part not in LOOSE and (parts is None or part in parts) and not has_gone_on(folder / part, since):
                            self._restore_part(object_id, folder, part, files, tell)
                        elif part == "logs" and parts is None:
                            self._restore_logs(object_id, folder, files, since)
                    return folder
                except FileNotFoundError:
                    _log.info("object %s changed while it was fetched", object_id)
        raise _lost(object_id)

    def keep(self, object_id: str, parts: Sequence[str], label: str, tell: Tell = quietly) -> Parts:
        with self._db.read() as db:
            known = {file[0]: file for files, _ in read_parts(db, object_id).values() for file in files.values()}
        patterns = {part: LOOSE.get(part, (f"{part}/**/*",)) for part in parts}
        return {part: self._store(object_id, self._local / object_id, patterns[part], label, known, tell) for part in parts}

    def clean(self, object_id: str, label: str) -> None:
        stored = self._bucket.keys(f"objects/{object_id}")
        with self._db.read() as db:
            counted = {_key(object_id, file) for files, _ in read_parts(db, object_id).values() for file in files.values()}
        self._bucket.remove([key for key in stored if key not in counted and key.split("/")[2] <= label])

    # readers

    def listing(self, object_id: str, patterns: Sequence[str]) -> dict[str, int]:
        with self._db.read() as db:
            files = {name: file for found, _ in read_parts(db, object_id).values() for name, file in found.items()}
        return {name: files[name][1] for pattern in patterns for name in sorted(files) if matches(name, pattern)}

    def view(self, object_id: str, names: Sequence[str]) -> Path:
        folder = self._local / object_id
        use(folder)
        for rows in self._rows(object_id):
            found = {name: (file, since) for files, since in rows.values() for name, file in files.items() if name in names}
            try:
                for name in names:
                    if name in found:
                        self._fetch(object_id, folder / name, *found[name])
                    else:
                        (folder / name).unlink(missing_ok=True)
                return folder
            except FileNotFoundError:
                _log.info("object %s changed while it was read", object_id)
        raise _lost(object_id)

    # all

    def delete(self, object_id: str) -> None:
        shutil.rmtree(self._local / object_id, ignore_errors=True)
        self._bucket.remove(self._bucket.keys(f"objects/{object_id}"))

    def is_ready(self) -> bool:
        return os.access(self._incoming, os.W_OK) and self._bucket.is_ready()

    def sweep(self) -> None:
        remove_leftovers(self._incoming)
        trim(self._local, self._existing, self._cache_bytes)
        if time.monotonic() > self._strays_at:
            self._remove_strays()
            self._strays_at = time.monotonic() + LOOK_FOR_STRAYS_S

    def _remove_strays(self) -> None:
        """What an upload or an estimate that died left behind, and what a stale worker stored for an object that is gone."""
        objects = self._bucket.folders("objects")
        gone = [f"objects/{object_id}" for object_id in set(objects) - self._existing(objects)]
        for prefix in gone + [f"incoming/{name}" for name in self._bucket.folders("incoming")]:
            self._bucket.remove(self._bucket.keys(prefix, older_than_s=LEFTOVER_S))

    def _existing(self, object_ids: Collection[str]) -> set[str]:
        with self._db.read() as db:
            return set(db.execute(select(OBJECTS.c.id)).scalars()) & set(object_ids)

    def _rows(self, object_id: str) -> Iterator[dict[str, tuple[Files, float]]]:
        for _ in range(TRIES):
            with self._db.read() as db:
                rows = read_parts(db, object_id)
            yield rows

    def _store(self, object_id: str, folder: Path, patterns: Sequence[str], label: str, known: Files, tell: Tell) -> Files:
        """`known`: SHA-256 -> where such a file is stored already, and counts."""
        paths = [path for pattern in patterns for path in folder.glob(pattern) if path.is_file() and not path.name.startswith(".")]

        def store(path: Path) -> tuple[str, File]:
            with frozen(path) as source:
                sha256 = digest(source)
                file = known.get(sha256) or (sha256, source.stat().st_size, label)
                if sha256 not in known:
                    self._bucket.put(_key(object_id, file), source)
            return path.relative_to(folder).as_posix(), file

        return dict(move_all(store, sorted(paths), tell))

    def _restore_part(self, object_id: str, folder: Path, part: str, files: Files, tell: Tell) -> None:
        """The part's folder, whole or not at all. A stage's manifest stands for it; a capture has none."""
        current, manifest = folder / part, f"{part}/{MANIFEST}"
        if manifest in files and (folder / manifest).exists() and digest(folder / manifest) == files[manifest][0]:
            return
        here = {path.relative_to(folder).as_posix(): digest(path) for path in current.rglob("*") if path.is_file()}
        if here == {name: file[0] for name, file in files.items()}:
            return
        have = {sha256: folder / name for name, sha256 in here.items()}
        fresh, old = folder / f".{part}.restoring", folder / f".{part}.old"
        for leftover in (fresh, old):
            shutil.rmtree(leftover, ignore_errors=True)
        fresh.mkdir()

        def restore(name: str) -> None:
            target = fresh / Path(name).relative_to(part)
            target.parent.mkdir(parents=True, exist_ok=True)
            if files[name][0] in have:
                shutil.copyfile(have[files[name][0]], target)
            else:
                self._bucket.get(_key(object_id, files[name]), target, files[name][0])

        move_all(restore, sorted(files), tell)
        if current.exists():
            current.rename(old)
        fresh.rename(current)
        shutil.rmtree(old, ignore_errors=True)

    def _restore_logs(self, object_id: str, folder: Path, files: Files, since: float) -> None:
        """Logs only grow: the longer one knows more."""
        for name, file in files.items():
            if not (folder / name).exists() or (folder / name).stat().st_size < file[1]:
                self._fetch(object_id, folder / name, file, since)

    def _fetch(self, object_id: str, path: Path, file: File, since: float) -> None:
        """The copy's time is that since which the file counts: so every API gives it the same ETag."""
        if not path.exists() or digest(path) != file[0]:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._bucket.get(_key(object_id, file), path, file[0])
        os.utime(path, (time.time(), since))


def _key(object_id: str, file: File) -> str:
    sha256, _, label = file
    return f"objects/{object_id}/{label}/{sha256}"


def _lost(object_id: str) -> FilesLost:
    return FilesLost(f"files of object {object_id} are missing from the object storage", try_next="run its job again, from the first stage")
