"""The estimate worker's side: estimators kept warm, a question in, an answer as JSON out."""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from reconstruction.errors import PipelineError
from reconstruction.workspace import Workspace
from workers.failures import error_to_json
from workers.frames import load_frame
from workers.pipeline import load
from workers.storage import Storage


class Estimators:
    """The last few objects' estimators, one loaded at most once for each version of its model."""

    def __init__(self, target: str, needs: tuple[str, ...], kept: int) -> None:
        self._target, self.needs, self._kept = target, needs, kept
        self._loaded: OrderedDict[tuple[Path, str], Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, object_dir: Path) -> tuple[Any, str]:
        """The estimator and its model's version. Raises what loading raises."""
        version = Workspace(object_dir).digest("correspondence")[:12]
        key = (object_dir, version)
        with self._lock:
            if key not in self._loaded:
                self._loaded[key] = load(self._target).load(object_dir)
            self._loaded.move_to_end(key)
            while len(self._loaded) > self._kept:
                self._loaded.popitem(last=False)
            return self._loaded[key], version


def answer(estimators: Estimators, storage: Storage, question: dict[str, Any]) -> dict[str, Any]:
    """{"answer": ...} or {"error": ...}: a bad question is answered, not raised, so that it harms no neighbour."""
    try:
        return {"answer": estimate(estimators, storage, question)}
    except PipelineError as error:
        return {"error": error_to_json(error)}


def estimate(estimators: Estimators, storage: Storage, question: dict[str, Any]) -> dict[str, Any]:
    """`question`: image and depth by the names that they were lent under, object_ids, K, dist, boxes, max_instances, depth_scale."""
    started = time.perf_counter()
    with ExitStack() as borrowed:
        image, depth = (
            borrowed.enter_context(storage.borrowed(name)) if name else None for name in (question["image"], question.get("depth"))
        )
        assert image
        frame = load_frame(
            image,
            question.get("K"),
            question.get("dist") or (),
            question.get("boxes"),
            depth,
            question.get("depth_scale") or 0.001,
        )
    timing = {"read": _ms(started)}
    poses, versions, scales = [], {}, []
    for object_id in question["object_ids"]:
        loading = time.perf_counter()
        object_dir = storage.restore(object_id, estimators.needs)
        estimator, versions[object_id] = estimators.get(object_dir)
        timing["load"] = timing.get("load", 0.0) + _ms(loading)
        found = estimator.estimate(frame.image, frame.camera, frame.boxes, frame.depth, question.get("max_instances") or 1)
        poses += [pose_to_json(object_id, frame.trusted(pose)) for pose in found.poses]
        scales.append(scale_to_json(Workspace(object_dir)))
        for name, value in found.timing_ms.items():
            timing[name] = timing.get(name, 0.0) + value
    timing["total"] = _ms(started)
    metric = all(scale is not None for scale in scales)
    return {
        "frame": "opencv",
        "units": "m" if metric else "object",
        "scale": scales[0] if metric and len(scales) == 1 else None,
        "K": frame.camera.matrix.ravel().tolist(),
        "K_source": frame.camera_source,
        "model_version": ",".join(versions.values()),
        "timing_ms": {name: round(value, 1) for name, value in timing.items()},
        "poses": sorted(poses, key=lambda pose: -pose["score"]),
    }


def pose_to_json(object_id: str, pose: Any) -> dict[str, Any]:
    """A PoseEstimate as the service says it: R row-major, quaternion xyzw, box as x, y, width, height."""
    x0, y0, x1, y1 = (float(v) for v in pose.box)
    return {
        "object_id": object_id,
        "score": float(pose.score),
        "R": _numbers(pose.cam_from_obj.rotation),
        "t": _numbers(pose.cam_from_obj.translation),
        "quat_xyzw": _numbers(pose.cam_from_obj.quaternion_xyzw),
        "bbox_xywh": [x0, y0, x1 - x0, y1 - y0],
    }


def scale_to_json(workspace: Workspace) -> dict[str, Any] | None:
    """Where the metres come from; None where the object's size is not known in metres."""
    scale = json.loads(workspace.scale.read_text())
    return None if scale["units"] != "m" else {"source": scale["source"], "rel_std": scale["rel_std"]}


def _numbers(values: ndarray) -> list[float]:
    return [float(v) for v in np.ravel(values)]


def _ms(started: float) -> float:
    return (time.perf_counter() - started) * 1000
