"""How far each estimate is from each annotated instance, by BOP's three errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from reconstruction.rasterizers import Rasterizer, make_rasterizer
from reconstruction.scene import Camera, RigidTransform
from surfemb.bop.scenes import BopObject
from surfemb.judging.metrics import mspd_error, mssd_error, vsd_errors

MISALIGNMENTS = np.arange(1, 11) * 0.05  # of the diameter
TOLERANCE = 0.015  # metres: so far behind the surface that the sensor saw a pixel still counts as visible
WIDTH_PX = 640


@dataclass(frozen=True, eq=False)
class PoseErrors:
    """Of estimates, the surest first, against the annotated instances of one object in one image.

    mssd: over the diameter. mspd: pixels of an image 640 wide. vsd: at each of `MISALIGNMENTS`; None without a depth image.
    """

    mssd: Float[ndarray, "estimates instances"]
    mspd: Float[ndarray, "estimates instances"]
    vsd: Float[ndarray, "estimates instances limits"] | None = None

    @property
    def instances(self) -> int:
        return int(self.mssd.shape[1])


class ErrorMeter:
    """Measures poses of one object; its symmetries and its rasterizer are made once."""

    def __init__(self, obj: BopObject) -> None:
        self.obj = obj
        self.symmetries = obj.symmetry.transforms()
        self.rasterizer: Rasterizer = make_rasterizer(obj.mesh)

    def measure(
        self,
        estimates: Sequence[RigidTransform],
        truths: Sequence[RigidTransform],
        camera: Camera,
        depth: Float[ndarray, "h w"] | None = None,
    ) -> PoseErrors:
        """All are cam_from_obj, metres; `estimates` by falling score. depth: metres, zero where the sensor saw nothing."""
        points, shape = self.obj.mesh.vertices, (len(estimates), len(truths))
        mssd = [mssd_error(e, t, points, self.symmetries) / self.obj.diameter for e in estimates for t in truths]
        mspd = [mspd_error(e, t, points, camera, self.symmetries) * WIDTH_PX / camera.width for e in estimates for t in truths]
        vsd = None if depth is None else self._vsd(estimates, truths, camera, depth)
        return PoseErrors(np.reshape(mssd, shape), np.reshape(mspd, shape), vsd)

    def _vsd(
        self, estimates: Sequence[RigidTransform], truths: Sequence[RigidTransform], camera: Camera, depth: Float[ndarray, "h w"]
    ) -> Float[ndarray, "estimates instances limits"]:
        lengths = np.linalg.norm(camera.rays(), axis=2)  # of rays with z = 1: from depths to distances
        at_estimate, at_truth = ([self.rasterizer.render(camera, p).depth * lengths for p in poses] for poses in (estimates, truths))
        limits = [float(m * self.obj.diameter) for m in MISALIGNMENTS]
        rows = [vsd_errors(e, t, depth * lengths, TOLERANCE, limits) for e in at_estimate for t in at_truth]
        return np.reshape(rows, (len(estimates), len(truths), len(limits)))
