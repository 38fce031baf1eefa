"""What callers get, as the OpenAPI document says it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from reconstruction.verdicts import State
from workers.jobs import JobRow, ObjectRow


class CaptureWarning(BaseModel):
    """What the capture lacks, though the work goes on. `photo`: where it concerns a single one."""

    code: str
    photo: str | None
    message: str


class Stage(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    name: str
    status: Literal["pending", "running", "succeeded", "skipped", "failed"]
    attempts: int
    seconds: float | None
    quality: dict[str, Any]


class RunningStage(BaseModel):
    name: str
    index: int
    count: int
    step: int
    steps: int
    message: str = ""
    eta_s: float | None = None


class Job(BaseModel):
    id: str
    object_id: str
    profile: str
    status: Literal["queued", "running", "canceling", "succeeded", "failed", "canceled"]
    progress: float
    stage: RunningStage | None
    stages: list[Stage]
    queue_position: int | None
    queue: str
    waiting_for: str | None
    error: dict[str, Any] | None
    created_at: float
    started_at: float | None
    finished_at: float | None
    warnings: list[CaptureWarning]
    links: dict[str, str]

    @classmethod
    def of(cls, row: JobRow) -> Job:
        links = {"self": f"/v1/jobs/{row.id}", "object": f"/v1/objects/{row.object_id}"}
        values = {name: getattr(row, name) for name in JobRow.__dataclass_fields__}
        return cls.model_validate({**values, "stages": [Stage.model_validate(stage) for stage in row.stages], "links": links})


class Object(BaseModel):
    id: str
    name: str
    state: Literal["draft", "onboarding", "ready", "failed"]
    photos: int
    created_at: float
    updated_at: float
    job_id: str | None
    warnings: list[CaptureWarning]
    links: dict[str, str]

    @classmethod
    def of(cls, row: ObjectRow) -> Object:
        links = {"self": f"/v1/objects/{row.id}", "artifacts": f"/v1/objects/{row.id}/artifacts", "images": f"/v1/objects/{row.id}/images"}
        if row.job_id:
            links["job"] = f"/v1/jobs/{row.job_id}"
        return cls.model_validate({**row.__dict__, "links": links})


class Accepted(BaseModel):
    id: str
    job: Job


class Image(BaseModel):
    """A photo of the capture, and what became of it. `number` is what the verdict goes by; it is None where there is none."""

    model_config = ConfigDict(from_attributes=True)
    photo: str
    verdict: State
    number: float | None
    message: str


class Artifact(BaseModel):
    name: str
    bytes: int
    href: str


class Scale(BaseModel):
    source: str
    rel_std: float | None


class Pose(BaseModel):
    """cam_from_obj, OpenCV camera. R row by row."""

    object_id: str
    score: float
    R: Annotated[list[float], Field(min_length=9, max_length=9)]
    t: Annotated[list[float], Field(min_length=3, max_length=3)]
    quat_xyzw: Annotated[list[float], Field(min_length=4, max_length=4)]
    bbox_xywh: Annotated[list[float], Field(min_length=4, max_length=4)]


class Estimate(BaseModel):
    """An empty list of poses: not found. Where K is not given, its focal length is from EXIF, and scores are a tenth lower, or guessed,
    and scores are half of what they would be."""

    frame: Literal["opencv"]
    units: Literal["m", "object"]
    scale: Scale | None
    K: list[float]
    K_source: Literal["given", "exif", "guessed"]
    model_version: str
    timing_ms: dict[str, float]
    poses: list[Pose]


class Problem(BaseModel):
    """RFC 9457. `type` is for programs; `detail` says what failed and what to do."""

    type: str
    title: str
    status: int
    detail: str
    what: str | None = None
    try_next: str | None = None
