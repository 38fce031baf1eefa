"""Objects' files in a bucket: what counts is what the rows say, on whatever machine, whoever else stores what."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import real_servers
from sqlalchemy import Connection
from stand_in import FIRST, SECOND, StandInConfig

from reconstruction.capture import Capture
from reconstruction.errors import StorageError
from reconstruction.stage import run_stage
from reconstruction.workspace import Workspace
from workers.failures import StorageUnreachable
from workers.files.bucket import Bucket
from workers.files.bucket_storage import BucketStorage
from workers.files.storage import FolderStorage, Storage
from workers.logs import bound
from workers.pipeline import StageEvent
from workers.rows.claims import Claim, ClaimStore, LeaseLost
from workers.rows.database import Database
from workers.rows.jobs import JobStore
from workers.rows.objects import ObjectStore
from workers.rows.parts import change_part, label_at, read_parts, write_parts
from workers.rows.tables import new_id
from workers.settings import Settings
from workers.watch import Watch

CONFIG = StandInConfig(steps=1, seconds=0)
URL = "s3://snap6d/tests"


@pytest.fixture(scope="module", autouse=True)
def _s3() -> Iterator[None]:
    with real_servers.s3() as found, pytest.MonkeyPatch.context() as patched:
        for name, value in found.items():
            patched.setenv(name, value)
        yield


class Deployment:
    """Machines that share a database and a bucket."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.database, self.bucket = folder, Database(f"sqlite:///{folder / 'rows.sqlite'}"), Bucket(URL)
        self.jobs = JobStore(self.database, ("sfm", "scale"), "lab")
        self.claims = ClaimStore(self.database, "stand_in:PIPELINE", lease_s=-1.0)  # over at once: any other claim may follow
        self.object_id = new_id("obj")
        self.job_id = self.jobs.onboard(self.object_id, "mug", "standard", prepare=self.lay_out).id

    def lay_out(self, db: Connection) -> None:
        api, upload = self.machine("api"), self.folder / "upload"
        write_parts(db, self.object_id, api.admit(self.object_id, written(upload, "images/a.jpg", "a photo")))
        api.lay_out(db, self.object_id, {"photos/a.jpg": "a.jpg"}, {"capture.json": Capture("mug").to_json()})

    def machine(self, name: str, **settings: int) -> BucketStorage:
        return BucketStorage(Settings(data=self.folder / name, storage_url=URL, **settings), self.database, "objects")

    def watch(self, storage: Storage, claim: Claim) -> Watch:
        return Watch(self.claims, storage, claim, threading.Event(), Settings(data=self.folder))

    def claim(self, worker: str) -> Claim:
        claim = self.claims.claim(self.job_id, worker)
        assert claim
        return claim

    def finish_stage(self, storage: Storage, claim: Claim, stage: str = "sfm") -> None:
        self.claims.record(claim, StageEvent(stage, 0, 2, "succeeded"), storage.keep(self.object_id, [stage, "logs"], claim.label))

    def stored(self) -> set[str]:
        return {key.rpartition("/")[2] for key in self.bucket.keys(f"objects/{self.object_id}")}

    def counted(self) -> set[str]:
        with self.database.read() as db:
            return {file[0] for files, _ in read_parts(db, self.object_id).values() for file in files.values()}


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    with bound():  # what log lines are about ends with the test
        yield Deployment(tmp_path)


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)
    return folder


def test_a_worker_that_never_saw_the_object_finds_its_stages_done(deployment: Deployment) -> None:
    first, second = deployment.machine("first"), deployment.machine("second")
    folder = first.restore(deployment.object_id)
    assert run_stage(FIRST, CONFIG, Workspace(folder)).skipped is False
    written(folder, "logs/sfm.log", "said something")
    deployment.finish_stage(first, deployment.claim("first"))
    there = second.restore(deployment.object_id)
    assert there != folder
    assert (there / "capture" / "photos" / "a.jpg").read_bytes() == (folder / "capture" / "photos" / "a.jpg").read_bytes()
    assert (there / "logs" / "sfm.log").read_text() == "said something"
    assert run_stage(FIRST, CONFIG, Workspace(there)).skipped is True
    assert run_stage(SECOND, CONFIG, Workspace(there)).skipped is False


