"""The one way to run a pipeline: every unfinished stage in its own process, then the results put where people look."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from reconstruction.workspace import Workspace
from workers.failures import StageCrashed
from workers.pipeline import Recipe, StageEvent, Step, load
from workers.publish import publish
from workers.supervision import run_in_process

OnEvent = Callable[[StageEvent], None]


def run_pipeline(
    object_dir: Path,
    recipe: Recipe,
    on_event: OnEvent,
    should_cancel: Callable[[], bool] = lambda: False,
    max_attempts: int = 3,
    until: str | None = None,
    only: Collection[str] | None = None,
) -> None:
    """Runs every stage that is not finished yet, each in its own process, and publishes the results. `until` names the last one.

    `only`: the stages to run and to look at; the others are known to be done, or are left to somebody else.

    `should_cancel` is asked about once a second; when it says so, or raises, or this process dies, the stage's processes end.
    A crashed stage is tried again, up to `max_attempts`; a PipelineError of the stage itself is final.
    Raises what the stage raised, StageCrashed, or Canceled; InputError for an unknown `until`. Finished stages are kept in every case.
    What stages show on the way (`live/`) stays after a failure, until the next run.
    """
    Workspace(object_dir).end_live()
    steps = load(recipe.pipeline).up_to(until)
    total = sum(step.share for step in steps)
    done = 0.0
    for index, step in enumerate(steps):
        if only is None or step.name in only:
            track = _Track(step, index, len(steps), done / total, step.share / total, on_event)
            _try_stage(object_dir, recipe, track, should_cancel, max_attempts)
        done += step.share
    publish(object_dir, [step.name for step in steps])
    Workspace(object_dir).end_live()


def _try_stage(object_dir: Path, recipe: Recipe, track: _Track, should_cancel: Callable[[], bool], max_attempts: int) -> None:
    for attempt in range(1, max_attempts + 1):
        try:
            return run_in_process(object_dir, track.step, recipe, replace(track, started=time.monotonic()), should_cancel)
        except StageCrashed:
            if attempt == max_attempts:
                raise


@dataclass
class _Track:
    """Turns what a stage's process says into events with progress and time left."""

    step: Step
    index: int
    count: int
    before: float
    share: float
    on_event: OnEvent
    started: float = field(default_factory=time.monotonic)

    def __call__(self, kind: Literal["started", "progress", "succeeded", "skipped", "failed"], **values: Any) -> None:
        done = self.before + self.share * (kind in ("succeeded", "skipped"))
        if kind == "progress" and values["steps"] > 0:
            part = min(1.0, max(0.0, values["step"] / values["steps"]))
            done += self.share * part
            elapsed = time.monotonic() - self.started
            values["eta_s"] = round(elapsed * (1 - part) / part, 1) if part > 0 and elapsed > 2 else None
        self.on_event(StageEvent(self.step.name, self.index, self.count, kind, progress=round(done, 4), **values))
