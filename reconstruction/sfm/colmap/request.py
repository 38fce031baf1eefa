"""Our side of COLMAP: what is asked of its process, how it is watched, what comes back. Knows no pycolmap."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from reconstruction.errors import CaptureError
from reconstruction.sfm.sparse import SparsePoints
from reconstruction.stage import Progress
from reconstruction.workspace import json_digest

Told = Callable[[int, int], None]
"""Step and number of steps, within a phase."""

# Share of the time that each phase ends at, on photos matched in sequence.
_PHASE_ENDS = {"features": 0.40, "still": 0.41, "pairs": 0.42, "matches": 0.75, "mapping": 1.0}
_PHASE_TEXTS = {
    "features": "finding features",
    "still": "telling what turns from what stands still",
    "pairs": "choosing pairs",
    "matches": "matching photos",
    "mapping": "placing cameras",
}


_OF_THE_MODEL_ALONE = ("folder", "threads", "focal_starts", "poses", "matched")


@dataclass(frozen=True)
class CameraRequest:
    """Pixels as COLMAP counts them. model OPENCV: fx, fy, cx, cy, k1, k2, p1, p2; FULL_OPENCV: then k3, k4, k5, k6.

    `focal_known`: EXIF or the user said it; `calibrated`: all parameters are to be kept as they are.
    """

    model: str
    width: int
    height: int
    params: list[float]
    focal_known: bool
    calibrated: bool


@dataclass(frozen=True)
class Request:
    """`folder/photos` holds `images`, `images[i]` taken by `cameras[camera_of[i]]`. `poses[i]`: 3x4 cam_from_world, to be kept.

    `focal_starts`: focal length over the longest side, tried in turn for cameras whose focal length nobody knows.
    `matched`: the folder holds the features and matches of these photos from a run before; only the cameras are new.
    """

    folder: str
    images: list[str]
    cameras: list[CameraRequest]
    camera_of: list[int]
    matching: str
    overlap: int
    max_features: int
    upsample: bool
    focal_starts: list[float]
    threads: int
    seed: int
    poses: list[list[float] | None] | None = None
    matched: bool = False

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> Request:
        doc = json.loads(path.read_text())
        return cls(**{**doc, "cameras": [CameraRequest(**c) for c in doc["cameras"]]})

    @property
    def photos(self) -> Path:
        return Path(self.folder) / "photos"

    @property
    def database(self) -> Path:
        return Path(self.folder) / "database.db"

    @property
    def database_digest(self) -> str:
        """Of all that features and matches depend on."""
        return json_digest({name: value for name, value in asdict(self).items() if name not in _OF_THE_MODEL_ALONE})

    @property
    def answer(self) -> Path:
        """Where the model is put, complete once `model.json` is there: what was asked before is not worked out again."""
        document = {name: value for name, value in asdict(self).items() if name not in ("folder", "threads")}
        return Path(self.folder) / "answers" / json_digest(document)[:16]


@dataclass(frozen=True)
class Registered:
    """image: index into `Request.images`; camera: index into `Request.cameras`; cam_from_world: 3x4, row-major."""

    image: int
    camera: int
    cam_from_world: list[float]


@dataclass(frozen=True)
class Model:
    """The largest model COLMAP found. `camera_params[i]` belong to `Request.cameras[i]`; `points.view_index` indexes `registered`.

    groups: indices into `Request.images` of every model's photos, largest first. partners: for each image, how many others match it.
    turntable: where one was recognised, the photos at each place of the camera ("stations"), the share of the features that stood
    still and was left out ("still"), and how many a photo has left ("features_left").
    """

    sizes: list[int]
    groups: list[list[int]] = field(default_factory=list)
    partners: list[int] = field(default_factory=list)
    camera_params: list[list[float]] = field(default_factory=list)
    registered: list[Registered] = field(default_factory=list)
    reprojection_error_px: float = 0.0
    points: SparsePoints | None = None
    turntable: dict[str, Any] | None = None

    @classmethod
    def load(cls, folder: Path) -> Model:
        doc: dict[str, Any] = json.loads((folder / "model.json").read_text())
        if not doc["sizes"]:
            return cls(**doc)
        doc["registered"] = [Registered(**row) for row in doc["registered"]]
        return cls(**doc, points=SparsePoints.load(folder / "points.npz"))


def run_colmap(request: Request, progress: Progress) -> Model:
    """Runs the process to its end. Progress is out of 1000. Raises CaptureError where it dies.

    What a run that was killed had found by then is in the request's folder: features, matches, whole models. It goes on from there.
    """
    folder = Path(request.folder)
    if (request.answer / "model.json").exists():
        return Model.load(request.answer)
    request.save(folder / "request.json")
    command = [sys.executable, "-m", "reconstruction.sfm.colmap.process", str(folder / "request.json")]
    with (folder / "colmap.log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=Path(__file__).parents[3])
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("{"):
                    _forward(json.loads(line), progress)
            code = process.wait()
        finally:
            process.kill()
            process.wait()
    if code != 0:
        raise _death(code, (folder / "colmap.log").read_text(errors="replace"))
    return Model.load(request.answer)


def _forward(line: dict[str, Any], progress: Progress) -> None:
    ends = list(_PHASE_ENDS.values())
    index = list(_PHASE_ENDS).index(line["phase"])
    start = ends[index - 1] if index else 0.0
    done = start + (ends[index] - start) * line["step"] / max(line["steps"], 1)
    progress(round(1000 * done), 1000, f"{_PHASE_TEXTS[line['phase']]} {line['step']}/{line['steps']}")


def _death(code: int, log: str) -> CaptureError:
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "it left no message")
    if code == -signal.SIGKILL:
        return CaptureError("the reconstruction process was killed, most likely for memory", try_next="lower feature_px or max_features")
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    return CaptureError(f"the reconstruction process died with {how} ({last})", try_next="run again with fewer features, or other photos")
