"""What callers get, as the OpenAPI document says it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from reconstruction.verdicts import State
from service.options import NO_CONTROL_CHARACTERS
from workers.rows.jobs import JobRow
from workers.rows.objects import ObjectRow


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


class Forecast(BaseModel):
    """Seconds that the job is expected to take, a median, made when the job was: of all stages, and of each. `learned`: for how
    many of them earlier jobs here have told; the others are figures of a machine with two cores."""

    seconds: float
    stages: dict[str, float]
    learned: int


class Job(BaseModel):
    """`eta_s`: seconds of work that are left, corrected while it runs; waiting in the queue is not included."""

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
    estimate: Forecast | None
    eta_s: float | None
    warnings: list[CaptureWarning]
    links: dict[str, str]

    @classmethod
    def of(cls, row: JobRow) -> Job:
        links = {"self": f"/v1/jobs/{row.id}", "object": f"/v1/objects/{row.object_id}"}
        links |= {"events": f"/v1/jobs/{row.id}/events", "logs": f"/v1/jobs/{row.id}/logs"}
        values = {name: getattr(row, name) for name in JobRow.__dataclass_fields__}
        return cls.model_validate({**values, "stages": [Stage.model_validate(stage) for stage in row.stages], "links": links})


class Object(BaseModel):
    id: str
    name: str
    state: Literal["draft", "onboarding", "ready", "failed"]
    options: dict[str, Any]
    photos: int
    bytes: int
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


class Change(BaseModel):
    """What PATCH changes: the name; options by name, as POST /objects takes them, null for one to be taken back."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(min_length=1, max_length=200, pattern=NO_CONTROL_CHARACTERS)] | None = None
    options: dict[str, Any] = {}


class Train(BaseModel):
    """`from_stage`: this stage and those after it run again, changed or not. `profile`: another than in the options."""

    model_config = ConfigDict(extra="forbid")
    from_stage: str | None = None
    profile: str | None = None


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
    bytes: int | None = None
    sha256: str | None = None
    sent_sha256: str | None = None


class KeptImage(BaseModel):
    """An image as it is kept, its places removed: `file`, `bytes` and `sha256` are of that; `sent_sha256` is of the bytes that came."""

    model_config = ConfigDict(from_attributes=True)
    kind: Literal["photos", "masks", "depth", "video"]
    name: str
    file: str
    bytes: int
    sha256: str
    sent_sha256: str


class Artifact(BaseModel):
    name: str
    bytes: int
    href: str


class Scale(BaseModel):
    source: str
    rel_std: float | None


class MaskRle(BaseModel):
    """A mask in COCO's compressed run-length encoding. `size`: height, width."""

    size: Annotated[list[int], Field(min_length=2, max_length=2)]
    counts: str


class Pose(BaseModel):
    """cam_from_obj, OpenCV camera. R row by row.

    Box and mask are those of the whole object in this pose, whatever stands in front of it, in pixels of the upright image as sent.
    symmetry: of the object; where it has one, this is one of several poses that look the same. Unknown until it has been validated.
    depth_factor: what the distances of the depth map were divided by, since the object's print has another one; null without depth.
    """

    object_id: str
    score: float
    R: Annotated[list[float], Field(min_length=9, max_length=9)]
    t: Annotated[list[float], Field(min_length=3, max_length=3)]
    quat_xyzw: Annotated[list[float], Field(min_length=4, max_length=4)]
    bbox_xywh: Annotated[list[float], Field(min_length=4, max_length=4)]
    mask_rle: MaskRle
    symmetry: Literal["none", "discrete", "continuous", "unknown"]
    depth_factor: float | None


class Estimate(BaseModel):
    """An empty list of poses: not found. Where K is not given, its focal length is from EXIF, and scores are a tenth lower, or guessed,
    and scores are half of what they would be.

    units are "object" and scale is null where the size of an object that was asked for is not known in metres; of several
    objects, scale is the least certain. model_version: of each object asked for, in order. networks: "early" while one of the objects
    is still being trained; then scores are not its own yet. backend: the rasterizer that the poses were found with; device: where the
    networks ran.
    """

    frame: Literal["opencv"]
    units: Literal["m", "object"]
    scale: Scale | None
    K: list[float]
    K_source: Literal["given", "exif", "guessed"]
    model_version: str
    networks: Literal["early", "final"]
    backend: str
    device: str
    timing_ms: dict[str, float]
    poses: list[Pose]


class Problem(BaseModel):
    """RFC 9457. `type` is for programs; `detail` says what failed and what to do."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str | None = None
    what: str | None = None
    try_next: str | None = None
