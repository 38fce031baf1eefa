"""Events are written with the rows that they tell of, or not at all; and there are never many."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.failures import StageCrashed
from workers.logs import bound
from workers.pipeline import StageEvent
from workers.rows.claims import Claim, ClaimStore, LeaseLost
from workers.rows.database import Database
from workers.rows.events import EventStore
from workers.rows.jobs import JobStore
from workers.rows.objects import ObjectStore
from workers.rows.tables import new_id


class Rows:
    def __init__(self, folder: Path, lease_s: float = 30.0) -> None:
        database = Database(f"sqlite:///{folder / 'rows.sqlite'}")
        self.objects = ObjectStore(database, "lab")
        self.jobs, self.events = JobStore(database, ("sfm",), "lab"), EventStore(database)
        self.claims = ClaimStore(database, "stand_in:PIPELINE", lease_s)

    def new_job(self) -> str:
        return self.jobs.onboard(new_id("obj"), "mug", "standard").id

    def claimed(self, job_id: str) -> Claim:
        claim = self.claims.claim(job_id, "w")
        assert claim is not None
        return claim

    def kinds(self, job_id: str) -> list[str]:
        return [event.kind for event in self.events.after(job_id, 0).events]


def event(kind: str, step: int = 0) -> StageEvent:
    return StageEvent("sfm", 0, 1, kind, step=step, steps=1000)  # type: ignore[arg-type]


def test_a_long_stage_leaves_a_handful_of_rows(tmp_path: Path) -> None:
    rows = Rows(tmp_path)
    job_id = rows.new_job()
    claim = rows.claimed(job_id)
    rows.claims.record(claim, event("started"))
    for step in range(200):
        rows.claims.record(claim, event("progress", step))
    kept = rows.events.after(job_id, 0)
    assert [e.kind for e in kept.events] == ["job.queued", "job.running", "stage.started", "stage.progress"]
    assert kept.events[-1].data["step"] == 199
    assert not kept.complete
    rows.claims.finish(claim, "succeeded")
    assert rows.events.after(job_id, kept.events[-1].id).complete
    assert not rows.events.after(job_id, 0, limit=2).complete, "there are more"


def test_what_is_refused_leaves_no_event(tmp_path: Path) -> None:
    rows = Rows(tmp_path, lease_s=-1.0)
    job_id = rows.new_job()
    for _ in range(3):
        stale = rows.claimed(job_id)
        rows.claims.record(stale, event("started"))
    claim = rows.claimed(job_id)
    before = rows.kinds(job_id)
    with pytest.raises(LeaseLost):
        rows.claims.record(stale, event("progress"))
    with pytest.raises(StageCrashed):
        rows.claims.record(claim, event("started"))
    assert rows.kinds(job_id) == before
    assert before.count("stage.started") == 3


def test_a_job_that_is_given_back_cancelled_and_resumed_says_so(tmp_path: Path) -> None:
    rows = Rows(tmp_path)
    job_id = rows.new_job()
    rows.claims.release(rows.claimed(job_id))
    rows.jobs.cancel(job_id)
    rows.jobs.resume(job_id)
    claim = rows.claimed(job_id)
    for _ in range(3):  # only the first is news
        rows.jobs.cancel(job_id)
    rows.claims.finish(claim, "canceled")
    told = "queued running queued ended queued running canceling ended"
    assert rows.kinds(job_id) == [f"job.{word}" for word in told.split()]


def test_ids_are_never_given_twice(tmp_path: Path) -> None:
    rows = Rows(tmp_path)
    job = rows.jobs.get(rows.new_job())
    rows.jobs.cancel(job.id)
    last = rows.events.latest([job.id])[job.id]
    rows.objects.delete(job.object_id)
    assert rows.events.latest([job.id]) == {}
    assert rows.events.after(job.id, last).complete
    assert rows.events.after(rows.new_job(), 0).events[0].id > last


def test_a_worker_knows_whose_request_queued_the_job_though_the_wake_up_was_lost(tmp_path: Path) -> None:
    rows = Rows(tmp_path)
    with bound(request_id="walk-1"):
        job_id = rows.new_job()
    with bound():
        rows.claimed(job_id)
    assert [event.data["request_id"] for event in rows.events.after(job_id, 0).events] == ["walk-1", "walk-1"]
