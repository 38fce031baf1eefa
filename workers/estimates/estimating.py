"""The estimate worker's side: estimators kept warm, a question in, an answer as JSON out."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import OrderedDict, defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray
from pycocotools import mask as coco

from reconstruction.errors import PipelineError
from reconstruction.scene.images import box_of_mask
from reconstruction.workspace import Workspace
from workers.estimates.frames import Frame, load_frame
from workers.failures import error_to_json
from workers.files.storage import Storage
from workers.pipeline import load
from workers.queue import is_awaited

MEMORY_OVER_FILES = 2  # an estimator's growth of the process over the size of its files: 1.8 measured, six of the default size
_log = logging.getLogger("snap6d")


class NobodyWaits(PipelineError):
    """The deadline has passed or the client is gone: the answer would be thrown away."""

    code = "deadline-passed"
    retryable = True


@dataclass(frozen=True)
class Loaded:
    """version: of the networks. mib: about what it takes of the memory."""

    estimator: Any
    version: str
    mib: float


class Estimators:
    """The last few objects' estimators, at most so many and about so many MiB, each version of a model loaded once."""

    def __init__(self, target: str, needs: tuple[str, ...], kept: int, kept_mib: float, early_needs: tuple[str, ...] = ()) -> None:
        """`target`: `module:attribute` of what loads one, from these parts of an object; early_needs: while it is still trained."""
        self._needs, self._early_needs = needs, early_needs
        self._target, self._kept, self._kept_mib = target, kept, kept_mib
        self._loaded: OrderedDict[tuple[Path, tuple[str, ...]], Loaded] = OrderedDict()
        self._lock = threading.Lock()

    def needs(self, early: bool) -> tuple[str, ...]:
        return self._early_needs if early else self._needs

    def get(self, object_dir: Path, early: bool = False) -> Loaded:
        """early: with the networks of the first part of a training. Raises what loading raises. The one asked for is kept, however
        large it is."""
        workspace = Workspace(object_dir)
        versions = tuple(workspace.digest(stage) for stage in (("early",) if early else ("correspondence", "validation")))
        key = (object_dir, versions)
        with self._lock:
            if key not in self._loaded:
                for old in [old for old in self._loaded if old[0] == object_dir]:
                    del self._loaded[old]  # of an object that was trained again
                self._make_room(mib := model_mib(workspace, early))
                self._loaded[key] = Loaded(load(self._target).load(object_dir, early=early), versions[0][:12], mib)
            self._loaded.move_to_end(key)
            return self._loaded[key]

    def _make_room(self, mib: float) -> None:
        """Before loading, so that the two are never in memory together."""
        while self._loaded and (len(self._loaded) >= self._kept or sum(one.mib for one in self._loaded.values()) + mib > self._kept_mib):
            self._loaded.popitem(last=False)


def model_mib(workspace: Workspace, early: bool = False) -> float:
    """About what an object's estimator takes of the memory, told by its files."""
    weights = workspace.early_weights if early else workspace.weights
    files = [path for path in (weights, workspace.mesh) if path.is_file()]
    return MEMORY_OVER_FILES * sum(path.stat().st_size for path in files) / 2**20


def answer(estimators: Estimators, storage: Storage, question: dict[str, Any], deadline: float) -> dict[str, Any]:
    """{"answer": ...} or {"error": ...}: a bad question is answered, not raised, so that it harms no neighbour."""
    try:
        return {"answer": estimate(estimators, storage, question, deadline)}
    except PipelineError as error:
        return {"error": error_to_json(error)}
    except Exception as error:
        _log.exception("estimate")
        what = f"the estimate stopped with {type(error).__name__}: {error}"
        return {"error": {"code": "internal-error", "what": what, "try_next": "see the worker's log"}}


