"""What the service answers, as values. Times are seconds since 1970, lengths metres."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ENDED = ("succeeded", "failed", "canceled")

Matrix4 = tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class CaptureWarning:
    """What a better capture would change. `photo`: where it concerns a single one."""

    code: str
    message: str
    photo: str | None = None


@dataclass(frozen=True)
class Failure:
    """Why a job failed. `code` is for programs."""

    code: str
    what: str
    try_next: str = ""


@dataclass(frozen=True)
class Stage:
    """`status`: pending, running, succeeded, skipped or failed. `quality`: what was measured on its result."""

    name: str
    status: str
    attempts: int = 0
    seconds: float | None = None
    quality: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunningStage:
    """Stage `index` of `count`, at `step` of `steps`. `eta_s`: seconds that it is expected to take still."""

    name: str
    index: int
    count: int
    step: int = 0
    steps: int = 0
    message: str = ""
    eta_s: float | None = None


@dataclass(frozen=True)
class Job:
    """`status`: queued, running, canceling, succeeded, failed or canceled. `progress`: from 0 to 1."""

    id: str
    object_id: str
    status: str
    progress: float
    profile: str = ""
    stage: RunningStage | None = None
    stages: tuple[Stage, ...] = ()
    queue_position: int | None = None
    queue: str = "cpu"
    """Of the workers that do its next stage: cpu or gpu."""
    waiting_for: str | None = None
    """What has to come before anybody works on it."""
    error: Failure | None = None
    created_at: float = 0.0
    started_at: float | None = None
    finished_at: float | None = None
    eta_s: float | None = None
    warnings: tuple[CaptureWarning, ...] = ()

    @property
    def over(self) -> bool:
        return self.status in ENDED


@dataclass(frozen=True)
class Object:
    """`state`: draft, onboarding, ready or failed. `etag`: of one that was read by itself; a list does not tell it."""

    id: str
    name: str
    state: str
    options: dict[str, Any] = field(default_factory=dict)
    photos: int = 0
    bytes: int = 0
    created_at: float = 0.0
    updated_at: float = 0.0
    job_id: str | None = None
    warnings: tuple[CaptureWarning, ...] = ()
    etag: str = ""


@dataclass(frozen=True)
class Image:
    """A photo and what became of it. `verdict`: used, blurry, not registered, ...; pending until it is known.

    `sent_sha256`: of the bytes that were sent; `sha256` and `bytes` are of what is kept, without places.
    """

    photo: str
    verdict: str
    number: float | None = None
    message: str = ""
    bytes: int | None = None
    sha256: str | None = None
    sent_sha256: str | None = None


@dataclass(frozen=True)
class Artifact:
    """A file that has been made, such as mesh.glb."""

    name: str
    bytes: int


@dataclass(frozen=True)
class Sent:
    """Names of files: those that were sent, and those that were there already."""

    sent: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Event:
    """Something that happened to a job: `kind` is such as stage.succeeded or job.ended."""

    id: str
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Log:
    """What a stage wrote, from a byte on. `next_offset`: where to go on reading."""

    stage: str
    text: str
    next_offset: int


@dataclass(frozen=True)
class Scale:
    """Where the metres come from: board, tags, depth, known_length. `rel_std`: how uncertain they are, as a fraction."""

    source: str
    rel_std: float | None = None


@dataclass(frozen=True)
class Mask:
    """COCO's compressed run-length encoding. `size`: height, width."""

    size: tuple[int, ...]
    counts: str


@dataclass(frozen=True)
class Pose:
    """The object in the camera: x_cam = R x_obj + t, OpenCV axes (x right, y down, z forward).

    `R`: nine numbers, row by row. `t`: metres, or the object's own units where Estimate.units says so. `bbox_xywh`: pixels.
    `score`: from 0 to 1, calibrated. `symmetry`: none, discrete or continuous; then this is one of several equal poses; unknown of early
    networks. `depth_factor`: how many times too far the depth map has the object by the object's own print, which was put right; 1 where it
    was believed, None without depth.
    """

    object_id: str
    score: float
    R: tuple[float, ...]
    t: tuple[float, ...]
    quat_xyzw: tuple[float, ...]
    bbox_xywh: tuple[float, ...] = ()
    mask_rle: Mask | None = None
    symmetry: str | None = None
    depth_factor: float | None = None

    @property
    def cam_from_obj(self) -> Matrix4:
        """4 x 4, row by row: numpy.array(pose.cam_from_obj) is the matrix."""
        rows = tuple((*self.R[3 * k : 3 * k + 3], self.t[k]) for k in range(3))
        return (*rows, (0.0, 0.0, 0.0, 1.0))


@dataclass(frozen=True)
class Estimate:
    """Poses, none where none was found. `units`: m, or object where the scale is not known (then `scale` is None).

    `K`: nine numbers, row by row, in pixels. `K_source`: given, exif or guessed; scores are lower where it was not given. `networks`:
    final, or early while the object is still being trained.
    """

    poses: tuple[Pose, ...]
    units: str
    K: tuple[float, ...]
    K_source: str
    scale: Scale | None = None
    frame: str = "opencv"
    model_version: str = ""
    networks: str = "final"
    timing_ms: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Webhook:
    """Where messages go when a job is over. `secret` checks their signatures; it is told by `create` alone."""

    id: str
    url: str
    events: tuple[str, ...] = ()
    created_at: float = 0.0
    gone_at: float | None = None
    secret: str | None = None


@dataclass(frozen=True)
class Info:
    """What the service is: its stages, profiles and limits, and the JSON schemas of its options."""

    name: str
    version: str
    stages: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()
    limits: dict[str, float] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
