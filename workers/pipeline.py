"""The one ordered list of stages, and what is said of a run. Imports no torch: stages are loaded in their own processes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Literal

from reconstruction.errors import InputError, PipelineError

CPU, GPU, ESTIMATE = "cpu", "gpu", "estimate"
"""The queues. Each worker serves one, so that an estimate never waits behind training, nor a GPU for work that needs none."""


@dataclass(frozen=True)
class Step:
    """A stage by name. `target` is `module:attribute` of its Stage, `config` the attribute of a profile that configures it.

    `share` is roughly the part of an onboarding that it takes; only the overall progress depends on it.
    `gpu_profiles`: those whose config of this stage wants a GPU.
    """

    name: str
    target: str
    config: str
    share: float
    gpu_profiles: tuple[str, ...] = ()

    def queue(self, profile: str) -> str:
        """Of the workers that run this stage."""
        return GPU if profile in self.gpu_profiles else CPU


@dataclass(frozen=True)
class Pipeline:
    """Stages in order, where their profiles are (`module:attribute`, name -> profile), and what answers estimates, from which parts.

    early_needs: the stages from whose output estimates are answered while the job goes on; none where it has to end first.
    """

    stages: tuple[Step, ...]
    profiles: str
    profile_names: tuple[str, ...]
    estimator: str
    estimator_needs: tuple[str, ...] = ("scale", "surface", "correspondence", "validation")
    early_needs: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(step.name for step in self.stages)

    def up_to(self, last: str | None) -> tuple[Step, ...]:
        """The stages that come before `last`, and it; all of them for None. Raises InputError where there is no such stage."""
        return self.stages if last is None else self.stages[: self.index_of(last) + 1]

    def check_profile(self, name: str) -> None:
        """Raises InputError where there is no such profile."""
        if name not in self.profile_names:
            raise InputError(f"there is no profile {name!r}", try_next=f"choose one of {', '.join(self.profile_names)}")

    def index_of(self, stage: str) -> int:
        """Raises InputError where there is no such stage."""
        if stage not in self.names:
            raise InputError(f"there is no stage {stage!r}", try_next=f"name one of {', '.join(self.names)}")
        return self.names.index(stage)


STAGES = (
    Step("sfm", "reconstruction.sfm.stage:SFM", "sfm", 0.10),
    Step("locate", "reconstruction.locate.stage:LOCATE", "locate", 0.02),
    Step("masks", "reconstruction.masks.stage:MASKS", "masks", 0.10),
    Step("coverage", "reconstruction.coverage.stage:COVERAGE", "coverage", 0.01),
    Step("scale", "reconstruction.scale.stage:SCALE", "scale", 0.02),
    Step("surface", "reconstruction.sdf.stage:SURFACE", "surface", 0.26, gpu_profiles=("full",)),
    Step("synthetic", "surfemb.samples.synthetic:SYNTHETIC", "synthetic", 0.10),
    Step("early", "surfemb.learning.stages:EARLY", "correspondence", 0.06, gpu_profiles=("full",)),
    Step("correspondence", "surfemb.learning.stages:CORRESPONDENCE", "correspondence", 0.30, gpu_profiles=("full",)),
    Step("validation", "surfemb.judging.validation:VALIDATION", "validation", 0.04),
    Step("exports", "workers.exports.stage:EXPORTED", "exports", 0.02),
)

PIPELINE = Pipeline(
    STAGES,
    "workers.profiles:PROFILES",
    ("preview", "standard", "full"),
    "surfemb.estimation.estimator:PoseEstimator",
    early_needs=("scale", "surface", "early"),
)

JOINED_STAGES = (
    Step("join", "reconstruction.joining.stage:JOIN", "join", 0.05),
    Step("scale", "reconstruction.joining.stage:JOINED_SCALE", "scale", 0.02),
    *STAGES[4:],
)
"""Of an object that two captures make: what a single capture's photos go through has been done in each."""

JOINED = replace(PIPELINE, stages=JOINED_STAGES)


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
        pipeline: Pipeline = load(self.pipeline)
        pipeline.check_profile(self.profile)
        profiles = load(pipeline.profiles)
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
