"""A service elsewhere, through the Python client, for the command line and the demo."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, cast

from snap6d import Job, Snap6DError
from workers.command.console import Reporter
from workers.failures import error_from_json
from workers.pipeline import StageEvent

ENDED = ("succeeded", "skipped", "failed")


@contextmanager
def taught_by_the_service() -> Iterator[None]:
    """What the service refuses leaves as a PipelineError, with the same code and words."""
    try:
        yield
    except Snap6DError as error:
        raise error_from_json({"code": error.type or "refused", "what": error.what, "try_next": error.try_next}) from error


class StagesOf:
    """Shows a job's stages as if they ran here. Called with the job whenever it has changed."""

    def __init__(self, report: Reporter) -> None:
        self._report = report
        self._told: dict[str, str] = {}

    def __call__(self, job: Job) -> None:
        for index, stage in enumerate(job.stages):
            if stage.status in ENDED and self._told.get(stage.name) != stage.status:
                self._told[stage.name] = stage.status
                kind = cast(Literal["succeeded", "skipped", "failed"], stage.status)
                self._report(StageEvent(stage.name, index, len(job.stages), kind, quality=stage.quality))
        if (now := job.stage) and now.name not in self._told:
            self._report(StageEvent(now.name, now.index, now.count, "progress", now.step, now.steps, now.message, eta_s=now.eta_s))