def estimate(estimators: Estimators, storage: Storage, question: dict[str, Any], deadline: float) -> dict[str, Any]:
    """`question`: image and depth by the names that they were lent under, object_ids, K, dist, boxes, max_instances, depth_scale, and
    `early`: those of the objects that are still being trained.

    deadline: seconds since 1970. Raises NobodyWaits.
    """
    started = time.perf_counter()
    frame = _read(storage, question)
    timing: defaultdict[str, float] = defaultdict(float, read=_ms(started))
    poses, used, scales = [], [], []
    for object_id in question["object_ids"]:
        loading, early = time.perf_counter(), object_id in question.get("early", ())
        object_dir = storage.restore(object_id, estimators.needs(early))
        used.append(estimators.get(object_dir, early))
        timing["load"] += _ms(loading)
        scales.append(scale_to_json(Workspace(object_dir)))
        for boxes in [None] if frame.boxes is None else [[box] for box in frame.boxes]:  # one by one: many take longer than a deadline
            if not is_awaited(storage, question, deadline):
                raise NobodyWaits("the deadline has passed", try_next="allow a later deadline_ms, or ask for less at once")
            most = question.get("max_instances") or 1
            found = used[-1].estimator.estimate(frame.image, frame.camera, boxes, frame.depth, most, frame.believe_depth)
            symmetry = "unknown" if early else used[-1].estimator.symmetry.kind
            poses += [pose_to_json(object_id, frame, frame.trusted(pose), symmetry) for pose in found.poses]
            for name, value in found.timing_ms.items():
                timing[name] += value
    timing["total"] = _ms(started)
    known = [scale for scale in scales if scale is not None]
    metric = len(known) == len(scales)
    return {
        "frame": "opencv",
        "units": "m" if metric else "object",
        "scale": max(known, key=_uncertainty) if metric else None,
        "K": frame.camera.matrix.ravel().tolist(),
        "K_source": frame.camera_source,
        "model_version": ",".join(one.version for one in used),
        "networks": "early" if question.get("early") else "final",
        "backend": used[0].estimator.rasterizer,
        "device": used[0].estimator.device,
        "timing_ms": {name: round(value, 1) for name, value in timing.items()},
        "poses": sorted(poses, key=lambda pose: -pose["score"]),
    }


def pose_to_json(object_id: str, frame: Frame, pose: Any, symmetry: str) -> dict[str, Any]:
    """A PoseEstimate as the service says it: R row-major, quaternion xyzw, box as x, y, width, height.

    Box and mask are in the pixels of the image as it was sent.
    """
    mask = frame.as_sent(pose.mask)
    x0, y0, x1, y1 = (float(v) for v in box_of_mask(mask) or pose.box)
    return {
        "object_id": object_id,
        "score": float(pose.score),
        "R": _numbers(pose.cam_from_obj.rotation),
        "t": _numbers(pose.cam_from_obj.translation),
        "quat_xyzw": _numbers(pose.cam_from_obj.quaternion_xyzw),
        "bbox_xywh": [x0, y0, x1 - x0, y1 - y0],
        "mask_rle": mask_to_json(mask),
        "symmetry": symmetry,
        "depth_factor": pose.depth_factor,
    }


def mask_to_json(mask: ndarray) -> dict[str, Any]:
    """(h, w) booleans in COCO's compressed run-length encoding."""
    rle = coco.encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(v) for v in rle["size"]], "counts": rle["counts"].decode("ascii")}


def scale_to_json(workspace: Workspace) -> dict[str, Any] | None:
    """Where the metres come from; None where the object's size is not known in metres."""
    scale = json.loads(workspace.scale.read_text())
    return None if scale["units"] != "m" else {"source": scale["source"], "rel_std": scale["rel_std"]}


def _read(storage: Storage, question: dict[str, Any]) -> Frame:
    with ExitStack() as borrowed:
        names = (question["image"], question.get("depth"))
        image, depth = (borrowed.enter_context(storage.borrowed(name)) if name else None for name in names)
        assert image
        boxes, lens = question.get("boxes"), question.get("dist") or ()
        return load_frame(image, question.get("K"), lens, boxes, depth, question.get("depth_scale") or 0.001)


def _uncertainty(scale: dict[str, Any]) -> float:
    return float("inf") if scale["rel_std"] is None else float(scale["rel_std"])


def _numbers(values: ndarray) -> list[float]:
    return [float(v) for v in np.ravel(values)]


def _ms(started: float) -> float:
    return (time.perf_counter() - started) * 1000
