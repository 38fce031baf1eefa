"""The rows are the truth: one claim at a time, stale writers refused, nothing lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text, update
from sqlalchemy.exc import DBAPIError

from reconstruction.errors import CaptureError, StorageError
from workers.failures import Conflict, NotFound, StageCrashed
from workers.pipeline import StageEvent
from workers.rows import database, tables
from workers.rows.beats import Beats
from workers.rows.claims import ClaimStore, LeaseLost
from workers.rows.database import Database, is_unreachable
from workers.rows.jobs import JobStore
from workers.rows.objects import ObjectStore
from workers.rows.tables import new_id

STAGES = ("sfm", "surface")


class Rows:
    def __init__(self, url: str, lease_s: float = 30.0) -> None:
        self.database = Database(url)
        self.jobs = JobStore(self.database, STAGES, "lab")
        self.objects = ObjectStore(self.database, "lab")
        self.beats = Beats(self.database)
        self.claims = ClaimStore(self.database, "stand_in:PIPELINE", lease_s)

    def new_job(self) -> str:
        return self.jobs.onboard(new_id("obj"), "mug", "standard").id


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'rows.sqlite'}"
    server, name = request.getfixturevalue("postgres_url"), new_id("test")
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as db:
        db.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return str(server).removesuffix("/postgres").replace("+pg8000", "") + f"/{name}"  # as people write it


@pytest.fixture
def rows(url: str) -> Iterator[Rows]:
    rows = Rows(url)
    yield rows
    rows.database.close()


@pytest.fixture
def hasty(url: str) -> Iterator[Rows]:
    """Its leases are over at once."""
    rows = Rows(url, lease_s=-1.0)
    yield rows
    rows.database.close()


def event(kind: str, stage: str = "sfm", **values: object) -> StageEvent:
    return StageEvent(stage, STAGES.index(stage), len(STAGES), kind, **values)  # type: ignore[arg-type]


def test_a_job_from_queue_to_ready(rows: Rows) -> None:
    job_id = rows.new_job()
    assert rows.jobs.get(job_id).queue_position == 0
    assert rows.claims.due() == [job_id]
    claim = rows.claims.claim(job_id, "w1")
    assert claim is not None
    rows.claims.record(claim, event("started"))
    rows.claims.record(claim, event("progress", step=3, steps=10, eta_s=7.0, progress=0.15))
    seen = rows.jobs.get(job_id)
    assert (seen.status, seen.progress, seen.stage and seen.stage["eta_s"]) == ("running", 0.15, 7.0)
    assert [stage.status for stage in seen.stages] == ["running", "pending"]
    rows.claims.record(claim, event("succeeded", seconds=2.0, quality={"px": float("nan")}))
    rows.claims.finish(claim, "succeeded")
    done = rows.jobs.get(job_id)
    assert (done.status, done.progress, done.stages[0].quality) == ("succeeded", 1.0, {"px": None})
    assert rows.objects.get(done.object_id).state == "ready"
    assert rows.claims.due() == []


def test_of_many_claims_one_wins(rows: Rows) -> None:
    job_id = rows.new_job()
    won: list[object] = []
    threads = [threading.Thread(target=lambda n=n: won.append(rows.claims.claim(job_id, f"w{n}"))) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(claim is not None for claim in won) == 1


def test_a_worker_that_slept_is_refused(hasty: Rows) -> None:
    job_id = hasty.new_job()
    slept = hasty.claims.claim(job_id, "w1")
    took_over = hasty.claims.claim(job_id, "w2")
    assert slept is not None
    assert took_over is not None
    assert took_over.token > slept.token
    for write in (
        lambda: hasty.claims.beat(slept),
        lambda: hasty.claims.record(slept, event("progress")),
        lambda: hasty.claims.finish(slept, "failed"),
        lambda: hasty.claims.release(slept),
    ):
        with pytest.raises(LeaseLost):
            write()
    hasty.claims.finish(took_over, "succeeded")
    assert hasty.jobs.get(job_id).status == "succeeded"


def test_a_stage_that_takes_its_worker_down_is_given_up(hasty: Rows) -> None:
    job_id = hasty.new_job()
    for _ in range(3):
        claim = hasty.claims.claim(job_id, "w")
        assert claim is not None
        hasty.claims.record(claim, event("started"))
    last = hasty.claims.claim(job_id, "w")
    assert last is not None
    with pytest.raises(StageCrashed, match="3 times"):
        hasty.claims.record(last, event("started"))


def test_a_worker_that_leaves_costs_no_attempt(rows: Rows) -> None:
    job_id = rows.new_job()
    for _ in range(5):
        claim = rows.claims.claim(job_id, "w")
        assert claim is not None
        rows.claims.record(claim, event("started"))
        rows.claims.release(claim)
        assert rows.claims.due() == [job_id]


def test_a_job_that_waits_for_space_says_so_and_costs_no_attempt(rows: Rows) -> None:
    job_id = rows.new_job()
    full = StorageError("the disk is full", try_next="free some space")
    for _ in range(5):
        claim = rows.claims.claim(job_id, "w")
        assert claim is not None
        assert rows.jobs.get(job_id).error is None
        rows.claims.record(claim, event("started"))
        rows.claims.record(claim, event("failed", error=full))
        rows.claims.pause(claim, full, wait_s=-1.0)
        waiting = rows.jobs.get(job_id)
        assert (waiting.status, waiting.error and waiting.error["code"]) == ("queued", "storage-failed")
    claim = rows.claims.claim(job_id, "w")
    assert claim is not None
    rows.claims.pause(claim, full, wait_s=60.0)
    assert rows.claims.due() == []
    assert rows.claims.claim(job_id, "w") is None
    assert rows.jobs.cancel(job_id).status == "canceled"
    assert rows.claims.due() == []
    rows.jobs.resume(job_id)
    assert rows.claims.due() == [job_id]


def test_a_job_goes_from_queue_to_queue(rows: Rows) -> None:
    job_id = rows.new_job()
    assert (rows.claims.due("gpu"), rows.claims.claim(job_id, "w", "gpu")) == ([], None)
    claim = rows.claims.claim(job_id, "w", "cpu")
    assert claim is not None
    rows.claims.record(claim, event("started"))
    rows.claims.record(claim, event("succeeded"))
    rows.claims.release(claim, "gpu")
    assert (rows.claims.due("cpu"), rows.claims.due("gpu")) == ([], [job_id])
    assert (rows.jobs.get(job_id).status, rows.jobs.get(job_id).queue) == ("queued", "gpu")
    taken = rows.claims.claim(job_id, "g", "gpu")
    assert taken is not None
    assert taken.done == {"sfm"}
    rows.claims.finish(taken, "failed", CaptureError("no overlap"))
    assert rows.jobs.resume(job_id).queue == "cpu"
    again = rows.claims.claim(job_id, "w", "cpu")
    assert again is not None
    assert again.done == frozenset(), "a resumed job looks at every stage again"


def test_a_job_that_nobody_can_work_on_says_so(rows: Rows) -> None:
    job_id = rows.new_job()
    assert "'cpu'" in (rows.jobs.get(job_id).waiting_for or "")
    rows.beats.beat("w", "cpu")
    assert rows.jobs.get(job_id).waiting_for is None
    claim = rows.claims.claim(job_id, "w")
    assert claim is not None
    rows.claims.release(claim, "gpu")
    assert "'gpu'" in (rows.jobs.get(job_id).waiting_for or "")
    rows.jobs.cancel(job_id)
    assert rows.jobs.get(job_id).waiting_for is None


def test_what_is_to_be_canceled_needs_no_worker_of_its_queue(hasty: Rows) -> None:
    job_id = hasty.new_job()
    claim = hasty.claims.claim(job_id, "w")
    assert claim is not None
    hasty.claims.release(claim, "gpu")
    assert hasty.claims.claim(job_id, "died", "gpu") is not None
    hasty.jobs.cancel(job_id)
    assert hasty.claims.due("cpu") == [job_id]
    last = hasty.claims.claim(job_id, "w", "cpu")
    assert last is not None
    assert hasty.claims.beat(last)


def test_processes_that_start_at_once_share_the_tables(url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        databases = list(pool.map(lambda _: Database(url), range(8)))
    for opened in databases:
        with opened.read() as db:
            assert db.execute(text("SELECT count(*) FROM jobs")).scalar() == 0
        opened.close()


def test_canceling_and_resuming(rows: Rows) -> None:
    job_id = rows.new_job()
    assert rows.jobs.cancel(job_id).status == "canceled"
    with pytest.raises(Conflict):
        rows.jobs.cancel(job_id)
    assert rows.jobs.resume(job_id).status == "queued"
    with pytest.raises(Conflict):
        rows.jobs.resume(job_id)
    claim = rows.claims.claim(job_id, "w")
    assert claim is not None
    assert not rows.claims.beat(claim)
    assert rows.jobs.cancel(job_id).status == "canceling"
    assert rows.claims.beat(claim)
    rows.claims.finish(claim, "failed", CaptureError("no overlap", try_next="add photos"))
    failed = rows.jobs.get(job_id)
    assert failed.error == {"code": "capture-failed", "what": "no overlap", "try_next": "add photos", "retryable": False}
    assert rows.objects.get(failed.object_id).state == "failed"


def test_an_object_in_work_is_not_deleted(rows: Rows) -> None:
    job = rows.jobs.get(rows.new_job())
    with pytest.raises(Conflict, match="still working"):
        rows.objects.delete(job.object_id)
    rows.jobs.cancel(job.id)
    rows.objects.delete(job.object_id)
    with pytest.raises(NotFound):
        rows.objects.get(job.object_id)
    with pytest.raises(NotFound):
        rows.jobs.get(job.id)


def test_a_service_at_rest_does_not_fill_its_disk(tmp_path: Path) -> None:
    rows = Rows(f"sqlite:///{tmp_path / 'rows.sqlite'}")
    for _ in range(1000):
        rows.beats.beat("w1", "cpu")
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2 << 20
    rows.database.close()


def test_silent_workers_are_forgotten(rows: Rows) -> None:
    rows.beats.beat("w1", "cpu")
    assert rows.beats.live(5.0) == {"w1": "cpu"}
    assert rows.beats.live(-1.0) == {}


def test_computing_is_counted_and_stays_counted(rows: Rows) -> None:
    job_id = rows.new_job()
    claim = rows.claims.claim(job_id, "w1")
    assert claim is not None
    rows.claims.record(claim, StageEvent("sfm", 0, 2, "started"))
    rows.claims.record(claim, StageEvent("sfm", 0, 2, "succeeded", seconds=1.0))
    rows.claims.finish(claim, "succeeded")
    spent = rows.objects.usage()
    assert spent.objects == 1
    assert 0 < spent.compute_s < 5
    rows.objects.delete(claim.object_id)
    assert rows.objects.usage() == replace(spent, objects=0)
    assert ObjectStore(rows.database, "others").usage().compute_s == 0


def test_a_writer_that_froze_keeps_nobody_waiting(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WRITE_WITHIN_S", 1)
    frozen, others = Rows(url), Rows(url)
    job_id = frozen.new_job()

    def freeze() -> None:
        with frozen.database.write() as db:
            db.execute(update(tables.JOBS).where(tables.JOBS.c.id == job_id).values(progress=0.5))
            others.jobs.cancel(job_id)  # SQLite lets nobody in; PostgreSQL ends the frozen one instead
            assert url.startswith("postgresql")

    with pytest.raises(DBAPIError) as caught:
        freeze()
    assert is_unreachable(caught.value)
    assert frozen.new_job() != others.new_job()