def test_an_interrupted_stage_goes_on_from_its_checkpoint_on_another_machine(deployment: Deployment) -> None:
    first, second = deployment.machine("first"), deployment.machine("second")
    claim = deployment.claim("first")
    watch = deployment.watch(first, claim)
    written(first.restore(deployment.object_id), ".sfm.scratch/checkpoint", "step 700")
    watch.record(StageEvent("sfm", 0, 2, "started"))
    watch.keep_unfinished()
    folder = second.restore(deployment.object_id)
    checkpoint = folder / ".sfm.scratch" / "checkpoint"
    assert checkpoint.read_text() == "step 700"
    checkpoint.write_text("step 900")
    assert (second.restore(deployment.object_id) / ".sfm.scratch" / "checkpoint").read_text() == "step 900", "of a crash since then"
    successor = deployment.claim("second")
    run_stage(FIRST, CONFIG, Workspace(folder))
    deployment.watch(second, successor).record(StageEvent("sfm", 0, 2, "succeeded"))
    assert not (first.restore(deployment.object_id) / ".sfm.scratch" / "checkpoint").exists(), "done with"
    with pytest.raises(LeaseLost):
        watch.keep_unfinished()


def test_a_stale_worker_stores_but_never_counts(deployment: Deployment) -> None:
    slept, successor = deployment.machine("slept"), deployment.machine("successor")
    for storage, text in ((slept, "of the stale one"), (successor, "of the successor")):
        written(storage.restore(deployment.object_id), "sfm/result.txt", text)
    stale, current = deployment.claim("slept"), deployment.claim("successor")
    deployment.finish_stage(successor, current)
    with pytest.raises(LeaseLost):
        deployment.finish_stage(slept, stale)
    assert (slept.restore(deployment.object_id) / "sfm" / "result.txt").read_text() == "of the successor"
    assert len(deployment.stored() - deployment.counted()) == 1
    successor.clean(deployment.object_id, current.label)
    assert deployment.stored() == deployment.counted()


def test_a_stale_cleaner_leaves_what_its_successor_has_stored_but_not_yet_said(deployment: Deployment) -> None:
    machine = deployment.machine("any")
    written(machine.restore(deployment.object_id), "sfm/result.txt", "on its way")
    stale, current = deployment.claim("slept"), deployment.claim("successor")
    parts = machine.keep(deployment.object_id, ["sfm"], current.label)
    machine.clean(deployment.object_id, stale.label)
    deployment.claims.record(current, StageEvent("sfm", 0, 2, "succeeded"), parts)
    assert (deployment.machine("other").restore(deployment.object_id) / "sfm" / "result.txt").read_text() == "on its way"


def test_what_a_new_run_replaces_is_replaced_everywhere_and_removed(deployment: Deployment) -> None:
    first, second = deployment.machine("first"), deployment.machine("second")
    folder = written(first.restore(deployment.object_id), "sfm/old.txt", "old")
    deployment.finish_stage(first, claim := deployment.claim("first"))
    assert (second.restore(deployment.object_id) / "sfm" / "old.txt").exists()
    (folder / "sfm" / "old.txt").unlink()
    written(folder, "sfm/new.txt", "new")
    deployment.finish_stage(first, claim)
    first.clean(deployment.object_id, claim.label)
    assert [path.name for path in (second.restore(deployment.object_id) / "sfm").iterdir()] == ["new.txt"]
    assert deployment.stored() == deployment.counted()


def test_a_fetch_that_is_stopped_leaves_the_part_as_it_was(deployment: Deployment) -> None:
    first, second = deployment.machine("first"), deployment.machine("second")
    folder = written(first.restore(deployment.object_id), "sfm/a.txt", "old")
    deployment.finish_stage(first, claim := deployment.claim("first"))
    there = second.restore(deployment.object_id)
    written(folder, "sfm/a.txt", "new")
    deployment.finish_stage(first, claim)

    def stop(done: int, total: int) -> None:
        raise LeaseLost("stop")

    with pytest.raises(LeaseLost):
        second.restore(deployment.object_id, tell=stop)
    assert (there / "sfm" / "a.txt").read_text() == "old"
    assert (second.restore(deployment.object_id) / "sfm" / "a.txt").read_text() == "new"


