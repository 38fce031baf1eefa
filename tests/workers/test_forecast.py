"""How long a job takes: built-in figures first, then what earlier jobs took, corrected while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workers.pipeline import PIPELINE, StageEvent
from workers.rows.claims import ClaimStore
from workers.rows.database import Database
from workers.rows.forecast import BUILT_IN, Size, StageRun, forecast, time_left
from workers.rows.jobs import JobRow, JobStore
from workers.rows.tables import new_id

STAGES = ("sfm", "surface")


def test_the_first_job_takes_what_was_measured_scaled_to_its_photos() -> None:
    measured = forecast(PIPELINE.names, "standard", Size(95, 0.92), [])
    assert measured is not None
    assert measured.seconds == pytest.approx(1345)
    assert measured.learned == 0
    fewer = forecast(PIPELINE.names, "standard", Size(38, 0.92), [])
    larger = forecast(PIPELINE.names, "standard", Size(95, 12.0), [])
    assert fewer is not None
    assert larger is not None
    assert fewer.stages["sfm"] == pytest.approx(0.4 * 198, abs=0.01)
    assert fewer.stages["surface"] == measured.stages["surface"]
    assert larger.stages["masks"] == pytest.approx(2.16 * 45, rel=0.01)
    assert {run.stage for run in BUILT_IN["standard"]} == {run.stage for run in BUILT_IN["preview"]} == set(PIPELINE.names)


def test_what_was_never_measured_has_no_forecast() -> None:
    assert forecast(PIPELINE.names, "full", Size(95), []) is None
    assert forecast(("sfm", "invented"), "standard", Size(95), []) is None


def test_the_median_of_earlier_jobs_goes_before_what_is_built_in() -> None:
    history = [StageRun("sfm", seconds, Size(10)) for seconds in (10.0, 12.0, 500.0)]
    found = forecast(STAGES, "standard", Size(20), history)
    assert found is not None
    assert (found.stages["sfm"], found.learned) == (24.0, 1)
    assert found.stages["surface"] == 233


EXPECTED = {"sfm": 100.0, "locate": 5.0, "surface": 295.0}


@pytest.mark.parametrize(
    ("finished", "running", "least", "most"),
    [
        ({}, None, 400, 400),
        ({"sfm": 100.0}, None, 300, 300),
        ({"sfm": 200.0}, None, 450, 600),  # twice as slow so far: so will the rest be, almost
        ({"sfm": 50.0}, None, 150, 220),
        ({"sfm": 100.0, "locate": 50.0}, None, 295, 400),  # a short stage can't turn it over
        ({"sfm": 0.0, "locate": 0.0}, None, 295, 295),  # skipped ones say nothing about the pace
        ({"sfm": 100.0, "locate": 5.0}, {"name": "surface", "step": 1, "steps": 2, "eta_s": None}, 147.5, 147.5),
        ({"sfm": 100.0, "locate": 5.0}, {"name": "surface", "step": 1, "steps": 2, "eta_s": 33.0}, 33, 33),
        ({"sfm": 100.0, "locate": 5.0}, {"name": "surface", "step": 0, "steps": 0, "eta_s": None}, 295, 295),
        (dict(EXPECTED), None, 0, 0),
    ],
)
def test_time_left_follows_the_pace(finished: dict[str, float], running: dict[str, Any] | None, least: float, most: float) -> None:
    assert least <= time_left(EXPECTED, finished, running) <= most


class Rows:
    def __init__(self, folder: Path) -> None:
        database = Database(f"sqlite:///{folder / 'rows.sqlite'}")
        self.jobs, self.claims = JobStore(database, STAGES, "lab"), ClaimStore(database, "stand_in:PIPELINE")

    def queued(self, photos: int, profile: str = "standard") -> JobRow:
        return self.jobs.onboard(new_id("obj"), "mug", profile, size=Size(photos))

    def done(self, photos: int, **seconds: float) -> None:
        claim = self.claims.claim(self.queued(photos).id, "w")
        assert claim is not None
        for index, (stage, took) in enumerate(seconds.items()):
            self.claims.record(claim, StageEvent(stage, index, len(STAGES), "started"))
            self.claims.record(claim, StageEvent(stage, index, len(STAGES), "succeeded", seconds=took))
        self.claims.finish(claim, "succeeded")


def test_jobs_of_the_same_profile_are_learnt_from(tmp_path: Path) -> None:
    rows = Rows(tmp_path)
    for seconds in (30.0, 20.0, 22.0):
        rows.done(10, sfm=seconds, surface=100.0)
    assert (rows.queued(10).estimate or {})["stages"] == {"sfm": 22.0, "surface": 100.0}
    assert (rows.queued(20).estimate or {})["stages"] == {"sfm": 44.0, "surface": 100.0}
    assert (rows.queued(50, "preview").estimate or {})["stages"] == {"sfm": 125.0, "surface": 46.0}
    assert rows.queued(50, "full").eta_s is None


def test_the_time_left_shrinks_while_a_job_runs(tmp_path: Path) -> None:
    rows = Rows(tmp_path)
    rows.done(10, sfm=20.0, surface=100.0)
    job = rows.queued(10)
    claim = rows.claims.claim(job.id, "w")
    assert claim is not None
    left = [job.eta_s]
    rows.claims.record(claim, StageEvent("sfm", 0, 2, "started"))
    rows.claims.record(claim, StageEvent("sfm", 0, 2, "progress", step=1, steps=2))
    left.append(rows.jobs.get(job.id).eta_s)
    rows.claims.record(claim, StageEvent("sfm", 0, 2, "succeeded", seconds=20.0))
    left.append(rows.jobs.get(job.id).eta_s)
    rows.claims.record(claim, StageEvent("surface", 1, 2, "started"))
    rows.claims.record(claim, StageEvent("surface", 1, 2, "progress", step=9, steps=10, eta_s=12.0))
    left.append(rows.jobs.get(job.id).eta_s)
    rows.claims.finish(claim, "succeeded")
    assert [*left, rows.jobs.get(job.id).eta_s] == [120.0, 110.0, 100.0, 12.0, None]
