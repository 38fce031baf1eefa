"""The one ordered list of stages, and the one way to run it. Imports no torch: stages are loaded in their own processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from reconstruction.errors import InputError, PipelineError
from workers.failures import StageCrashed


@dataclass(frozen=True)
class Step:
    """A stage by name. `target` is `module:attribute` of its Stage, `config` the attribute of a profile that configures it.

    `share` is roughly the part of an onboarding that it takes; only the overall progress depends on it.
    """

    name: str
    target: str
    config: str
    share: float


@dataclass(frozen=True)
class Pipeline:
    """Stages in order, where their profiles are (`module:attribute`, name -> profile), and what answers estimates."""

    stages: tuple[Step, ...]
    profiles: str
    profile_names: tuple[str, ...]
    estimator: str

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(step.name for step in self.stages)


STAGES = (
    Step("sfm", "reconstruction.sfm:SFM", "sfm", 0.10),
    Step("locate", "reconstruction.locate:LOCATE", "locate", 0.02),
    Step("masks", "reconstruction.masks.stage:MASKS", "masks", 0.10),
    Step("scale", "reconstruction.scale:SCALE", "scale", 0.02),
    Step("surface", "reconstruction.sdf.stage:SURFACE", "surface", 0.26),
    Step("synthetic", "surfemb.synthetic:SYNTHETIC", "synthetic", 0.10),
    Step("correspondence", "surfemb.train:CORRESPONDENCE", "correspondence", 0.36),
    Step("validation", "surfemb.validation:VALIDATION", "validation", 0.04),
)

PIPELINE = Pipeline(STAGES, "workers.profiles:PROFILES", ("preview", "standard", "full"), "surfemb.estimator:PoseEstimator")


def load(target: str) -> Any:
    """The attribute that `module:attribute` names."""
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute)


@dataclass(frozen=True)
class Recipe:
    """What to run: a profile by name, and single settings changed: stage config -> field -> value. JSON in and out."""

    profile: str = "standard"
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)
    pipeline: str = "workers.pipeline:PIPELINE"

    def config(self, step: Step) -> Any:
        """The stage's configuration. Imports every stage, torch too. Raises InputError for an unknown profile or field."""
        profiles = load(load(self.pipeline).profiles)
        if self.profile not in profiles:
            raise InputError(f"there is no profile {self.profile!r}", try_next=f"choose one of {', '.join(profiles)}")
        changes = self.overrides.get(step.config, {})
        try:
            return replace(getattr(profiles[self.profile], step.config), **changes)
        except TypeError as error:
            raise InputError(f"stage {step.name} has no setting {', '.join(changes)} ({error})", try_next="check its spelling") from error


@dataclass(frozen=True)
class StageEvent:
    """What happens to one stage of a run. `eta_s` is the time that this stage still takes, once that can be told."""

    stage: str
    index: int
    count: int
    kind: Literal["started", "progress", "succeeded", "skipped", "failed"]
    step: int = 0
    steps: int = 0
    message: str = ""
    eta_s: float | None = None
    progress: float = 0.0
    """Of the whole run, 0 to 1."""
    seconds: float | None = None
    quality: dict[str, Any] = field(default_factory=dict)
    error: PipelineError | None = None


OnEvent = Callable[[StageEvent], None]


def run_pipeline(
    object_dir: Path, recipe: Recipe, on_event: OnEvent, should_cancel: Callable[[], bool] = lambda: False, max_attempts: int = 3
) -> None:
    """Runs every stage that is not finished yet, each in its own process, and publishes the results.

    `should_cancel` is asked about once a second; when it says so, or raises, or this process dies, the stage's processes end.
    A crashed stage is tried again, up to `max_attempts`; a PipelineError of the stage itself is final.
    Raises what the stage raised, StageCrashed, or Canceled. Finished stages are kept in every case.
    """
    from workers.publish import publish
    from workers.supervision import run_in_process

    steps = load(recipe.pipeline).stages
    total = sum(step.share for step in steps)
    done = 0.0
    for index, step in enumerate(steps):
        for attempt in range(1, max_attempts + 1):
            track = _Track(step, index, len(steps), done / total, step.share / total, on_event)
            try:
                run_in_process(object_dir, step, recipe, track, should_cancel)
                break
            except StageCrashed:
                if attempt == max_attempts:
                    raise
        done += step.share
    publish(object_dir, [step.name for step in steps])


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