def test_a_reader_sees_single_files_as_they_count_now(deployment: Deployment) -> None:
    worker, readers = deployment.machine("worker"), [deployment.machine("api-1"), deployment.machine("api-2")]
    names = ["sfm/a.json", "sfm/gone.json"]
    folder = written(written(worker.restore(deployment.object_id), "sfm/a.json", "1"), "sfm/gone.json", "x")
    deployment.finish_stage(worker, claim := deployment.claim("worker"))
    seen = [reader.view(deployment.object_id, names) for reader in readers]
    assert [(path / "sfm" / "a.json").read_text() for path in seen] == ["1", "1"]
    assert len({(path / "sfm" / "a.json").stat().st_mtime for path in seen}) == 1, "the ETag goes by it"
    (folder / "sfm" / "gone.json").unlink()
    written(folder, "sfm/a.json", "2")
    deployment.finish_stage(worker, claim)
    view = readers[0].view(deployment.object_id, names)
    assert (view / "sfm" / "a.json").read_text() == "2"
    assert not (view / "sfm" / "gone.json").exists()


def test_bucket_and_folder_list_the_same_files(deployment: Deployment, tmp_path: Path) -> None:
    names = ("surface/a.png", "surface/deep/b.png", "masks/c.png", "masks/x/y/d.png", "mesh.ply", "logs/sfm.log", "logs/sfm.txt")
    patterns = ("mesh.ply", "report.json", "surface/*.png", "masks/**/*.png", "logs/*.log")
    bucket, shared = deployment.machine("any"), FolderStorage(Settings(data=tmp_path / "shared"))
    for storage in (bucket, shared):
        for name in names:
            written(storage.restore(deployment.object_id), name, name)
    claim = deployment.claim("any")
    parts = bucket.keep(deployment.object_id, ["surface", "masks", "published", "logs"], claim.label)
    deployment.claims.record_parts(claim, parts)
    listed = bucket.listing(deployment.object_id, patterns)
    assert list(listed) == ["mesh.ply", "surface/a.png", "masks/c.png", "masks/x/y/d.png", "logs/sfm.log"]
    assert listed == shared.listing(deployment.object_id, patterns)


def test_a_deleted_object_leaves_neither_files_nor_copies(deployment: Deployment) -> None:
    worker, api = deployment.machine("worker"), deployment.machine("api")
    copy = worker.restore(deployment.object_id)
    deployment.jobs.cancel(deployment.job_id)
    ObjectStore(deployment.database, "lab").delete(deployment.object_id)
    api.delete(deployment.object_id)
    assert deployment.stored() == set()
    worker.sweep()
    assert not copy.exists()


def test_copies_unused_for_longest_are_given_up_and_fetched_again(deployment: Deployment) -> None:
    worker = deployment.machine("worker", cache_bytes=10)
    copy = worker.restore(deployment.object_id)
    worker.sweep()
    assert copy.exists(), "used a moment ago"
    os.utime(copy, (0, time.time() - 7200))
    worker.sweep()
    assert not copy.exists()
    assert (worker.restore(deployment.object_id) / "capture" / "capture.json").exists()


def test_photos_that_come_at_once_all_count(deployment: Deployment, tmp_path: Path) -> None:
    storage = deployment.machine("api")

    def put(number: int) -> None:
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(b"photo %d" % number)
        files = storage.admit_file(deployment.object_id, f"capture/photos/{number}.jpg", path)
        with deployment.database.write() as db:
            change_part(db, deployment.object_id, "capture", files)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    photos = sorted((deployment.machine("worker").restore(deployment.object_id) / "capture" / "photos").iterdir())
    assert {path.name for path in photos} == {"a.jpg", *(f"{number}.jpg" for number in range(12))}


def test_files_that_are_gone_are_missed_not_made_up(deployment: Deployment) -> None:
    deployment.bucket.remove(deployment.bucket.keys(f"objects/{deployment.object_id}"))
    with pytest.raises(StorageError, match="missing"):
        deployment.machine("worker").restore(deployment.object_id)


def test_what_comes_back_changed_is_refused(deployment: Deployment, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("not what was stored")
    for key in deployment.bucket.keys(f"objects/{deployment.object_id}"):
        deployment.bucket.put(key, tmp_path / "other")
    with pytest.raises(StorageError, match="changed"):
        deployment.machine("worker").restore(deployment.object_id)


def test_a_bucket_that_does_not_answer_says_what_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{real_servers.free_port()}")
    bucket = Bucket(URL, patience_s=0.5)
    assert not bucket.is_ready()
    with pytest.raises(StorageUnreachable, match="SNAP6D_STORAGE_URL"):
        bucket.keys("objects")
    with pytest.raises(StorageUnreachable, match="SNAP6D_STORAGE_URL"):
        Bucket("snap6d/tests")


def test_labels_sort_by_time_then_token() -> None:
    assert label_at(999.0, 12) < label_at(1_760_000_000.0) < label_at(1_760_000_000.0, 2) < label_at(1_760_000_000.0, 10)
