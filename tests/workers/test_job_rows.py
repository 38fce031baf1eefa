"""The rows are the truth: one claim at a time, stale writers refused, nothing lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from reconstruction.errors import CaptureError
from workers.claims import ClaimStore, LeaseLost
from workers.failures import StageCrashed
from workers.jobs import Conflict, JobStore, NotFound, new_id
from workers.pipeline import StageEvent
from workers.tables import Database

STAGES = ("sfm", "surface")


class Rows:
    def __init__(self, url: str, lease_s: float = 30.0) -> None:
        self.database = Database(url)
        self.jobs = JobStore(self.database, STAGES)
        self.claims = ClaimStore(self.database, "stand_in:PIPELINE", lease_s)

    def new_job(self) -> str:
        return self.jobs.create(new_id("obj"), "mug", 12, "standard").id


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
    assert rows.jobs.job(job_id).queue_position == 0
    assert rows.claims.due() == [job_id]
    claim = rows.claims.claim(job_id, "w1")
    assert claim is not None
    rows.claims.record(claim, event("started"))
    rows.claims.record(claim, event("progress", step=3, steps=10, eta_s=7.0, progress=0.15))
    seen = rows.jobs.job(job_id)
    assert (seen.status, seen.progress, seen.stage and seen.stage["eta_s"]) == ("running", 0.15, 7.0)
    assert [stage.status for stage in seen.stages] == ["running", "pending"]
    rows.claims.record(claim, event("succeeded", seconds=2.0, quality={"px": float("nan")}))
    rows.claims.finish(claim, "succeeded")
    done = rows.jobs.job(job_id)
    assert (done.status, done.progress, done.stages[0].quality) == ("succeeded", 1.0, {"px": None})
    assert rows.jobs.object(done.object_id).state == "ready"
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
    assert hasty.jobs.job(job_id).status == "succeeded"


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


def test_a_job_goes_from_queue_to_queue(rows: Rows) -> None:
    job_id = rows.new_job()
    assert (rows.claims.due("gpu"), rows.claims.claim(job_id, "w", "gpu")) == ([], None)
    claim = rows.claims.claim(job_id, "w", "cpu")
    assert claim is not None
    rows.claims.record(claim, event("started"))
    rows.claims.record(claim, event("succeeded"))
    rows.claims.release(claim, "gpu")
    assert (rows.claims.due("cpu"), rows.claims.due("gpu")) == ([], [job_id])
    assert (rows.jobs.job(job_id).status, rows.jobs.job(job_id).queue) == ("queued", "gpu")
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
    assert "'cpu'" in (rows.jobs.job(job_id).waiting_for or "")
    rows.claims.worker_beat("w", "cpu")
    assert rows.jobs.job(job_id).waiting_for is None
    claim = rows.claims.claim(job_id, "w")
    assert claim is not None
    rows.claims.release(claim, "gpu")
    assert "'gpu'" in (rows.jobs.job(job_id).waiting_for or "")
    rows.jobs.cancel(job_id)
    assert rows.jobs.job(job_id).waiting_for is None


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
    for database in databases:
        with database.read() as db:
            assert db.execute(text("SELECT count(*) FROM jobs")).scalar() == 0
        database.close()


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
    failed = rows.jobs.job(job_id)
    assert failed.error == {"code": "capture-failed", "what": "no overlap", "try_next": "add photos", "retryable": False}
    assert rows.jobs.object(failed.object_id).state == "failed"


def test_an_object_in_work_is_not_deleted(rows: Rows) -> None:
    job = rows.jobs.job(rows.new_job())
    with pytest.raises(Conflict, match="still working"):
        rows.jobs.delete(job.object_id)
    rows.jobs.cancel(job.id)
    rows.jobs.delete(job.object_id)
    with pytest.raises(NotFound):
        rows.jobs.object(job.object_id)
    with pytest.raises(NotFound):
        rows.jobs.job(job.id)


def test_silent_workers_are_forgotten(rows: Rows) -> None:
    rows.claims.worker_beat("w1", "cpu")
    assert rows.jobs.live_workers(5.0) == {"w1": "cpu"}
    assert rows.jobs.live_workers(-1.0) == {}
