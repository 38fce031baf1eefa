"""How long a job takes: said before it starts, corrected while it runs. One number, a median, no range. No torch here.

What earlier jobs of the same profile took on this deployment counts, stage by stage, scaled to the number and size of the
photos; a stage that nobody has run here yet takes what BENCHMARKS.md says, measured on two cores. Waiting in the queue is not included.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from sqlalchemy import Connection, select

from workers.rows.tables import ATTEMPTS, JOBS

PER_PHOTO = {"sfm", "locate", "masks", "coverage", "scale"}
"""Stages that take time for each photo; the others train or render for a number of steps."""
BY_SIZE = {"masks": 0.3}
"""Exponent of the pixels: thirteen times as many took masks 2.2 times as long, and sfm, which shrinks photos, no longer."""
FRAMES_OF_A_VIDEO = 120
"""As many as are picked at most: how many it will be is not known before."""
CONFIDENCE = 0.1
"""Of the whole forecast: so much weight it keeps against what finished stages took, so that a short stage can't turn it over."""
LOOKED_AT = 200


@dataclass(frozen=True)
class Size:
    """Of a capture. `megapixels`: of one photo, None where it is not known."""

    photos: int
    megapixels: float | None = None


@dataclass(frozen=True)
class StageRun:
    """A stage that has succeeded: the seconds that it took, for a capture of that size."""

    stage: str
    seconds: float
    size: Size


@dataclass(frozen=True)
class Forecast:
    """`stages`: seconds of each; `seconds`: of all; `learned`: how many of them earlier jobs here have told, the rest is built in."""

    seconds: float
    stages: dict[str, float]
    learned: int
    photos: int
    megapixels: float | None


def _built_in(size: Size, **seconds: float) -> list[StageRun]:
    return [StageRun(stage, took, size) for stage, took in seconds.items()]


BUILT_IN = {
    "preview": _built_in(
        Size(50, 0.39),
        sfm=125,
        locate=3,
        masks=45,
        coverage=1,
        scale=5,
        surface=46,
        synthetic=15,
        early=105,
        correspondence=209,
        validation=14,
        exports=10,
    ),
    "standard": _built_in(
        Size(95, 0.92),
        sfm=198,
        locate=8,
        masks=45,
        coverage=2,
        scale=4,
        surface=233,
        synthetic=36,
        early=175,
        correspondence=600,
        validation=29,
        exports=15,
    ),
}
"""By profile. `full` was not measured yet: its first job has no forecast."""


def forecast(stages: Iterable[str], profile: str, size: Size, history: list[StageRun]) -> Forecast | None:
    """None where a stage is neither in the history nor built in. `history`: of the same profile."""
    seconds: dict[str, float] = {}
    learned = 0
    for stage in stages:
        here = [_scaled(run, size) for run in history if run.stage == stage]
        known = here or [_scaled(run, size) for run in BUILT_IN.get(profile, []) if run.stage == stage]
        if not known:
            return None
        seconds[stage] = round(median(known), 2)
        learned += bool(here)
    return Forecast(round(sum(seconds.values()), 2), seconds, learned, size.photos, size.megapixels)


def time_left(expected: dict[str, float], finished: dict[str, float], running: dict[str, Any] | None) -> float:
    """Seconds of work that are left of a job.

    `expected`: forecast of every stage; `finished`: what the finished ones took; `running`: the running one's name, step, steps, eta_s.
    What is to come is corrected by how much slower or faster the finished stages were than expected; a running stage that
    knows its own time left is believed.
    """
    kept = CONFIDENCE * sum(expected.values())
    took = {name: seconds for name, seconds in finished.items() if seconds > 0 and name in expected}  # a skipped stage tells nothing
    pace = (kept + sum(took.values())) / (kept + sum(expected[name] for name in took)) if kept else 1.0
    left = 0.0
    for name, seconds in expected.items():
        if name in finished:
            continue
        if running and running["name"] == name:
            done = running["step"] / running["steps"] if running["steps"] else 0.0
            left += running["eta_s"] if running["eta_s"] is not None else seconds * pace * (1 - done)
        else:
            left += seconds * pace
    return round(left, 1)


def _scaled(run: StageRun, size: Size) -> float:
    seconds = run.seconds
    if run.stage in PER_PHOTO:
        seconds *= (size.photos or FRAMES_OF_A_VIDEO) / (run.size.photos or FRAMES_OF_A_VIDEO)
    if size.megapixels and run.size.megapixels:
        seconds *= (size.megapixels / run.size.megapixels) ** BY_SIZE.get(run.stage, 0.0)
    return seconds


def forecast_from(db: Connection, stages: Iterable[str], profile: str, size: Size) -> dict[str, Any] | None:
    """The forecast of a new job as JSON, from the latest stages that succeeded under its profile."""
    same = select(ATTEMPTS.c.stage, ATTEMPTS.c.seconds, JOBS.c.estimate).join(JOBS, JOBS.c.id == ATTEMPTS.c.job_id)
    same = same.where(JOBS.c.profile == profile, ATTEMPTS.c.status == "succeeded", ATTEMPTS.c.seconds > 0)
    rows = db.execute(same.order_by(ATTEMPTS.c.id.desc()).limit(LOOKED_AT))
    history = [StageRun(stage, took, Size(of["photos"], of["megapixels"]) if of else size) for stage, took, of in rows]
    found = forecast(stages, profile, size, history)
    return None if found is None else asdict(found)
