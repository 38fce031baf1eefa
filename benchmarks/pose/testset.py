"""Images of one object with true poses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from jaxtyping import Float, UInt8
from numpy import ndarray

from reconstruction.scene import Camera, Lens, RigidTransform
from reconstruction.scene.images import read_depth, read_photo
from surfemb.bop.pose_errors import ErrorMeter
from surfemb.bop.scenes import BopObject
from surfemb.estimation.inputs import Box
from surfemb.judging.validation import AXIS_STEP
from surfemb.samples.viewpoints import projected_box

PINHOLE, SAME = Lens(), RigidTransform()
SHARES = {"0.40-0.60": (0.4, 0.6), "0.60-0.93": (0.6, 0.93), "0.93-1.00": (0.93, 1.1)}
"""Visible shares of the object, from and below."""


@dataclass(frozen=True, eq=False)
class TestImage:
    """As taken, through `lens`. truth: cam_from_obj, the object in the truth's own frame. visible: the share of the object's outline
    that nothing hides, where it is known."""

    name: str
    path: Path
    camera: Camera
    truth: RigidTransform
    lens: Lens = PINHOLE
    visible: float | None = None
    depth_path: Path | None = None

    def pixels(self) -> UInt8[ndarray, "h w 3"]:
        """Undistorted."""
        return self.lens.undistort(read_photo(self.path), self.camera)

    def depth(self) -> Float[ndarray, "h w"] | None:
        """Metres, undistorted; None without a depth image."""
        return None if self.depth_path is None else self.lens.undistort(read_depth(self.depth_path), self.camera, nearest=True)


@dataclass(frozen=True, eq=False)
class TestSet:
    """obj: mesh, diameter and symmetry in the truth's frame. made_from_truth: from it to the frame that the system made."""

    dataset: str
    name: str
    obj: BopObject
    images: Sequence[TestImage]
    made_from_truth: RigidTransform = SAME

    @cached_property
    def meter(self) -> ErrorMeter:
        return ErrorMeter(self.obj)

    @cached_property
    def turns(self) -> list[RigidTransform]:
        """Under which the object looks the same."""
        return self.obj.symmetry.transforms(AXIS_STEP)

    def box(self, image: TestImage) -> Box:
        """Around the whole object, hidden parts too."""
        box = projected_box(image.camera, image.truth, self.obj.mesh.vertices)
        assert box is not None, "the object is in front of the camera"
        return box
